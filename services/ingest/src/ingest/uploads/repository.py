"""The upload log and the refused objects, in the document store."""

from __future__ import annotations

from collections.abc import Collection as Several
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from datalab.events.envelope import utc_now
from datalab.platform.documents.client import ASCENDING, DESCENDING, Collection, Database, IndexModel, mongo_errors
from ingest.uploads.model import StoredVersion, Upload


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedVersion:
    """An object that was of no use when it looked like this."""

    key: str
    size_bytes: int
    etag: str
    modified_at: datetime


class MongoUploads:
    """`upload_log`: one entry per object version, kept for a while. `refused_files`: one per key, kept."""

    def __init__(self, *, database: Database, keep_s: float) -> None:
        self._log: Collection = database["upload_log"]
        self._refused: Collection = database["refused_files"]
        self._keep = timedelta(seconds=keep_s)

    async def ensure_indexes(self) -> None:
        with mongo_errors():
            await self._log.create_indexes(
                [
                    IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0),
                    IndexModel([("site", ASCENDING), ("uploaded_at", DESCENDING)]),
                    IndexModel([("uploaded_at", DESCENDING)]),
                ]
            )

    async def record(self, upload: Upload) -> None:
        entry = {
            "site": upload.site,
            "key": upload.key,
            "size_bytes": upload.size_bytes,
            "uploaded_at": upload.uploaded_at,
            "outcome": str(upload.outcome),
            "reason": upload.reason,
            "expires_at": upload.uploaded_at + self._keep,
        }
        with mongo_errors():
            await self._log.update_one({"_id": upload.version_id}, {"$set": entry}, upsert=True)

    async def refuse(self, stored: StoredVersion, reason: str) -> None:
        entry = {
            "size_bytes": stored.size_bytes,
            "etag": stored.etag,
            "modified_at": stored.modified_at,
            "reason": reason,
            "refused_at": utc_now(),
        }
        with mongo_errors():
            await self._refused.update_one({"_id": stored.key}, {"$set": entry}, upsert=True)

    async def refused(self, keys: Several[str]) -> Mapping[str, StoredVersion]:
        with mongo_errors():
            documents = await self._refused.find({"_id": {"$in": list(keys)}}).to_list(None)
        return {
            document["_id"]: RefusedVersion(
                key=document["_id"],
                size_bytes=document["size_bytes"],
                etag=document["etag"],
                modified_at=document["modified_at"],
            )
            for document in documents
        }
