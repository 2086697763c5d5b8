"""Upload tickets and replaced files, in MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from datalab.documents.document import ASCENDING, DESCENDING, Index
from datalab.documents.upload_ticket import COLLECTION, INDEXES, TicketState, UploadTicket
from datalab.events.envelope import Event
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection
from datalab.platform.documents.outbox import OutboxRelay
from session_api.uploads.model import FileVersion


def _same_time_and_less(ticket: UploadTicket) -> dict[str, object]:
    return {"asked_at": ticket.asked_at, "_id": {"$lt": ticket.ticket_id}}


class TicketRepository:
    """Collection `upload_tickets`: one for each form that was handed out."""

    def __init__(self, *, database: Database, relay: OutboxRelay) -> None:
        self._tickets = Collection(database, COLLECTION, UploadTicket, indexes=INDEXES, relay=relay)
        self.ensure_indexes = self._tickets.ensure_indexes

    async def insert(self, ticket: UploadTicket, events: Sequence[Event]) -> bool:
        return await self._tickets.insert(ticket, events)

    async def find_any(self, ticket_id: str) -> UploadTicket | None:
        """Return a ticket, whoever asked for it: who has the form may use it."""
        return await self._tickets.find_one({"_id": ticket_id})

    async def withdraw(self, ticket: UploadTicket) -> None:
        """Forget a ticket whose form was not handed out."""
        await self._tickets.delete({"_id": ticket.ticket_id, "state": TicketState.OPEN})

    async def find_any_earlier(self, ticket: UploadTicket) -> UploadTicket | None:
        """Return the first ticket for the file of one that was asked for before it, by anybody else than its site."""
        earlier = {"$or": [{"asked_at": {"$lt": ticket.asked_at}}, _same_time_and_less(ticket)]}
        used = {"$or": [{"state": {"$ne": TicketState.OPEN}}, {"expires_at": {"$gt": ticket.asked_at}}]}
        others = {"key": ticket.key, "announced_site": {"$ne": ticket.announced_site}}
        return await self._tickets.find_one({**others, "$and": [earlier, used]})

    async def claim(self, ticket_id: str, sha256: str) -> UploadTicket | None:
        """Let a content have the ticket; return the ticket as it is then, None if another content has it."""
        free = {"$or": [{"state": TicketState.OPEN}, {"sha256": sha256}]}
        claimed = await self._tickets.change_and_find(
            {"_id": ticket_id, "state": TicketState.OPEN}, {"$set": {"state": TicketState.CLAIMED, "sha256": sha256}}
        )
        return claimed or await self._tickets.find_one({"_id": ticket_id, **free})

    async def release(self, ticket_id: str, sha256: str) -> None:
        """Open a ticket again whose content was not stored after all."""
        await self._tickets.update(
            {"_id": ticket_id, "state": TicketState.CLAIMED, "sha256": sha256},
            {"$set": {"state": TicketState.OPEN, "sha256": None}},
        )

    async def complete(
        self,
        ticket_id: str,
        *,
        sha256: str,
        size_bytes: int,
        stored_at: datetime,
        repeated: bool,
        events: Sequence[Event],
    ) -> None:
        stored = {
            "state": TicketState.STORED,
            "size_bytes": size_bytes,
            "stored_at": stored_at,
            "repeated": repeated,
        }
        await self._tickets.update(
            {"_id": ticket_id, "state": TicketState.CLAIMED, "sha256": sha256}, {"$set": stored}, events
        )


class VersionRepository:
    """Collection `file_versions`: files that were replaced, each under the key it is kept at."""

    def __init__(self, database: Database) -> None:
        self._versions = Collection(
            database,
            "file_versions",
            FileVersion,
            indexes=[Index(fields=(("key", ASCENDING), ("stored_at", DESCENDING)))],
        )
        self.ensure_indexes = self._versions.ensure_indexes

    async def insert(self, version: FileVersion) -> bool:
        return await self._versions.insert(version)

    async def delete(self, version: FileVersion) -> None:
        await self._versions.delete({"_id": version.version_key})

    async def find_any_of(self, keys: Sequence[str]) -> list[FileVersion]:
        """Return the former versions of files, whoever may read them, newest first."""
        return await self._versions.find(
            {"key": {"$in": list(keys)}}, sort=(("stored_at", DESCENDING), ("_id", ASCENDING)), limit=1000
        )
