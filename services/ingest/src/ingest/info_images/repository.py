"""Info images in the document store, whose only writer this service is; and the tickets they were asked for by."""

from __future__ import annotations

from datalab.documents import info_image, upload_ticket
from datalab.documents.document import DESCENDING
from datalab.documents.info_image import InfoImageDocument, place_of, places_of
from datalab.documents.upload_ticket import UploadTicket
from datalab.events.envelope import utc_now
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection
from datalab.platform.documents.outbox import OutboxRelay
from ingest.info_images.model import Asked

#: A file is asked for again after a failure, not a thousand times in three days.
_MOST_TICKETS = 1000


class InfoImageRepository:
    """Collection `info_images`: one document for each channel of a site."""

    def __init__(self, *, database: Database, relay: OutboxRelay) -> None:
        self._images = Collection(
            database, info_image.COLLECTION, InfoImageDocument, indexes=info_image.INDEXES, relay=relay
        )
        self._tickets = Collection(database, upload_ticket.COLLECTION, UploadTicket)
        self.ensure_indexes = self._images.ensure_indexes
        self.save = self._images.save_revision

    async def find(self, site: str, channel: int) -> InfoImageDocument | None:
        return await self._images.find_one({"_id": place_of(site, channel)})

    async def of_site(self, site: str) -> list[InfoImageDocument]:
        return await self._images.find({"_id": {"$in": places_of(site)}})

    async def asked(self, key: str) -> Asked | None:
        """Return what the tickets for a file say: the channel is that of the latest one. None if there is no ticket."""
        tickets = await self._tickets.find(
            {"key": key, "channel": {"$ne": None}}, sort=(("asked_at", DESCENDING),), limit=_MOST_TICKETS
        )
        if not tickets or tickets[0].channel is None:
            return None
        channel = tickets[0].channel
        moments = [ticket.asked_at for ticket in tickets if ticket.channel == channel]
        return Asked(channel=channel, first=min(moments), last=max(moments))

    async def shown_keys(self) -> set[str]:
        """Return the keys of every file that is shown on some channel."""
        rows = await self._images.rows({"expires_at": {"$gt": utc_now()}}, {"files": True})
        return {file["key"] for row in rows for file in row["files"].values()}
