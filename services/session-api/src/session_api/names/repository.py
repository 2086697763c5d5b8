"""The names that were looked up, in MongoDB."""

from __future__ import annotations

from datetime import datetime

from datalab.documents.document import ASCENDING, Index
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection
from session_api.names.model import KnownName


class NameRepository:
    """Collection `known_names`."""

    def __init__(self, database: Database) -> None:
        self._names = Collection(
            database,
            "known_names",
            KnownName,
            indexes=[Index(fields=(("expires_at", ASCENDING),), expires_after_s=0)],
        )
        self.ensure_indexes = self._names.ensure_indexes

    async def find(self, name: str, *, now: datetime) -> KnownName | None:
        """Return what is known of a name now."""
        return await self._names.find_one({"_id": name, "expires_at": {"$gt": now}})

    async def keep(self, known: KnownName) -> None:
        await self._names.upsert(known)
