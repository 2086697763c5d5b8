"""Messages of sites, in MongoDB."""

from __future__ import annotations

from collections.abc import Sequence

from datalab.documents.document import ASCENDING, DESCENDING, Index
from datalab.events.envelope import Event, utc_now
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection
from datalab.platform.documents.outbox import OutboxRelay
from session_api.site_logs.model import MessageKind, SiteMessage


class SiteMessageRepository:
    """Collection `site_messages`: they are everybody's to read."""

    def __init__(self, *, database: Database, relay: OutboxRelay) -> None:
        self._messages = Collection(
            database,
            "site_messages",
            SiteMessage,
            indexes=[
                Index(fields=(("site", ASCENDING), ("kind", ASCENDING), ("timestamp", DESCENDING))),
                Index(fields=(("kept_until", ASCENDING),), expires_after_s=0),
            ],
            relay=relay,
        )
        self.ensure_indexes = self._messages.ensure_indexes

    async def add(self, message: SiteMessage, events: Sequence[Event]) -> bool:
        """Keep a message; return False if it was kept before."""
        return await self._messages.insert(message, events)

    async def newest(
        self, site: str, kind: MessageKind, *, after: float, limit: int, max_bytes: int
    ) -> list[SiteMessage]:
        """Return the newest messages of a site of after a moment, newest first; the store forgets old ones late."""
        return await self._messages.find_within(
            {"site": site, "kind": kind, "timestamp": {"$gt": after}, "kept_until": {"$gt": utc_now()}},
            sort=(("timestamp", DESCENDING), ("_id", ASCENDING)),
            limit=limit,
            max_bytes=max_bytes,
        )
