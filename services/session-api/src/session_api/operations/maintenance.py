"""Looks for what listening alone would miss: requests the bus has lost. And counts, and clears away."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from datalab.events.envelope import utc_now
from datalab.events.operations import FailureKind, Lane
from datalab.events.topology import PROJECTOR, RUNNERS, Consumer
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.errors import bus_errors
from datalab.platform.documents.collection import LostRaceError
from datalab.platform.logging import get_logger
from session_api.operations.dependents import Dependents
from session_api.operations.events import changed_event, requested_event
from session_api.operations.metrics import OperationMetrics
from session_api.operations.model import Operation
from session_api.operations.repository import OperationRepository
from session_api.operations.rights import OwnerRights
from session_api.operations.turns import Turns
from session_api.web.failures import InputRefusedError

_log = get_logger(__name__)

#: How much one look takes on; the next look goes on.
_BATCH = 200


class OperationMaintenance:
    """Any number of processes may do this at the same time: every change is conditional."""

    def __init__(
        self,
        *,
        operations: OperationRepository,
        bus: Bus,
        rights: OwnerRights,
        dependents: Dependents,
        turns: Turns,
        metrics: OperationMetrics,
        stale_operation_s: float,
        purge_after_s: float,
    ) -> None:
        self._operations = operations
        self._bus = bus
        self._rights = rights
        self._dependents = dependents
        self._turns = turns
        self._metrics = metrics
        self._stale_after = timedelta(seconds=stale_operation_s)
        self._purge_after = timedelta(seconds=purge_after_s)

    async def request_lost_again(self) -> int:
        """Request operations again that nobody works on any more; return how many. Raises `TransientError`.

        Without news for a while proves nothing while requests wait or are in hand, as in a long queue, or reports wait
        to be taken in: only when the queues are empty has the bus forgotten them. A runner that does work on it finds
        the result under its key.
        """
        since = utc_now() - self._stale_after
        asked = 0
        for lane in Lane:
            if await self._idle(RUNNERS[lane], PROJECTOR):
                silent = await self._operations.find_any_silent(lane, since=since, limit=_BATCH)
                asked += sum([await self._request_again(operation) for operation in silent])
        return asked

    async def count_unfinished(self) -> None:
        """Tell the metrics how many operations wait or run. Raises `TransientError`."""
        self._metrics.unfinished(await self._operations.count_any_unfinished())

    async def purge_deleted(self) -> None:
        """Remove operations that nobody needs any more. Raises `TransientError`."""
        await self._operations.purge_any(deleted_before=utc_now() - self._purge_after)

    async def _idle(self, *consumers: Consumer) -> bool:
        for consumer in consumers:
            with bus_errors(f"the consumer {consumer.name} cannot be asked"):
                info = await self._bus.jetstream.consumer_info(consumer.stream, consumer.name)
            if info.num_pending or info.num_ack_pending:
                return False
        return True

    async def _request_again(self, operation: Operation) -> bool:
        now = utc_now()
        try:
            await self._rights.owner_of(operation, now=now)
        except InputRefusedError as refusal:
            await self._end(operation, operation.failed(refusal.text, FailureKind.USAGE, now=now))
            return False
        try:
            await self._operations.replace_state(operation, operation.heard_of(now=now), [requested_event(operation)])
        except LostRaceError:  # somebody has heard of it after all
            return False
        self._metrics.requested_again()
        _log.warning("operation.requested_again", operation_id=operation.id, attempt=operation.attempt)
        return True

    async def _end(self, operation: Operation, ended: Operation) -> None:
        with suppress(LostRaceError):  # somebody has heard of it after all
            await self._operations.replace_state(operation, ended, [changed_event(ended)])
            self._metrics.finished(ended.status, ended.failure_kind)
            await self._dependents.after_end_of([ended.id])
            await self._turns.after_end_of(ended)
