"""Images decoded for analysis, on local disk: decoded once, kept for the next look, least recently used go first."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from datalab.platform.logging import get_logger

_log = get_logger(__name__)


@dataclass(slots=True)
class _Entry:
    size_bytes: int = 0
    pins: int = 0
    #: Of two who want an image that is not decoded yet, the second waits for the first.
    decoding: asyncio.Lock = field(default_factory=asyncio.Lock)


class DecodedImages:
    """A size-limited folder of decoded images, each in a folder named by the SHA-256 of its file.

    Whoever gets a folder that does not exist makes it, complete or not at all. Folders in use stay, even when the
    limit is passed meanwhile.
    """

    def __init__(self, *, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        #: Least recently used first.
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    async def start(self) -> None:
        """Begin with nothing: what an earlier run left may be of another version, and is made again in no time."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)

    async def stop(self) -> None:
        """Leave what is there: it is removed at the next start."""

    @property
    def used_bytes(self) -> int:
        """Total size of the images kept."""
        return sum(entry.size_bytes for entry in self._entries.values())

    def has(self, sha256: str) -> bool:
        """Return whether an image is decoded."""
        entry = self._entries.get(sha256)
        return entry is not None and entry.size_bytes > 0

    @asynccontextmanager
    async def kept(self, sha256: str) -> AsyncIterator[Path]:
        """Lend the folder of a file; it stays until the end of the block."""
        entry = self._entries.setdefault(sha256, _Entry())
        self._entries.move_to_end(sha256)
        entry.pins += 1
        folder = self._folder / sha256
        try:
            async with nullcontext() if entry.size_bytes else entry.decoding:
                try:
                    yield folder
                finally:
                    entry.size_bytes = _made(folder) if not entry.size_bytes else _size(folder)  # levels are added
        finally:
            entry.pins -= 1
            if not entry.pins and not entry.size_bytes:
                del self._entries[sha256]
            self._evict()

    def _evict(self) -> None:
        excess = self.used_bytes - self._limit_bytes
        for sha256 in [sha256 for sha256, entry in self._entries.items() if not entry.pins]:
            if excess <= 0:
                return
            excess -= self._entries.pop(sha256).size_bytes
            shutil.rmtree(self._folder / sha256, ignore_errors=True)
            _log.debug("decoded.evicted", sha256=sha256)


def partial(folder: Path) -> Path:
    """Return where the folder of an image is made, before it is complete."""
    return folder.with_name(f"{folder.name}.part")


def _made(folder: Path) -> int:
    """Return the size of what was made, 0 if that was interrupted, whose remains go."""
    shutil.rmtree(partial(folder), ignore_errors=True)
    return _size(folder)


def _size(folder: Path) -> int:
    return sum(entry.stat().st_size for entry in os.scandir(folder)) if folder.exists() else 0
