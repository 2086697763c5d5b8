"""Tells listeners how sites are now: each kind once in a while, however often it changes."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

import orjson

from datalab.errors import TransientError
from datalab.events.site_status import SiteStatusChanged
from datalab.platform.logging import get_logger
from datalab.platform.tasks import end_tasks
from session_api import SERVICE
from session_api.status.model import SiteStatus

_log = get_logger(__name__)

#: More kinds of status waiting to be told means the bus is away: the next ones are told when it is back.
_MOST_WAITING: Final = 10_000


class Broadcaster(Protocol):
    """Sends an encoded event to whoever listens. Raises `TransientError`."""

    async def broadcast(self, *, subject: str, body: bytes) -> None: ...


class StatusTeller:
    """Broadcasts the newest status of each kind: at once after a pause, else when the interval is over.

    What is not told, because the process ends, is stored, and the next status follows it.
    """

    def __init__(self, *, bus: Broadcaster, interval_s: float) -> None:
        self._bus = bus
        self._interval_s = interval_s
        self._waiting: dict[str, SiteStatus] = {}
        self._wake = asyncio.Event()
        self._telling: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._telling = asyncio.create_task(self._tell_regularly())

    async def stop(self) -> None:
        """Tell what waits, and nothing more."""
        if self._telling is not None:
            await end_tasks(self._telling)
        await self._tell()

    def tell(self, status: SiteStatus) -> None:
        """Have a status told soon, unless a newer one comes before that. Never waits and never fails."""
        if status.status_id in self._waiting or len(self._waiting) < _MOST_WAITING:
            self._waiting[status.status_id] = status
            self._wake.set()

    async def _tell_regularly(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._tell()
            await asyncio.sleep(self._interval_s)

    async def _tell(self) -> None:
        waiting, self._waiting = self._waiting, {}
        while waiting:
            status_id, status = next(iter(waiting.items()))
            try:
                event = _changed(status)
                await self._bus.broadcast(subject=event.subject, body=_encoded(event, status.status))
            except TransientError as error:
                _log.warning("status.not_told", statuses=len(waiting), reason=error.message)
                self._waiting = {**waiting, **self._waiting}
                self._wake.set()
                return
            del waiting[status_id]


def _changed(status: SiteStatus) -> SiteStatusChanged:
    """Return the event, without what the status is."""
    return SiteStatusChanged(
        producer=SERVICE,
        site=status.site,
        kind=status.kind,
        status={},
        server_timestamp_ms=status.server_timestamp_ms,
    )


def _encoded(event: SiteStatusChanged, content: str) -> bytes:
    """Return the event with the status, which is JSON already, as it is sent."""
    return orjson.dumps({**event.model_dump(mode="json"), "status": orjson.Fragment(content)})
