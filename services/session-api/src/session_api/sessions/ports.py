"""What sessions need from the document store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from datalab.events.envelope import Event
from session_api.sessions.model import Session, SessionFilter
from session_api.web.window import Window


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
