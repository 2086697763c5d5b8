"""The frames in the document store. This service is their only writer."""

from __future__ import annotations

from collections.abc import Collection as Several
from collections.abc import Mapping, Sequence
from datetime import datetime

from datalab.documents.document import ASCENDING, Document
from datalab.documents.frame import (
    CLOSED,
    COLLECTION,
    COMPLETE,
    FORMER_INDEX,
    INDEXES,
    OPEN,
    PREVIEW_DUE,
    FrameDocument,
    FrameFile,
    FrameRemoval,
    PreviewState,
    kept_cards,
)
from datalab.documents.frame_header import HeaderDocument, header_id, storable
from datalab.events.envelope import Event, utc_now
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import PUBLISHED, Collection, LostRaceError
from datalab.platform.documents.outbox import OutboxRelay
from datalab.platform.together import Together
from ingest.frames.headers import HeaderRepository
from ingest.frames.tallies import TallyRepository

#: Frames whose headers are moved at once: a few MB of them.
_MOVED_AT_ONCE = 500
#: A second of a busy night: to count up is a write that waits for the journal.
_NUMBERS_AHEAD = 31
#: Ten thousand years.
_MOST_DAYS = 3_653_000
#: Frames in the form they had until 2026-11.
_FORMER: Document = {"header": {"$exists": True}}


class FrameRepository:
    """Collection `frames`, and what is kept beside it: `frame_headers`, `frame_tallies`."""

    def __init__(self, *, database: Database, relay: OutboxRelay) -> None:
        self._frames = Collection(
            database, COLLECTION, FrameDocument, indexes=INDEXES, relay=relay, numbers_ahead=_NUMBERS_AHEAD
        )
        self._headers = HeaderRepository(database=database)
        self._tallies = TallyRepository(database=database)
        # The files of an exposure are announced together.
        self._finding: Together[str, Document | None] = Together(self._rows_of)
        self.next_frame_id = self._frames.next_number
        self.remove_unnamed_headers = self._headers.remove_unnamed
        self.tally = self._tallies.tally

    async def ensure_indexes(self) -> None:
        await self._frames.ensure_indexes()
        await self._headers.ensure_indexes()

    async def find_any_frame(self, basename: str) -> FrameDocument | None:
        row = await self._finding.ask(basename)
        return None if row is None else FrameDocument.read(row)

    async def _rows_of(self, basenames: Sequence[str]) -> list[Document | None]:
        rows = await self._frames.rows({"_id": {"$in": list(set(basenames))}}, {"outbox": False})
        found = {row["_id"]: row for row in rows}
        return [found.get(basename) for basename in basenames]

    async def save(
        self,
        frame: FrameDocument,
        events: Sequence[Event],
        *,
        before: FrameDocument | None = None,
        header: HeaderDocument | None = None,
    ) -> None:
        await self._tallies.mark([frame.capture_date, *([before.capture_date] if before else [])])
        if header is not None:
            await self._headers.write(header)
        if before is not None and before.revision > 0:
            fields = frame.stored()
            query = {"_id": fields.pop("_id"), "frame_id": before.frame_id, "revision": before.revision}
            former: Document = {} if frame.header is not None else {"$unset": {"header": True}}
            await self._frames.replace(query, fields, events, **former)
        elif not await self._frames.insert(frame, events):
            raise LostRaceError

    async def release_due(self) -> int:
        """Note of frames whose public date has come that everybody may read them; return how many there were."""
        due: Document = {"release": CLOSED, "public_date": {"$lte": utc_now()}}
        await self._tallies.mark(await self._days_of(due))
        open_now = {"$cond": ["$has_science", COMPLETE, OPEN]}
        return await self._frames.update_all(due, [{"$set": {"release": open_now}}])

    async def due(self, *, now: datetime, limit: int) -> list[FrameDocument]:
        """Return frames whose time has come, the first of them."""
        query: Document = {"expires_at": {"$lte": now}, "removal": None}
        return await self._frames.find(
            query, sort=(("expires_at", ASCENDING),), limit=limit, without=["header", "header_terms"]
        )

    async def being_removed(self, *, limit: int) -> list[FrameDocument]:
        """Return frames that are marked to go, those marked first."""
        return await self._frames.find(
            {"removal.marked_at": {"$type": "date"}},
            sort=(("removal.marked_at", ASCENDING),),
            limit=limit,
            without=["header", "header_terms"],
        )

    async def is_told(self, frame: FrameDocument) -> bool:
        """Tell whether all events of a frame are published."""
        return bool(await self._frames.count({"_id": frame.basename, **PUBLISHED}, most=1))

    async def mark(self, frame: FrameDocument, removal: FrameRemoval) -> None:
        """Let a frame be going: from here on nobody may read it. Raises `LostRaceError`."""
        query: Document = {"_id": frame.basename, "revision": frame.revision, "removal": None}
        hidden: Document = {"public_date": None, "proposal_id": None, "release": CLOSED}
        fields = {"removal": removal.model_dump(), "revision": frame.revision + 1, **hidden}
        await self._tallies.mark([frame.capture_date])
        await self._frames.replace(query, fields)

    async def forget(self, frame: FrameDocument) -> bool:
        """Remove the document of a frame that is going, if all its events are published; tell whether it is gone."""
        query: Document = {"_id": frame.basename, "frame_id": frame.frame_id}
        marked: Document = {"removal.marked_at": {"$type": "date"}, **PUBLISHED}
        await self._tallies.mark([frame.capture_date])
        await self._headers.doubt_all(frame.basename)
        return bool(await self._frames.delete({**query, **marked})) or not await self._frames.count(query, most=1)

    async def due_previews(self, *, now: datetime, most: int) -> list[FrameDocument]:
        """Return frames whose pictures are to be asked for, the longest due first."""
        due: Document = {PREVIEW_DUE: {"$lte": now, "$type": "date"}, "removal": None}
        return await self._frames.find(due, sort=((PREVIEW_DUE, ASCENDING),), limit=most)

    async def note_preview(
        self, frame: FrameDocument, state: PreviewState | None, events: Sequence[Event] = ()
    ) -> bool:
        """Change what is to be done about a frame's pictures, if it is still what it was; return whether it was."""
        return await self._frames.update(
            {"_id": frame.basename, "frame_id": frame.frame_id, "revision": frame.revision},
            {"$set": {"preview": None if state is None else state.model_dump(), "revision": frame.revision + 1}},
            events,
        )

    async def _days_of(self, query: Document) -> list[datetime]:
        """Return the days of the frames that fit."""
        day = {"$dateTrunc": {"date": "$capture_date", "unit": "day"}}
        rows = await self._frames.aggregate([{"$match": query}, {"$group": {"_id": day}}], limit=_MOST_DAYS)
        return [row["_id"] for row in rows]

    async def files_of(self, basenames: Several[str]) -> Mapping[str, FrameFile]:
        rows = await self._frames.rows({"_id": {"$in": list(basenames)}}, {"files": True})
        files = (FrameFile.model_validate(file) for row in rows for file in row["files"].values())
        return {file.key: file for file in files}

    async def move_headers(self) -> int:
        """Take the headers out of frames in their former form; return how many there were.

        A frame that is written meanwhile waits for the next turn: its revision is no longer the one that was read.
        """
        moved = 0
        while rows := await self._former():
            headers = {row["_id"]: _header_of(row) for row in rows if row["header"] is not None}
            await self._headers.write_all(list(headers.values()))
            changed = await self._frames.update_each(
                [
                    (
                        {"_id": row["_id"], "revision": row["revision"], **_FORMER},
                        {
                            "$set": {**_named_by(row, headers.get(row["_id"])), "revision": row["revision"] + 1},
                            "$unset": {"header": True},
                        },
                        (),
                    )
                    for row in rows
                ]
            )
            moved += changed
            if not changed:
                break
        return moved

    async def _former(self) -> list[Document]:
        fields = dict.fromkeys(("revision", "header"), True)
        return await self._frames.rows(
            _FORMER, fields, sort=[("frame_id", ASCENDING)], limit=_MOVED_AT_ONCE, index=FORMER_INDEX
        )


def _header_of(row: Document) -> HeaderDocument:
    cards = row["header"]
    return HeaderDocument(
        header_id=header_id(row["_id"], cards), basename=row["_id"], cards=cards, doubtful_since=utc_now()
    )


def _named_by(row: Document, header: HeaderDocument | None) -> Document:
    """Return the fields by which a frame names its header; a frame of pictures alone has none."""
    return {} if header is None else {"header_id": header.header_id, "cards": storable(kept_cards(row["header"]))}
