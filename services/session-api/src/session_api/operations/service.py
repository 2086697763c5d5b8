"""Starting, reading, stopping, repeating and deleting operations."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from datalab.errors import TransientError
from datalab.events.envelope import Event, utc_now
from datalab.platform.documents.collection import until_won
from session_api.offers.reader import OperationOffers
from session_api.operations.deletion import OperationDeletion
from session_api.operations.dependents import Dependents
from session_api.operations.events import cancel_event, changed_event, start_events
from session_api.operations.metrics import OperationMetrics
from session_api.operations.model import RETRYABLE, Operation, first_state
from session_api.operations.repository import OperationRepository
from session_api.operations.requests import RequestBuilder, request_digest
from session_api.operations.seen import SeenOperations
from session_api.operations.session_rights import Role, SessionRights, demand_role
from session_api.operations.turns import Turns
from session_api.web.bodies import JsonObject
from session_api.web.failures import ConflictError, FieldError, OperationNotFoundError
from session_api.web.user import User
from session_api.web.window import Window

#: A running operation is reported on about once a second, so losing even the second race is rare.
_MOST_RACES = 20


class OperationService:
    """What is in no session that the caller may look at does not exist.

    Raises `SessionNotFoundError`, `OperationNotFoundError`. Who may look at a session, and no more, is told so where
    something would change: `ForbiddenError`.
    """

    def __init__(
        self,
        *,
        operations: OperationRepository,
        rights: SessionRights,
        seen: SeenOperations,
        offers: OperationOffers,
        requests: RequestBuilder,
        dependents: Dependents,
        turns: Turns,
        deletion: OperationDeletion,
        metrics: OperationMetrics,
    ) -> None:
        self._operations = operations
        self._rights = rights
        self._seen = seen
        self._offers = offers
        self._requests = requests
        self._dependents = dependents
        self._turns = turns
        self._deletion = deletion
        self._metrics = metrics

    async def page(self, caller: User, session_id: int, window: Window) -> tuple[int, list[Operation]]:
        """Return how many operations the session has, and the window of them."""
        await demand_role(self._rights, caller, session_id, Role.VIEWER)
        count, found = await self._operations.page(session_id, window)
        return count, await self._seen.seen(caller, found, now=utc_now())

    async def get(self, caller: User, session_id: int, operation_id: int) -> Operation:
        """Return one operation."""
        return await self._as_seen(caller, await self._find(caller, session_id, operation_id, Role.VIEWER))

    async def create(
        self,
        caller: User,
        session_id: int,
        *,
        name: str,
        input_data: JsonObject,
        idempotency_key: str | None,
        correlation_id: str,
    ) -> tuple[Operation, bool]:
        """Start an operation, or let it wait for others; return it, and whether it is new.

        With an idempotency key, the second request with the same key gets the operation the first one started.

        Raises:
            FieldError: there is no operation of this name.
            InputRefusedError: the inputs cannot work, or name something the caller may not read.
            ConflictError: the key belongs to another operation, or one with other inputs.
        """
        offer = self._offers.find(name)
        if offer is None:
            raise FieldError({"name": [f'"{name[:100]}" is not a valid choice.']})
        await demand_role(self._rights, caller, session_id, Role.EDITOR)
        digest = request_digest(session_id, offer, input_data)
        if idempotency_key is not None:
            earlier = await self._operations.find_by_idempotency_key(caller.username, idempotency_key)
            if earlier is not None:
                return await self._as_seen(caller, _same_request(earlier, digest)), False
        now = utc_now()
        # A number that is not used in the end does no harm.
        prepared, operation_id = await asyncio.gather(
            self._requests.prepare(caller, offer, input_data, session_id=session_id, now=now),
            self._operations.next_id(),
        )
        status, message = first_state(prepared.request)
        new = Operation(
            id=operation_id,
            session_id=session_id,
            owner=caller.username,
            name=offer.name,
            status=status,
            message=message,
            input_data=prepared.shown,
            request=prepared.request,
            created=now,
            requested_at=now,
            last_news_at=now,
            correlation_id=correlation_id,
            request_digest=digest,
        )
        operation = await self._turns.placed(new)
        if await self._operations.insert(operation, start_events(operation), idempotency_key=idempotency_key):
            return await self._dependents.begin(operation), True
        # Only a key can be in the way: the same request came twice at once, and the other one won.
        assert idempotency_key is not None
        earlier = await self._operations.find_by_idempotency_key(caller.username, idempotency_key)
        if earlier is None:
            raise TransientError("the operation with this Idempotency-Key is just being deleted")
        return await self._as_seen(caller, _same_request(earlier, digest)), False

    async def cancel(self, caller: User, session_id: int, operation_id: int) -> Operation:
        """Stop an operation; whatever its runner still says about the attempt is ignored.

        Raises:
            ConflictError: it has ended already.
        """

        async def stop(operation: Operation, now: datetime) -> tuple[Operation, list[Event]]:
            if operation.finished:
                raise ConflictError(
                    f"The operation is {operation.status.shown}; only one that waits or runs can be stopped."
                )
            cancelled = operation.cancelled(now=now)
            return cancelled, [cancel_event(operation.handle()), changed_event(cancelled)]

        operation = await self._change(caller, session_id, operation_id, stop)
        self._metrics.finished(operation.status, operation.failure_kind)
        await self._dependents.after_end_of([operation.id])
        await self._turns.after_end_of(operation)
        return await self._as_seen(caller, operation)

    async def retry(self, caller: User, session_id: int, operation_id: int) -> Operation:
        """Start another attempt of the same request, which is the caller's from now on.

        Raises:
            ConflictError: it has neither failed nor been cancelled.
            InputRefusedError: the caller may no longer read its inputs.
        """

        async def repeat(operation: Operation, now: datetime) -> tuple[Operation, list[Event]]:
            if operation.status not in RETRYABLE:
                raise ConflictError(
                    f"The operation is {operation.status.shown}; only one that failed or was cancelled can be retried."
                )
            retried = await self._turns.placed(operation.retried(by=caller.username, now=now))
            return retried, start_events(retried)

        before = await self._find(caller, session_id, operation_id, Role.EDITOR)
        if before.status in RETRYABLE:
            await self._requests.demand_readable(caller, before, now=utc_now())
        begun = await self._dependents.begin(await self._change(caller, session_id, operation_id, repeat))
        return await self._as_seen(caller, begun)

    async def delete(self, caller: User, session_id: int, operation_id: int) -> None:
        """Delete an operation; if it runs, it is stopped."""
        await demand_role(self._rights, caller, session_id, Role.EDITOR, unknown=OperationNotFoundError)
        if not await self._deletion.delete(session_id, announce=True, ids=[operation_id]):
            raise OperationNotFoundError

    async def delete_many(self, caller: User, session_id: int, ids: Sequence[int]) -> int:
        """Delete those of a session's operations that have one of the ids; return how many there were."""
        await demand_role(self._rights, caller, session_id, Role.EDITOR)
        return await self._deletion.delete(session_id, announce=True, ids=ids)

    async def _change(
        self,
        caller: User,
        session_id: int,
        operation_id: int,
        change: Callable[[Operation, datetime], Awaitable[tuple[Operation, list[Event]]]],
    ) -> Operation:
        async def turn() -> Operation:
            operation = await self._find(caller, session_id, operation_id, Role.EDITOR)
            changed, events = await change(operation, utc_now())
            await self._operations.replace_state(operation, changed, events)
            return changed

        return await until_won(turn, races=_MOST_RACES, of="the operation")

    async def _find(self, caller: User, session_id: int, operation_id: int, needed: Role) -> Operation:
        _, operation = await asyncio.gather(
            demand_role(self._rights, caller, session_id, needed, unknown=OperationNotFoundError),
            self._operations.find(session_id, operation_id),
        )
        if operation is None:
            raise OperationNotFoundError
        return operation

    async def _as_seen(self, caller: User, operation: Operation) -> Operation:
        return (await self._seen.seen(caller, [operation], now=utc_now()))[0]


def _same_request(earlier: Operation, digest: str) -> Operation:
    if earlier.request_digest != digest:
        raise ConflictError("This Idempotency-Key was used for another operation, or other inputs.")
    return earlier
