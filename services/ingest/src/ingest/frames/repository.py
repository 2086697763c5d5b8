"""The frames in the document store. This service is their only writer."""

from __future__ import annotations

from collections.abc import Collection as Several
from collections.abc import Mapping, Sequence
from datetime import datetime

from datalab.documents.document import ASCENDING, Document
from datalab.documents.frame import CLOSED, COLLECTION, COMPLETE, INDEXES, OPEN, FrameDocument, FrameFile, FrameRemoval
from datalab.events.envelope import Event, utc_now
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import PUBLISHED, Collection, LostRaceError
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

    async def due(self, *, now: datetime, limit: int) -> list[FrameDocument]:
        """Return frames whose time has come, the first of them."""
        query: Document = {"expires_at": {"$lte": now}, "removal": None}
        return await self._frames.find(query, sort=(("expires_at", ASCENDING),), limit=limit, without=["header"])

    async def being_removed(self, *, limit: int) -> list[FrameDocument]:
        """Return frames that are marked to go, those marked first."""
        return await self._frames.find(
            {"removal.marked_at": {"$type": "date"}},
            sort=(("removal.marked_at", ASCENDING),),
            limit=limit,
            without=["header"],
        )

    async def is_told(self, frame: FrameDocument) -> bool:
        """Tell whether all events of a frame are published."""
        return bool(await self._frames.count({"_id": frame.basename, **PUBLISHED}, most=1))

    async def mark(self, frame: FrameDocument, removal: FrameRemoval) -> None:
        """Let a frame be going: from here on nobody may read it. Raises `LostRaceError`."""
        query: Document = {"_id": frame.basename, "revision": frame.revision, "removal": None}
        hidden: Document = {"public_date": None, "proposal_id": None, "release": CLOSED}
        fields = {"removal": removal.model_dump(), "revision": frame.revision + 1, **hidden}
        await self._frames.replace(query, fields)

    async def forget(self, frame: FrameDocument) -> bool:
        """Remove the document of a frame that is going, if all its events are published; tell whether it is gone."""
        query: Document = {"_id": frame.basename, "frame_id": frame.frame_id}
        marked: Document = {"removal.marked_at": {"$type": "date"}, **PUBLISHED}
        return bool(await self._frames.delete({**query, **marked})) or not await self._frames.count(query, most=1)

    async def files_of(self, basenames: Several[str]) -> Mapping[str, FrameFile]:
        rows = await self._frames.rows({"_id": {"$in": list(basenames)}}, {"files": True})
        files = (FrameFile.model_validate(file) for row in rows for file in row["files"].values())
        return {file.key: file for file in files}
