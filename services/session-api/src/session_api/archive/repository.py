"""The archive's frames, read-only: ingest writes them."""

from __future__ import annotations

from collections.abc import Sequence

from datalab.documents.frame import COLLECTION, FrameDocument
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection
from datalab.platform.together import Together

#: As many as one operation may have: reading them takes some 20 ms, in which nobody else is served.
_MOST_AT_ONCE = 1000


class FrameReader:
    """Collection `frames`."""

    def __init__(self, database: Database) -> None:
        self._frames = Collection(database, COLLECTION, FrameDocument)
        self._looking = Together(self._look_for, most=_MOST_AT_ONCE, size=len)

    async def find_any_by_basename(self, basenames: Sequence[str]) -> dict[str, FrameDocument]:
        """Return frames without their headers, whoever may see them: callers check."""
        return await self._looking.ask(frozenset(basenames)) if basenames else {}

    async def _look_for(self, asked: Sequence[frozenset[str]]) -> list[dict[str, FrameDocument] | Exception]:
        query = {"_id": {"$in": list(frozenset().union(*asked))}}
        found = {frame.basename: frame for frame in await self._frames.find(query, without=["header", "footprint"])}
        return [{name: found[name] for name in names if name in found} for names in asked]
