"""What the services need from the world. Methods that look beyond one owner say `any` in their name.

Every method raises `TransientError` when the world does not answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from datalab.events.envelope import Event
from datalab.events.operations import FailureKind, Lane, OutputFile, StoredFile
from datalab.events.topology import Consumer
from session_api.domain.catalogue import CatalogueEntry
from session_api.domain.dependencies import ParentState, WaitingOperation
from session_api.domain.frames import Frame
from session_api.domain.operations import Operation, OperationHandle, OperationStatus
from session_api.domain.sessions import Session, SessionFilter
from session_api.domain.users import Account


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list: at most `limit` entries after the first `offset`."""

    limit: int
    offset: int


class UserRepository(Protocol):
    """Accounts and the hashes of their tokens."""

    async def find_any_by_token_hash(self, token_hash: str) -> Account | None: ...

    async def find_any(self, username: str) -> Account | None: ...

    async def page_of_all(self, window: Window) -> tuple[int, list[Account]]: ...

    async def insert(self, account: Account) -> bool:
        """Store a new account; return False if the name is taken."""
        ...

    async def update(
        self, username: str, *, active: bool | None, superuser: bool | None, proposals: Sequence[str] | None
    ) -> Account | None: ...

    async def add_token_hash(self, username: str, token_hash: str, *, created: datetime) -> None: ...

    async def remove_token_hashes(self, username: str) -> int: ...


class SessionRepository(Protocol):
    """Sessions that are not deleted."""

    async def next_id(self) -> int: ...

    async def insert(self, session: Session, events: Sequence[Event]) -> None: ...

    async def find(self, owner: str, session_id: int) -> Session | None: ...

    async def open(self, owner: str, session_id: int, *, now: datetime) -> Session | None:
        """Find a session and note the access, in one step."""
        ...

    async def page(self, owner: str, chosen: SessionFilter, window: Window) -> tuple[int, list[Session]]:
        """Return how many sessions match, and the window of them, newest change first."""
        ...

    async def owned_ids(self, owner: str, ids: Iterable[int]) -> set[int]:
        """Return those of the ids that are sessions of the owner."""
        ...

    async def replace(self, session: Session, *, revision: int, events: Sequence[Event]) -> bool:
        """Store name, input data and times if the session still has this revision; return whether it had."""
        ...

    async def mark_deleted(self, owner: str, session_id: int, *, now: datetime, events: Sequence[Event]) -> bool: ...

    async def find_any_deleted(self, *, limit: int) -> list[tuple[str, int]]:
        """Return owner and id of sessions that are deleted and not purged yet."""
        ...

    async def purge_any(self, ids: Sequence[int], *, deleted_before: datetime) -> int:
        """Remove deleted sessions whose events are all published."""
        ...


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


class FrameRepository(Protocol):
    """The archive's frames, whoever may see them: callers check."""

    async def find_any_by_basename(self, basenames: Sequence[str]) -> dict[str, Frame]: ...


class Catalogue(Protocol):
    """The operations there are."""

    def find(self, name: str) -> CatalogueEntry | None: ...

    def entries(self) -> list[CatalogueEntry]:
        """Return every operation, in the order clients show them."""
        ...


class ResultData(Protocol):
    """The data of large results, as they were stored."""

    async def read(self, file: StoredFile) -> bytes | None:
        """Return a JSON array as text; None if the object is gone or damaged."""
        ...


class Links(Protocol):
    """Signs links to objects."""

    def sign_get(self, key: str, *, content_type: str | None = None, filename: str | None = None) -> str: ...


class WorkQueues(Protocol):
    """How busy the runners are, and what became of messages they could not take."""

    async def idle(self, lane: Lane) -> bool:
        """Tell whether no request of the lane waits or is in hand, and no report waits to be taken in."""
        ...

    async def stored_body(self, stream: str, sequence: int) -> bytes | None: ...

    async def bury(self, consumer: Consumer, body: bytes, *, sequence: int, reason: str) -> None: ...


class OperationMeter(Protocol):
    """Counts for the operators."""

    def finished(self, status: OperationStatus, kind: FailureKind | None) -> None: ...

    def unfinished(self, counts: Mapping[OperationStatus, int]) -> None: ...

    def requested_again(self) -> None: ...

    def undeliverable(self, consumer: str) -> None: ...
