"""The upload log and the refused objects, in the document store."""

from __future__ import annotations

from collections.abc import Collection as Several
from collections.abc import Mapping
from datetime import timedelta

from datalab.documents.upload import COLLECTION, INDEXES, Upload
from datalab.events.envelope import utc_now
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection
from ingest.uploads.model import RefusedVersion, StoredVersion


class UploadRepository:
    """`upload_log`: one entry per object version, kept for a while. `refused_files`: one per key, kept."""

    def __init__(self, *, database: Database, keep_s: float) -> None:
        self._log = Collection(database, COLLECTION, Upload, indexes=INDEXES)
        self._refused = Collection(database, "refused_files", RefusedVersion)
        self._keep = timedelta(seconds=keep_s)
        self.ensure_indexes = self._log.ensure_indexes

    async def record(self, upload: Upload) -> None:
        await self._log.upsert(upload.model_copy(update={"expires_at": upload.uploaded_at + self._keep}))

    async def logged(self, version_ids: Several[str]) -> set[str]:
        """Return those of the versions that have an entry."""
        rows = await self._log.rows({"_id": {"$in": list(version_ids)}}, {"_id": True})
        return {row["_id"] for row in rows}

    async def refuse(self, stored: StoredVersion, reason: str) -> None:
        await self._refused.upsert(
            RefusedVersion(
                key=stored.key,
                size_bytes=stored.size_bytes,
                etag=stored.etag,
                modified_at=stored.modified_at,
                reason=reason,
                refused_at=utc_now(),
            )
        )

    async def forget_refused(self, keys: Several[str]) -> None:
        """Forget what was refused under these keys: what made it useless has gone."""
        await self._refused.delete({"_id": {"$in": list(keys)}})

    async def refused(self, keys: Several[str]) -> Mapping[str, StoredVersion]:
        return {each.key: each for each in await self._refused.find({"_id": {"$in": list(keys)}})}
