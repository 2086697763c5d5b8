"""Deleting operations: used for some of a session's, and for all when the session goes."""

from __future__ import annotations

from collections.abc import Sequence

from datalab.events.envelope import Event, utc_now
from datalab.platform.documents.collection import LostRaceError, until_won
from session_api.operations.dependents import Dependents
from session_api.operations.events import cancel_event, deleted_event
from session_api.operations.model import OperationHandle
from session_api.operations.repository import OperationRepository
from session_api.operations.turns import Turns

_MOST_RACES = 20


class OperationDeletion:
    """Operations that are not finished are stopped, and what waits for them fails."""

    def __init__(self, *, operations: OperationRepository, dependents: Dependents, turns: Turns) -> None:
        self._operations = operations
        self._dependents = dependents
        self._turns = turns

    async def delete(self, session_id: int, *, announce: bool, ids: Sequence[int] | None = None) -> int:
        """Delete a session's operations, or those of them with one of the ids, and return how many there were.

        With `announce` the feed tells of each.
        """

        def events(operation: OperationHandle) -> list[Event]:
            stop = [] if operation.finished else [cancel_event(operation)]
            tell = [deleted_event(operation, session_id=session_id)] if announce else []
            return [*stop, *tell]

        found: set[int] = set()
        owners: set[str] = set()
        deleted = 0

        async def turn() -> None:
            nonlocal deleted
            handles = await self._operations.handles(session_id, ids)
            found.update(operation.id for operation in handles)
            owners.update(operation.owner for operation in handles)
            deletions = [(operation, events(operation)) for operation in handles]
            fitted = await self._operations.mark_deleted(session_id, deletions, now=utc_now())
            deleted += fitted
            if fitted < len(handles):
                raise LostRaceError  # a retry, whose attempt has to be stopped too, or another deletion

        await until_won(turn, races=_MOST_RACES, of="the operations")
        await self._dependents.after_end_of(list(found))
        for owner in sorted(owners):
            await self._turns.pass_on(owner)
        return deleted
