"""All-sky images in the document store. This service is their only writer."""

from __future__ import annotations

from datalab.documents.allsky_image import COLLECTION, INDEXES, AllskyImageDocument
from datalab.events.envelope import utc_now
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection
from datalab.platform.documents.outbox import OutboxRelay


class AllskyImageRepository:
    """Collection `allsky_images`."""

    def __init__(self, *, database: Database, relay: OutboxRelay) -> None:
        self._images = Collection(database, COLLECTION, AllskyImageDocument, indexes=INDEXES, relay=relay)
        self.ensure_indexes = self._images.ensure_indexes
        self.save = self._images.save_revision

    async def find(self, basename: str) -> AllskyImageDocument | None:
        return await self._images.find_one({"_id": basename})

    async def shown_keys(self) -> set[str]:
        """Return the keys of every file of an image that is still kept."""
        rows = await self._images.rows({"expires_at": {"$gt": utc_now()}}, {"files": True})
        return {file["key"] for row in rows for file in row["files"].values()}
