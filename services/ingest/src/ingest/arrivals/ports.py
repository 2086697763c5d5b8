"""What the services need from the world."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from datalab.documents.file_names import FileName
from datalab.documents.frame import FrameDocument, FrameFile
from datalab.documents.frame_header import HeaderDocument
from datalab.documents.upload import Outcome, Upload
from datalab.events.envelope import Event
from ingest.arrivals.model import Origin, ReadVersion
from ingest.frames.model import FrameHeader, Inspection
from ingest.uploads.model import Said, Settlement, StoredVersion


class LookedAt(StoredVersion, Protocol):
    """An object whose checksum is known, if all of it was read."""

    @property
    def sha256(self) -> str | None: ...


class Objects(Protocol):
    """The object store."""

    async def look(self, key: str, *, most_bytes: int) -> tuple[LookedAt, bytes | None] | None:
        """Return the object's description, and all of it if it has no more bytes; None if there is no such object."""

    async def stat(self, key: str) -> StoredVersion | None:
        """Return the object's description, or None if there is no such object."""

    def list(self, prefix: str) -> AsyncIterator[StoredVersion]:
        """Yield the objects whose key starts with `prefix`, in the order of the keys."""


class Scratch(Protocol):
    """Local disk space."""

    def fetched(self, stored: StoredVersion) -> AbstractAsyncContextManager[ReadVersion]:
        """Return the object as a local file. Raises `UsageError` if it is too large, `TransientError` if it is gone."""


class Inspector(Protocol):
    """Looks inside files."""

    async def inspect(self, file: bytes | Path, name: FileName) -> Inspection:
        """Return what is in a file, given as its content or a path. Raises `UsageError` with what is wrong in it."""


class Frames(Protocol):
    """The frames there are, with the events that tell about them."""

    async def find_any_frame(self, basename: str) -> FrameDocument | None:
        """Return a frame of any site and proposal."""

    async def next_frame_id(self) -> int:
        """Return a number no frame has."""

    async def save(
        self,
        frame: FrameDocument,
        events: Sequence[Event],
        *,
        before: FrameDocument | None = None,
        header: HeaderDocument | None = None,
    ) -> None:
        """Store frame and events in one write, and before it the header that the frame has been given.

        `before` is the frame as it is stored, if it is. Raises `LostRaceError` unless that is still so.
        """

    async def files_of(self, basenames: Collection[str]) -> Mapping[str, FrameFile]:
        """Return the known files of some frames by their object keys."""


class SiteImages(Protocol):
    """Images that sites show beside their frames, of one folder."""

    def name_of(self, name: str, /) -> FileName:
        """Return what a file name says. Raises `UsageError`."""

    async def settled(self, said: Said, *, name: FileName, site: str, stored: StoredVersion) -> Settlement | None:
        """Return what became of a file there is nothing to be learned from, else None. Raises `UsageError`."""

    async def add(
        self, said: Said, *, name: FileName, site: str, file: FrameFile, header: FrameHeader | None
    ) -> Settlement:
        """Make a file part of its image. Raises `UsageError`."""


class Uploads(Protocol):
    """The upload log, and the objects that were refused."""

    async def record(self, upload: Upload) -> None:
        """Write an entry. The same version is one entry, with its latest outcome."""

    async def logged(self, version_ids: Collection[str]) -> set[str]:
        """Return those of the versions that have an entry."""

    async def refuse(self, stored: StoredVersion, reason: str) -> None:
        """Remember that this version of an object is of no use."""

    async def refused(self, keys: Collection[str]) -> Mapping[str, StoredVersion]:
        """Return the refused versions by their object keys."""


class Allowance(Protocol):
    """How much each site may have of something."""

    def take(self, site: str) -> bool:
        """Take one, if there is one left."""


class Publisher(Protocol):
    """The bus."""

    async def publish(self, event: Event) -> None:
        """Publish and wait until it is stored."""


class Meter(Protocol):
    """Counts."""

    def settled(self, origin: Origin, outcome: Outcome, seconds: float) -> None:
        """Count a file and how long it took."""

    def reconciled(self, *, listed: int, found: int, seconds: float) -> None:
        """Count a completed look through the object store."""
