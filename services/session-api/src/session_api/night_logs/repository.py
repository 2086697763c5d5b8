"""Notes, in MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from datalab.documents.document import ASCENDING, DESCENDING, Index
from datalab.events.envelope import Event
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection
from datalab.platform.documents.outbox import OutboxRelay
from session_api.night_logs.model import Note

_NEWEST_FIRST = (("_id", DESCENDING),)


class NoteRepository:
    """Collection `night_logs`: they are everybody's to read while they hold, afterwards their site's."""

    def __init__(self, *, database: Database, relay: OutboxRelay) -> None:
        self._notes = Collection(
            database,
            "night_logs",
            Note,
            indexes=[
                Index(fields=(("site", ASCENDING), ("_id", DESCENDING))),
                Index(fields=(("kept_until", ASCENDING),), expires_after_s=0),
            ],
            relay=relay,
        )
        self.ensure_indexes = self._notes.ensure_indexes

    async def next_number(self) -> int:
        """Return the number of the next note: later ones have higher numbers."""
        return await self._notes.next_number()

    async def add(self, note: Note, events: Sequence[Event]) -> None:
        await self._notes.insert(note, events)

    async def newest(self, site: str) -> Note | None:
        found = await self._notes.find({"site": site}, sort=_NEWEST_FIRST, limit=1)
        return found[0] if found else None

    async def latest(self, site: str, *, limit: int, max_bytes: int) -> list[Note]:
        """Return the latest notes of a site, those that do not hold any more among them, newest first."""
        return await self._notes.find_within({"site": site}, sort=_NEWEST_FIRST, limit=limit, max_bytes=max_bytes)

    async def remove(self, note: Note, events: Sequence[Event], *, by: str, at: datetime) -> bool:
        """Take a note away; return False if it is gone already."""
        return await self._notes.update(
            {"_id": note.number, "removed_at": None}, {"$set": {"removed_at": at, "removed_by": by}}, events
        )
