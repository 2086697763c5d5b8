"""The archive's frames, read-only: ingest writes them."""

from __future__ import annotations

from collections.abc import Sequence

from datalab.documents.frame import COLLECTION, FrameDocument
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection


class FrameReader:
    """Collection `frames`."""

    def __init__(self, database: Database) -> None:
        self._frames = Collection(database, COLLECTION, FrameDocument)

    async def find_any_by_basename(self, basenames: Sequence[str]) -> dict[str, FrameDocument]:
        """Return frames without their headers, whoever may see them: callers check."""
        if not basenames:
            return {}
        query = {"_id": {"$in": list(set(basenames))}}
        return {frame.basename: frame for frame in await self._frames.find(query, without=["header", "footprint"])}
