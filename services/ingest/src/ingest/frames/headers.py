"""The headers of frames in the document store. This service is their only writer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from datalab.documents import frame
from datalab.documents.document import ASCENDING
from datalab.documents.frame import FrameDocument
from datalab.documents.frame_header import COLLECTION, INDEXES, HeaderDocument
from datalab.events.envelope import utc_now
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection

#: Who writes a header has done with its frame by then, and who read a frame that named another has asked for that.
KEEP = timedelta(hours=1)
_LOOKED_AT_AT_ONCE = 1000


class HeaderRepository:
    """Collection `frame_headers`.

    A header is written before the frame that names it, so that it may be of no frame: its writer was killed, or another
    one was faster. So each is doubtful until it was looked at again, long after its writer has done with it. Whoever
    gives a frame a former header anew makes it doubtful again, by which it is safe from being removed as one.
    """

    def __init__(self, *, database: Database) -> None:
        self._headers = Collection(database, COLLECTION, HeaderDocument, indexes=INDEXES)
        self._frames = Collection(database, frame.COLLECTION, FrameDocument)
        self.ensure_indexes = self._headers.ensure_indexes

    async def write(self, header: HeaderDocument) -> None:
        """Store a header. It may be there already."""
        await self._headers.upsert(header)

    async def write_all(self, headers: Sequence[HeaderDocument]) -> None:
        """Store several headers."""
        await self._headers.upsert_all(headers)

    async def doubt_all(self, basename: str) -> None:
        """Have the headers of a frame that is going looked at: a new frame of its name may have named one by now."""
        await self._headers.update_all({"basename": basename}, {"$set": {"doubtful_since": utc_now()}})

    async def remove_unnamed(self, *, keep: timedelta = KEEP) -> int:
        """Remove the headers that no frame names, and those that a frame named before; return how many there were.

        They are kept for so long after they were written, or after the one was that took their place.
        """
        removed = 0
        until = utc_now() - keep
        while True:
            doubtful = await self._headers.rows(
                {"doubtful_since": {"$lt": until}},
                {"basename": True},
                sort=[("doubtful_since", ASCENDING)],
                limit=_LOOKED_AT_AT_ONCE,
            )
            if not doubtful:
                return removed
            basenames = {row["_id"]: row["basename"] for row in doubtful}
            rows = await self._frames.rows({"_id": {"$in": list(set(basenames.values()))}}, {"header_id": True})
            named = [name for name in (row.get("header_id") for row in rows) if name in basenames]
            unnamed = list(basenames.keys() - named)
            still = {"doubtful_since": {"$lt": until}}
            removed += await self._headers.delete({"_id": {"$in": unnamed}, **still})
            former = {"basename": {"$in": [basenames[name] for name in named]}, "_id": {"$nin": named}}
            removed += await self._headers.delete({**former, "doubtful_since": None})
            await self._headers.update_all({"_id": {"$in": named}, **still}, {"$unset": {"doubtful_since": True}})
