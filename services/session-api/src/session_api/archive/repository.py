"""The archive's frames, read-only: ingest writes them."""

from __future__ import annotations

from collections.abc import Sequence

from datalab.platform.documents.client import Database, Document, mongo_errors
from session_api.archive.model import Frame, FrameFile

_NEEDED = {"files": True, "filter_name": True, "public_date": True, "proposal_id": True}


class MongoFrameRepository:
    """Collection `frames`."""

    def __init__(self, database: Database) -> None:
        self._frames = database["frames"]

    async def find_any_by_basename(self, basenames: Sequence[str]) -> dict[str, Frame]:
        if not basenames:
            return {}
        with mongo_errors():
            documents = await self._frames.find({"_id": {"$in": list(set(basenames))}}, _NEEDED).to_list(None)
        return {document["_id"]: _frame(document) for document in documents}


def _frame(document: Document) -> Frame:
    return Frame(
        basename=document["_id"],
        files={
            role: FrameFile(key=file["key"], sha256=file["sha256"], size_bytes=file["size_bytes"])
            for role, file in document["files"].items()
        },
        filter_name=document.get("filter_name"),
        public_date=document.get("public_date"),
        proposal_id=document.get("proposal_id"),
    )
