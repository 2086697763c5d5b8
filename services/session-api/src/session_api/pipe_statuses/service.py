"""Statuses of PIPE machines, each replaced as a whole by the machine itself."""

from __future__ import annotations

import orjson
from pydantic import JsonValue

from datalab.errors import NotFoundError, UsageError
from datalab.events.envelope import utc_now
from session_api.pipe_statuses.model import (
    LARGEST_DETAILS_BYTES,
    LONGEST_STATUS,
    MOST_MACHINES,
    PipeStatus,
    is_machine_id,
)
from session_api.pipe_statuses.repository import PipeStatusRepository
from session_api.uploads.open_sites import OpenSites, SiteWork
from session_api.web.failures import RefusedError, TooLargeError
from session_api.web.user import User


class PipeStatusService:
    """Keeps what machines say of themselves. One serves several sites: who speaks for any of them may say it."""

    def __init__(self, *, statuses: PipeStatusRepository, open_sites: OpenSites) -> None:
        self._statuses = statuses
        self._open_sites = open_sites

    async def status(self, pipe_id: str) -> PipeStatus:
        """Return what a machine last said. Raises `NotFoundError`."""
        found = await self._statuses.find(pipe_id)
        if found is None:
            raise NotFoundError(f"PIPE machine not found: {pipe_id}")
        return found

    async def statuses(self) -> list[PipeStatus]:
        """Return what all machines last said."""
        return await self._statuses.find_all()

    async def replace(self, caller: User, pipe_id: str, status: str, details: JsonValue) -> PipeStatus:
        """Keep a status in the place of the former one. Raises `RefusedError`, `TooLargeError`, `UsageError`."""
        if not is_machine_id(pipe_id):
            raise UsageError("A pipe_id has 1 to 256 characters; / and control characters are not among them.")
        if len(status) > LONGEST_STATUS:
            raise UsageError(f"status is a text of at most {LONGEST_STATUS} characters.")
        self._require_right(caller, pipe_id)
        content = orjson.dumps(details)
        if len(content) > LARGEST_DETAILS_BYTES:
            raise TooLargeError(
                f"The details are too large: they have {len(content)} bytes, {LARGEST_DETAILS_BYTES} are possible."
            )
        if await self._statuses.count_others(pipe_id) >= MOST_MACHINES:
            raise RefusedError(f"There are {MOST_MACHINES} machines already, which is as many as are kept.")
        said = PipeStatus(pipe_id=pipe_id, status=status, details=content.decode(), last_updated=utc_now())
        await self._statuses.keep(said)
        return said

    async def forget(self, caller: User, pipe_id: str) -> None:
        """Forget a machine, if it is known. Raises `RefusedError`."""
        self._require_right(caller, pipe_id)
        await self._statuses.delete(pipe_id)

    def _require_right(self, caller: User, pipe_id: str) -> None:
        if not (caller.observatories or self._open_sites.let(caller, pipe_id, SiteWork.QUEUES)):
            raise RefusedError(
                "The status of a PIPE machine is taken with a token only, of somebody who speaks for a site."
            )
