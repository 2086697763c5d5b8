"""Uploads in parts, in MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from datalab.documents.document import ASCENDING, DESCENDING, Document, Index
from datalab.events.envelope import Event, utc_now
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection
from datalab.platform.documents.outbox import OutboxRelay
from session_api.uploads.personal.model import PersonalUpload, UploadState
from session_api.web.window import Window

_NEWEST_FIRST = (("created", DESCENDING), ("_id", DESCENDING))


class PersonalUploadRepository:
    """Collection `uploads`."""

    def __init__(self, *, database: Database, relay: OutboxRelay) -> None:
        self._uploads = Collection(
            database,
            "uploads",
            PersonalUpload,
            indexes=[
                Index(fields=(("owner", ASCENDING), *_NEWEST_FIRST)),
                Index(fields=(("key", ASCENDING),)),
                Index(fields=(("modified", ASCENDING),), name="receiving", where={"state": str(UploadState.RECEIVING)}),
            ],
            relay=relay,
        )
        self.ensure_indexes = self._uploads.ensure_indexes

    async def insert(self, upload: PersonalUpload) -> None:
        await self._uploads.insert(upload)

    async def find(self, owner: str, upload_id: str) -> PersonalUpload | None:
        return await self._uploads.find_one({"_id": upload_id, "owner": owner})

    async def find_same(self, upload: PersonalUpload) -> PersonalUpload | None:
        """Return the owner's latest upload of the same file that was not refused."""
        same = await self._uploads.find(
            {
                "owner": upload.owner,
                "site": upload.site,
                "file_name": upload.file_name,
                "sha256": upload.sha256,
                "size_bytes": upload.size_bytes,
                "state": {"$ne": UploadState.REFUSED},
            },
            sort=_NEWEST_FIRST,
            limit=1,
        )
        return same[0] if same else None

    async def page(self, owner: str, window: Window) -> tuple[int, list[PersonalUpload]]:
        query: Document = {"owner": owner}
        return await self._uploads.count(query), await self._uploads.find(
            query, sort=_NEWEST_FIRST, skip=window.offset, limit=window.limit
        )

    async def used(self, owner: str) -> tuple[int, int]:
        """Return how many files of their own somebody has, or is sending, and their bytes. What was refused is none."""
        query = {"owner": owner, "site": None, "state": {"$ne": UploadState.REFUSED}}
        rows = await self._uploads.rows(query, {"size_bytes": True})
        return len(rows), sum(row["size_bytes"] for row in rows)

    async def any_of(self, owner: str) -> bool:
        """Tell whether there is, or will be, a frame that is this user's own."""
        query = {"owner": owner, "site": None, "state": {"$ne": UploadState.REFUSED}}
        return await self._uploads.count(query, most=1) > 0

    async def add_part(self, upload: PersonalUpload, number: int, sha256: str) -> bool:
        """Note a part that is stored; return False if none is expected any more."""
        return await self._uploads.update(
            _receiving(upload), {"$set": {f"parts.{number}": sha256, "modified": utc_now()}}
        )

    async def begin_again(self, upload: PersonalUpload) -> None:
        """Forget the parts: together they were not the file."""
        await self._uploads.update(_receiving(upload), {"$set": {"parts": {}, "modified": utc_now()}})

    async def complete(self, upload: PersonalUpload, events: Sequence[Event]) -> bool:
        return await self._uploads.update(
            _receiving(upload), {"$set": {"state": UploadState.STORED, "modified": utc_now()}}, events
        )

    async def settle_any(
        self, upload_id: str, *, key: str, state: UploadState, frame: str | None, reason: str | None
    ) -> PersonalUpload | None:
        """Note what ingest says of anybody's upload; return the upload, None if nothing waited for it."""
        return await self._uploads.change_and_find(
            {"_id": upload_id, "key": key, "state": UploadState.STORED},
            {"$set": {"state": state, "frame": frame, "reason": reason, "modified": utc_now()}},
        )

    async def abandoned_of_any(self, *, before: datetime) -> list[PersonalUpload]:
        """Return uploads nobody has sent a part of since."""
        return await self._uploads.find({"state": UploadState.RECEIVING, "modified": {"$lt": before}}, limit=100)

    async def delete_any_of(self, keys: Sequence[str]) -> int:
        """Remove what is known of the uploads that were stored there; return how many there were."""
        return await self._uploads.delete({"key": {"$in": list(keys)}, "state": {"$ne": UploadState.RECEIVING}})

    async def delete(self, upload: PersonalUpload) -> bool:
        """Remove an upload that is still receiving."""
        return bool(await self._uploads.delete(_receiving(upload)))


def _receiving(upload: PersonalUpload) -> Document:
    return {"_id": upload.upload_id, "owner": upload.owner, "state": UploadState.RECEIVING}
