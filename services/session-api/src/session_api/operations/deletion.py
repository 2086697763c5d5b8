"""Deleting operations: used for some of a session's, and for all when the session goes."""

from __future__ import annotations

from collections.abc import Sequence

from datalab.events.envelope import Event, utc_now
from session_api.operations.dependents import Dependents
from session_api.operations.events import cancel_event, deleted_event
from session_api.operations.model import OperationHandle
from session_api.operations.repository import OperationRepository
from session_api.operations.turns import Turns


class OperationDeletion:
    """Operations that are not finished are stopped, and what waits for them fails."""

    def __init__(self, *, operations: OperationRepository, dependents: Dependents, turns: Turns) -> None:
        self._operations = operations
        self._dependents = dependents
        self._turns = turns

    async def delete(self, owner: str, session_id: int, *, announce: bool, ids: Sequence[int] | None = None) -> int:
        """Delete a session's operations, or those of them with one of the ids, and return how many there were.

        With `announce` the feed tells of each.
        """

        def events(operation: OperationHandle) -> list[Event]:
            stop = [] if operation.finished else [cancel_event(operation)]
            tell = [deleted_event(operation, session_id=session_id, owner=owner)] if announce else []
            return [*stop, *tell]

        handles = await self._operations.handles(owner, session_id, ids)
        deletions = {operation.id: events(operation) for operation in handles}
        deleted = await self._operations.mark_deleted(owner, session_id, deletions, now=utc_now())
        await self._dependents.after_end_of(list(deletions))
        await self._turns.pass_on(owner)
        return deleted
