"""The archive's frames, for whoever runs the system: read where ingest wrote them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection as Several
from types import TracebackType
from typing import Final, Self

from datalab.documents.frame import COLLECTION, FrameDocument
from datalab.platform.documents.client import DocumentStore
from datalab.platform.documents.collection import Collection
from datalab.platform.settings import MongoSettings

#: The first convention of `docs/observatory-guide.md`: what precedes the last hyphen names the frame.
_PHOTON_RANCH_NAME: Final = re.compile(r"([^-]{3,6}-[^-]+-\d{8}-\d{8})-[A-Za-z]+(\d\d)")


def frame_name(key: str) -> str:
    """Return the name of the frame a file belongs to, as ingest forms it."""
    name = key.rpartition("/")[2]
    match = _PHOTON_RANCH_NAME.fullmatch(name.partition(".")[0])
    return match[1] if match else name.partition(".fits")[0]


def fits_role(key: str) -> str:
    """Return what a FITS file is in its frame, as ingest calls it."""
    match = _PHOTON_RANCH_NAME.fullmatch(key.rpartition("/")[2].partition(".")[0])
    return f"fits_{match[2]}" if match else "fits"


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
