"""Looks for what listening alone would miss: requests the bus has lost. And counts, and clears away."""

from __future__ import annotations

from contextlib import aclosing, suppress
from datetime import timedelta

from pydantic import ValidationError

from datalab.events.envelope import WireModel, utc_now
from datalab.events.operations import FailureKind, Lane
from datalab.events.topology import PROJECTOR, RUNNERS, Consumer, stream_for
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
#: Messages a look reads through: users' shares are far fewer. Where there are more, lost ones have to wait.
_MOST_MESSAGES = 2000


class _AboutOperation(WireModel):
    """What requests and reports have in common."""

    operation_id: int


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

        Without news for a while proves nothing while the request waits or is in hand, as in a long queue, or a report
        waits to be taken in: the bus has forgotten it when none of the messages it has yet to settle is about it. A
        runner that does work on it finds the result under its key.
        """
        since = utc_now() - self._stale_after
        asked = 0
        for lane in Lane:
            silent = await self._operations.find_any_silent(lane, since=since, limit=_BATCH)
            # A request is settled after its report is stored, so they are looked at in this order.
            for consumer in (RUNNERS[lane], PROJECTOR):
                if silent:
                    unsettled = await self._unsettled(consumer)
                    silent = [each for each in silent if unsettled is not None and each.id not in unsettled]
            asked += sum([await self._request_again(operation) for operation in silent])
        return asked

    async def count_unfinished(self) -> None:
        """Tell the metrics how many operations wait or run. Raises `TransientError`."""
        self._metrics.unfinished(await self._operations.count_any_unfinished())

    async def purge_deleted(self) -> None:
        """Remove operations that nobody needs any more. Raises `TransientError`."""
        await self._operations.purge_any(deleted_before=utc_now() - self._purge_after)

    async def _unsettled(self, consumer: Consumer) -> set[int] | None:
        """Return the operations a consumer may still have messages about; None if there are too many messages."""
        with bus_errors(f"the consumer {consumer.name} cannot be asked"):
            info = await self._bus.jetstream.consumer_info(consumer.stream, consumer.name)
        if not (info.num_pending or info.num_ack_pending):
            return set()
        if (info.num_pending or 0) > _MOST_MESSAGES:
            return None
        found: set[int] = set()
        messages = self._bus.replay(
            stream_for(consumer.filter_subjects[0]),
            after=info.ack_floor.stream_seq if info.ack_floor else 0,
            filter_subjects=consumer.filter_subjects,
        )
        async with aclosing(messages):
            count = 0
            async for message in messages:
                count += 1
                if count > _MOST_MESSAGES:
                    return None
                with suppress(ValidationError):  # of nothing: it becomes a dead letter
                    found.add(_AboutOperation.model_validate_json(message.body).operation_id)
        return found

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
