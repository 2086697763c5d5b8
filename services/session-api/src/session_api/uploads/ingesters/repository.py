"""Files of OCS ingesters that are no frame's yet, in MongoDB."""

from __future__ import annotations

from datetime import datetime

from datalab.documents.document import ASCENDING, Index
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection
from session_api.uploads.ingesters.model import IngesterFile


class IngesterFileRepository:
    """Collection `ingester_files`."""

    def __init__(self, database: Database) -> None:
        self._files = Collection(
            database, "ingester_files", IngesterFile, indexes=[Index(fields=(("created", ASCENDING),))]
        )
        self.ensure_indexes = self._files.ensure_indexes

    async def insert(self, file: IngesterFile) -> None:
        await self._files.insert(file)

    async def note_stored(self, file: IngesterFile, *, size_bytes: int, sha256: str, md5: str) -> None:
        stored = {"size_bytes": size_bytes, "sha256": sha256, "md5": md5}
        await self._files.update({"_id": file.version, "owner": file.owner}, {"$set": stored})

    async def claim(self, owner: str, version: str, *, frame: str) -> IngesterFile | None:
        """Note which frame a stored file is to be part of, and return the file.

        None if the owner has none such, or it is to be part of another frame.
        """
        return await self._files.change_and_find(
            {"_id": version, "owner": owner, "md5": {"$ne": ""}, "frame": {"$in": [None, frame]}},
            {"$set": {"frame": frame}},
        )

    async def find(self, owner: str, version: str) -> IngesterFile | None:
        return await self._files.find_one({"_id": version, "owner": owner})

    async def find_any_older(self, *, than: datetime, limit: int) -> list[IngesterFile]:
        return await self._files.find({"created": {"$lt": than}}, sort=(("created", ASCENDING),), limit=limit)

    async def delete(self, file: IngesterFile) -> None:
        await self._files.delete({"_id": file.version, "owner": file.owner})
