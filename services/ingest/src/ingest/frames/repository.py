"""The frames in the document store. This service is their only writer."""

from __future__ import annotations

from collections.abc import Collection as Several
from collections.abc import Mapping, Sequence

from datalab.documents.document import Document
from datalab.documents.frame import CLOSED, COLLECTION, COMPLETE, INDEXES, OPEN, FrameDocument, FrameFile
from datalab.events.envelope import Event, utc_now
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection, LostRaceError
from datalab.platform.documents.outbox import OutboxRelay


class FrameRepository:
    """Collection `frames`."""

    def __init__(self, *, database: Database, relay: OutboxRelay) -> None:
        self._frames = Collection(database, COLLECTION, FrameDocument, indexes=INDEXES, relay=relay)
        self.ensure_indexes = self._frames.ensure_indexes
        self.next_frame_id = self._frames.next_number

    async def find_any_frame(self, basename: str) -> FrameDocument | None:
        return await self._frames.find_one({"_id": basename})

    async def save(self, frame: FrameDocument, events: Sequence[Event]) -> None:
        if frame.revision > 1:
            fields = frame.stored()
            query = {"_id": fields.pop("_id"), "revision": frame.revision - 1}
            await self._frames.replace(query, fields, events)
        elif not await self._frames.insert(frame, events):
            raise LostRaceError

    async def release_due(self) -> int:
        """Note of frames whose public date has come that everybody may read them; return how many there were."""
        due: Document = {"release": CLOSED, "public_date": {"$lte": utc_now()}}
        open_now = {"$cond": ["$has_science", COMPLETE, OPEN]}
        return await self._frames.update_all(due, [{"$set": {"release": open_now}}])

    async def files_of(self, basenames: Several[str]) -> Mapping[str, FrameFile]:
        rows = await self._frames.rows({"_id": {"$in": list(basenames)}}, {"files": True})
        files = (FrameFile.model_validate(file) for row in rows for file in row["files"].values())
        return {file.key: file for file in files}
