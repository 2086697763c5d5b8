"""What operations need from the world. Methods that look beyond one owner say `any` in their name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from datalab.events.envelope import Event
from datalab.events.operations import Lane, OutputFile
from session_api.operations.model import Operation, OperationHandle, OperationStatus
from session_api.operations.waiting import ParentState, WaitingOperation
from session_api.web.window import Window


class OperationRepository(Protocol):
    """Operations that are not deleted."""

    async def next_id(self) -> int: ...

    async def insert(self, operation: Operation, events: Sequence[Event], *, idempotency_key: str | None) -> bool:
        """Store a new operation; return False if the owner has used the key before."""
        ...

    async def find(self, owner: str, session_id: int, operation_id: int) -> Operation | None: ...

    async def find_by_idempotency_key(self, owner: str, key: str) -> Operation | None: ...

    async def find_any(self, operation_id: int) -> Operation | None: ...

    async def page(self, owner: str, session_id: int, window: Window) -> tuple[int, list[Operation]]:
        """Return how many operations the session has, and the window of them, by id."""
        ...

    async def of_sessions(self, owner: str, session_ids: Sequence[int]) -> list[Operation]:
        """Return every operation of some sessions, by id."""
        ...

    async def find_outputs(self, owner: str, basenames: Sequence[str]) -> dict[str, OutputFile]:
        """Return output files of the owner's completed operations, by basename."""
        ...

    async def find_parents(self, owner: str, ids: Sequence[int]) -> dict[int, ParentState]:
        """Return how those of the owner's operations stand that have one of the ids."""
        ...

    async def find_any_waiting_for(self, ids: Sequence[int]) -> list[WaitingOperation]:
        """Return the operations that wait for one of these, by id."""
        ...

    async def find_any_waiting(self, *, after: int, limit: int) -> list[WaitingOperation]:
        """Return operations that wait, by id, from the first one after an id."""
        ...

    async def find_any_unfinished_ids(self, ids: Sequence[int]) -> set[int]:
        """Return those of the ids whose operations are not finished."""
        ...

    async def replace_state(self, before: Operation, after: Operation, events: Sequence[Event]) -> bool:
        """Store the new state, with its inputs, if nobody changed or deleted the operation since it was read.

        Return whether so.
        """
        ...

    async def handles(self, owner: str, session_id: int, ids: Sequence[int] | None) -> list[OperationHandle]:
        """Return a session's operations, or those of them with one of the ids."""
        ...

    async def mark_deleted(
        self, owner: str, session_id: int, deletions: Mapping[int, Sequence[Event]], *, now: datetime
    ) -> int:
        """Delete operations, each with its events; return how many there were."""
        ...

    async def find_any_silent(self, lane: Lane, *, since: datetime, limit: int) -> list[Operation]:
        """Return unfinished operations of a lane without news since then, whose events are all published."""
        ...

    async def count_any_unfinished(self) -> dict[OperationStatus, int]: ...

    async def purge_any(self, *, deleted_before: datetime) -> int:
        """Remove deleted operations whose events are all published."""
        ...
