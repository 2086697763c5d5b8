"""The archive's frames, for whoever runs the system: read where ingest wrote them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection as Several
from types import TracebackType
from typing import Self

from datalab.documents.file_names import parse_file_name
from datalab.documents.frame import COLLECTION, FrameDocument
from datalab.errors import UsageError
from datalab.platform.documents.client import DocumentStore
from datalab.platform.documents.collection import Collection
from datalab.platform.settings import MongoSettings


def frame_name(key: str) -> str:
    """Return the name of the frame a file belongs to, as ingest forms it."""
    name = key.rpartition("/")[2]
    try:
        return parse_file_name(name).basename
    except UsageError:
        return name.partition(".fits")[0]


def fits_role(key: str) -> str:
    """Return what a FITS file is in its frame, as ingest calls it."""
    try:
        return parse_file_name(key.rpartition("/")[2]).role
    except UsageError:
        return "fits"


class KnownFrames:
    """Frames of the archive, read-only; a context manager. Every method raises `TransientError`."""

    def __init__(self, settings: MongoSettings) -> None:
        self._store = DocumentStore(settings)
        self._frames = Collection(self._store.database, COLLECTION, FrameDocument)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._store.close()

    async def find(self, basenames: Several[str]) -> dict[str, FrameDocument]:
        """Return frames without their headers, by basename; those there are."""
        found = await self._frames.find(
            {"_id": {"$in": list(basenames)}}, without=["header", "header_terms", "footprint"]
        )
        return {frame.basename: frame for frame in found}

    async def has(self, key: str, content: bytes) -> bool:
        """Tell whether a file with exactly this content is part of its frame."""
        sha256 = hashlib.sha256(content).hexdigest()
        frames = await self.find([frame_name(key)])
        files = [file for frame in frames.values() for file in frame.files.values()]
        return any((file.key, file.sha256) == (key, sha256) for file in files)
