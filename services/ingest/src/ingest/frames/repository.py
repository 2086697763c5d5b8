"""The frames in the document store. This service is their only writer."""

from __future__ import annotations

from collections.abc import Collection as Several
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from datalab.events.envelope import Event
from datalab.platform.documents.client import (
    ASCENDING,
    DESCENDING,
    Collection,
    Database,
    Document,
    DuplicateKeyError,
    IndexModel,
    mongo_errors,
    next_number,
)
from datalab.platform.documents.outbox import OutboxRelay, outbox_entries, outbox_index
from ingest.frames.model import Frame, FrameFile, Observation

#: The integers a document can hold.
_INT64 = range(-(2**63), 2**63)

_INDEXES = (
    outbox_index(),
    IndexModel([("frame_id", ASCENDING)], unique=True),
    # Every list of frames is by time, newest first; the number settles ties, so that pages never overlap.
    IndexModel([("observation_date", DESCENDING), ("frame_id", DESCENDING)]),
    IndexModel([("site", ASCENDING), ("observation_date", DESCENDING), ("frame_id", DESCENDING)]),
    IndexModel([("proposal_id", ASCENDING), ("observation_date", DESCENDING), ("frame_id", DESCENDING)]),
    IndexModel([("user_id", ASCENDING), ("observation_date", DESCENDING), ("frame_id", DESCENDING)]),
)


class MongoFrames:
    """Frames as documents, `_id` the base name, with the events about them in `outbox`."""

    def __init__(self, *, database: Database, relay: OutboxRelay) -> None:
        self._database = database
        self._frames: Collection = database["frames"]
        self._relay = relay

    async def ensure_indexes(self) -> None:
        with mongo_errors():
            await self._frames.create_indexes(list(_INDEXES))

    async def find_any_frame(self, basename: str) -> Frame | None:
        with mongo_errors():
            document = await self._frames.find_one({"_id": basename}, {"outbox": False})
        return None if document is None else _frame(document)

    async def next_frame_id(self) -> int:
        return await next_number(self._database, "frames")

    async def save(self, frame: Frame, events: Sequence[Event]) -> bool:
        entries = outbox_entries(events)
        fields = _fields(frame)
        with mongo_errors():
            if frame.revision == 1:
                try:
                    await self._frames.insert_one({"_id": frame.basename, **fields, "outbox": entries})
                except DuplicateKeyError:
                    return False
            else:
                result = await self._frames.update_one(
                    {"_id": frame.basename, "revision": frame.revision - 1},
                    {"$set": fields, "$push": {"outbox": {"$each": entries}}},
                )
                if result.matched_count == 0:
                    return False
        if entries:
            self._relay.nudge(self._frames.name, frame.basename, entries)
        return True

    async def files_of(self, basenames: Several[str]) -> Mapping[str, FrameFile]:
        with mongo_errors():
            documents = await self._frames.find({"_id": {"$in": list(basenames)}}, {"files": True}).to_list(None)
        files = (FrameFile.model_validate(file) for document in documents for file in document["files"].values())
        return {file.key: file for file in files}


def _fields(frame: Frame) -> Document:
    return {
        **frame.model_dump(exclude={"basename", "observation", "header"}),
        **frame.observation.model_dump(),
        "header": None if frame.header is None else _storable(frame.header),
    }


def _frame(document: Document) -> Frame:
    return Frame.model_validate(
        {**document, "basename": document["_id"], "observation": Observation.model_validate(document)}
    )


def _storable(header: Mapping[str, JsonValue]) -> Document:
    """Return a header as a document can hold it: no NUL in a name, no integer beyond 64 bits."""
    return {
        keyword.replace("\0", ""): float(value) if isinstance(value, int) and value not in _INT64 else value
        for keyword, value in header.items()
    }
