"""Starts operations when the outputs they wait for are there, and ends those that would wait for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from datalab.errors import TransientError
from datalab.events.envelope import utc_now
from datalab.events.operations import FailureKind
from datalab.platform.documents.collection import until_won
from datalab.platform.logging import get_logger
from session_api.offers.reader import OperationOffers
from session_api.operations.events import start_events
from session_api.operations.metrics import OperationMetrics
from session_api.operations.model import Operation, OperationStatus
from session_api.operations.repository import OperationRepository
from session_api.operations.requests import RequestBuilder
from session_api.operations.rights import OwnerRights
from session_api.operations.turns import Turns
from session_api.operations.waiting import WaitingOperation
from session_api.web.failures import InputRefusedError

_log = get_logger(__name__)

#: Each lost race means that another process looked at the same operation, or the user stopped it.
_MOST_RACES = 20
_AT_ONCE = 8
_BATCH = 200


class Dependents:
    """Operations that wait for others.

    They are looked at right after what they wait for has ended, and again and again, should the process die before
    that. However many look at the same time, an operation starts once: every change is conditional.
    """

    def __init__(
        self,
        *,
        operations: OperationRepository,
        offers: OperationOffers,
        requests: RequestBuilder,
        rights: OwnerRights,
        turns: Turns,
        metrics: OperationMetrics,
    ) -> None:
        self._operations = operations
        self._offers = offers
        self._requests = requests
        self._rights = rights
        self._turns = turns
        self._metrics = metrics

    async def begin(self, operation: Operation) -> Operation:
        """Return an operation just stored as it stands after a first look.

        What it waits for may have ended while it was being stored, and nobody would tell it.
        """
        if operation.status is not OperationStatus.WAITING:
            return operation
        return await self._try_to_look_at(operation.id) or operation

    async def after_end_of(self, operation_ids: Sequence[int]) -> None:
        """Look at what waits for operations that have ended or were deleted, and at what waits for that.

        Never raises `TransientError`: the end itself is stored, and `look_at_all` finds what was left.
        """
        ended = list(operation_ids)
        while ended:
            try:
                waiting = await self._operations.find_any_waiting_for(ended)
            except TransientError as error:
                _log.warning("dependents.left_for_later", after=ended[:_BATCH], reason=error.message)
                return
            ended = await self._look_at_each(waiting)

    async def look_at_all(self) -> None:
        """Look at every operation that waits for one that has ended. Raises `TransientError`."""
        after = 0
        while waiting := await self._operations.find_any_waiting(after=after, limit=_BATCH):
            parents = {parent_id for each in waiting for parent_id in each.parent_ids}
            unfinished = await self._operations.find_any_unfinished_ids(sorted(parents))
            ended = await self._look_at_each([each for each in waiting if not unfinished.issuperset(each.parent_ids)])
            await self.after_end_of(ended)
            after = waiting[-1].id

    async def _look_at_each(self, waiting: Sequence[WaitingOperation]) -> list[int]:
        """Look at several operations side by side; return the ids of those that have ended by it."""
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def look(each: WaitingOperation) -> Operation | None:
            async with at_once:
                return await self._try_to_look_at(each.id)

        async with asyncio.TaskGroup() as looking:
            looks = [looking.create_task(look(each)) for each in waiting]
        looked_at = [each.result() for each in looks]
        return [operation.id for operation in looked_at if operation is not None and operation.finished]

    async def _try_to_look_at(self, operation_id: int) -> Operation | None:
        try:
            return await self._look_at(operation_id)
        except TransientError as error:
            _log.warning("dependents.left_for_later", operation_id=operation_id, reason=error.message)
            return None

    async def _look_at(self, operation_id: int) -> Operation | None:
        """Start, end or leave an operation that waits; return it, or None if there is none any more."""

        async def turn() -> Operation | None:
            before = await self._operations.find_any(operation_id)
            if before is None or before.status is not OperationStatus.WAITING:
                return before
            after = await self._turns.placed(await self._taken_up(before))
            if after.request == before.request and not after.finished:
                return before
            await self._operations.replace_state(before, after, start_events(after))
            if after.finished:
                self._metrics.finished(after.status, after.failure_kind)
            return after

        return await until_won(turn, races=_MOST_RACES, of="the operation")

    async def _taken_up(self, operation: Operation) -> Operation:
        offer = self._offers.find(operation.name)
        if offer is None:
            raise TransientError(f"no runner offers the operation {operation.name}")
        now = utc_now()
        try:
            owner = await self._rights.owner_of(operation, now=now)
            prepared = await self._requests.take_up(owner, operation, offer, now=now)
        except InputRefusedError as refusal:
            return operation.failed(refusal.text, FailureKind.USAGE, now=now)
        return operation.resolved(prepared.shown, prepared.request, now=now)
