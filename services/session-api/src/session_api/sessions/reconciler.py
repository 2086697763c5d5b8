"""Looks for what listening alone would miss: lost requests, half-deleted sessions, operations left waiting, rubbish."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from datalab.errors import TransientError
from datalab.events.envelope import utc_now
from datalab.events.operations import Lane
from datalab.platform.documents.collection import LostRaceError
from datalab.platform.logging import get_logger
from session_api.operations.deletion import delete_operations
from session_api.operations.dependents import Dependents
from session_api.operations.model import Operation, requested_event
from session_api.operations.ports import OperationMeter, WorkQueues
from session_api.operations.repository import OperationRepository
from session_api.sessions.repository import SessionRepository

_log = get_logger(__name__)

#: How much one look takes on; the next look goes on.
_BATCH = 200


class Reconciler:
    """Any number of processes may look at the same time: every change is conditional."""

    def __init__(
        self,
        *,
        operations: OperationRepository,
        sessions: SessionRepository,
        dependents: Dependents,
        queues: WorkQueues,
        meter: OperationMeter,
        stale_operation_s: float,
        purge_after_s: float,
    ) -> None:
        self._operations = operations
        self._sessions = sessions
        self._dependents = dependents
        self._queues = queues
        self._meter = meter
        self._stale_after = timedelta(seconds=stale_operation_s)
        self._purge_after = timedelta(seconds=purge_after_s)

    async def run(self, *, interval_s: float) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            try:
                await self.look()
            except TransientError as error:
                _log.warning("reconciler.interrupted", reason=error.message)
            except Exception:  # noqa: BLE001 - a bug in one look must not end the looking
                _log.exception("reconciler.failed")

    async def look(self) -> None:
        """Look once. Raises `TransientError`."""
        await self.request_lost_operations_again()
        await self.finish_deletions()
        await self._dependents.look_at_all()
        self._meter.unfinished(await self._operations.count_any_unfinished())

    async def request_lost_operations_again(self) -> int:
        """Request operations again that nobody works on any more; return how many.

        Without news for a while proves nothing while requests wait or are in hand, as in a long queue: only when the
        lane's queue is empty has the bus forgotten them. A runner that does work on it finds the result under its key.
        """
        since = utc_now() - self._stale_after
        asked = 0
        for lane in Lane:
            if await self._queues.idle(lane):
                silent = await self._operations.find_any_silent(lane, since=since, limit=_BATCH)
                asked += sum([await self._request_again(operation) for operation in silent])
        return asked

    async def finish_deletions(self) -> None:
        """Delete the operations that deleted sessions still have, then remove what nobody needs any more."""
        now = utc_now()
        deleted = await self._sessions.find_any_deleted(limit=_BATCH)
        for owner, session_id in deleted:
            await delete_operations(
                self._operations, self._dependents, owner=owner, session_id=session_id, announce=False, now=now
            )
        purged = [session_id for _, session_id in deleted]
        await self._operations.purge_any(deleted_before=now - self._purge_after)
        await self._sessions.purge_any(purged, deleted_before=now - self._purge_after)

    async def _request_again(self, operation: Operation) -> bool:
        try:
            asked = operation.heard_of(now=utc_now())
            await self._operations.replace_state(operation, asked, [requested_event(operation)])
        except LostRaceError:  # somebody has heard of it after all
            return False
        self._meter.requested_again()
        _log.warning("reconciler.requested_again", operation_id=operation.id, attempt=operation.attempt)
        return True
