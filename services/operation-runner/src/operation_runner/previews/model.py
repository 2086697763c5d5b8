"""What making previews needs from the world."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from datalab.events.envelope import Event
from datalab.events.previews import PreviewKind
from datalab.platform.objects.bucket import StoredObject

#: The pictures of one file, as JPEG, by what they are.
Pictures = dict[PreviewKind, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How large pictures are, in pixels, if what they are made of is not smaller."""

    longest_side_px: int
    thumbnail_height_px: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegTask:
    """A thumbnail to make of a JPEG, whose bytes must have this checksum."""

    content: bytes
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FitsTask:
    """Both pictures to make of a FITS file. `folder` is empty, and there for what has to be unpacked."""

    basename: str
    path: Path
    folder: Path


class Painter(Protocol):
    async def paint(self, task: JpegTask | FitsTask) -> Pictures:
        """Return the pictures. Raises `UsageError` if there can be none, `TransientError`."""
        ...


class Objects(Protocol):
    """The object store."""

    async def get_bytes(self, key: str, *, max_bytes: int) -> bytes:
        """Return an object. Raises `UsageError`, `TransientError`."""
        ...

    async def fetch_file(
        self, key: str, path: Path, *, expected_sha256: str | None = None, max_bytes: int | None = None
    ) -> StoredObject:
        """Fetch an object to a path. Raises `UsageError`, `TransientError`."""
        ...

    async def put_bytes(self, key: str, data: bytes, *, content_type: str) -> str:
        """Store an object; return its ETag. Raises `TransientError`."""
        ...


class Scratch(Protocol):
    """Local disk space."""

    def work_dir(self) -> AbstractAsyncContextManager[Path]:
        """Lend an empty folder, removed at the end of the block."""
        ...


class Publisher(Protocol):
    async def publish(self, event: Event) -> None: ...
