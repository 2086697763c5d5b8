"""Input files on local disk: fetched once, verified, kept for the next operation, least recently used go first."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import re
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from datalab.errors import DISK_FULL_ERRNOS, OutageError, UsageError
from datalab.events.operations import InputFile, InputSource
from datalab.platform.logging import get_logger
from datalab.platform.objects.errors import ChecksumMismatchError, ObjectNotFoundError, ObjectTooLargeError
from datalab.platform.objects.store import ObjectStore

_log = get_logger(__name__)

#: How much of the disk is left to those who compute, whatever the limit says.
_KEPT_FREE = 0.02
_CACHED_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(slots=True)
class _Entry:
    size_bytes: int
    #: A file of an earlier run may have been damaged since, as by a computer that lost its power.
    verified: bool = False
    pins: int = 0
    #: Two operations may want the same file at once: the second one waits for the first one's copy.
    fetching: asyncio.Lock = field(default_factory=asyncio.Lock)


class ScratchCache:
    """A folder of input files, named by the SHA-256 of their content, limited by size and by the room on the disk.

    A file in use is pinned and stays, even when the limit is passed meanwhile. The folder belongs to one runner.
    """

    def __init__(self, *, folder: Path, limit_bytes: int, store: ObjectStore) -> None:
        self._folder = folder
        self._inputs = folder / "inputs"
        self._work = folder / "work"
        self._limit_bytes = limit_bytes
        self._store = store
        #: Least recently used first.
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lock: IO[bytes] | None = None

    async def start(self) -> None:
        """Take over what an earlier run left: finished files are kept, everything else goes.

        Raises `UsageError` if another runner works in the folder.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self._folder / "lock").open("wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise UsageError(f"another runner works in {self._folder}: give each its own DATALAB_SCRATCH_DIR") from None
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir(parents=True)
        self._inputs.mkdir(parents=True, exist_ok=True)
        kept = []
        for path in self._inputs.iterdir():
            if _CACHED_NAME.fullmatch(path.name):
                status = path.stat()
                kept.append((status.st_mtime, path.name, status.st_size))
            else:
                path.unlink()
        for _, sha256, size_bytes in sorted(kept):
            self._entries[sha256] = _Entry(size_bytes)
        self._evict()

    async def stop(self) -> None:
        """Leave the folder to the next runner."""
        if self._lock is not None:
            self._lock.close()

    @property
    def used_bytes(self) -> int:
        """Total size of the files kept."""
        return sum(entry.size_bytes for entry in self._entries.values())

    @asynccontextmanager
    async def pinned(self, files: Sequence[InputFile]) -> AsyncIterator[Mapping[tuple[InputSource, str], Path]]:
        """Have all `files` here until the end of the block. Raises `UsageError`, `TransientError`."""
        async with AsyncExitStack() as stack:
            unique = {file.sha256: file for file in files}
            for file in unique.values():
                self._pin(file)
                stack.callback(self._unpin, file.sha256)
            try:
                async with asyncio.TaskGroup() as group:
                    for file in unique.values():
                        group.create_task(self._fetch(file))
            except ExceptionGroup as failures:
                raise failures.exceptions[0] from None
            yield {(file.source, file.basename): self._path(file.sha256) for file in files}

    @asynccontextmanager
    async def work_dir(self) -> AsyncIterator[Path]:
        """Lend an empty folder, removed at the end of the block. Raises `OutageError` on a full disk."""
        try:
            folder = Path(tempfile.mkdtemp(dir=self._work))
        except OSError as error:
            if error.errno not in DISK_FULL_ERRNOS:
                raise
            raise OutageError("no space left on the disk to compute on") from error
        try:
            yield folder
        finally:
            if not _removed_if_empty(folder):
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _path(self, sha256: str) -> Path:
        return self._inputs / sha256

    def _pin(self, file: InputFile) -> None:
        self._entries.setdefault(file.sha256, _Entry(file.size_bytes)).pins += 1
        self._entries.move_to_end(file.sha256)

    def _unpin(self, sha256: str) -> None:
        entry = self._entries[sha256]
        entry.pins -= 1
        if not entry.pins and not self._path(sha256).exists():  # fetching it failed
            del self._entries[sha256]
        self._evict()

    async def _fetch(self, file: InputFile) -> None:
        path, entry = self._path(file.sha256), self._entries[file.sha256]
        async with entry.fetching:
            if path.exists():
                if path.stat().st_size == file.size_bytes and (entry.verified or await _has(path, file.sha256)):
                    entry.verified = True
                    path.touch()
                    return
                _log.warning("scratch.damaged", sha256=file.sha256)
            self._evict(needed_bytes=file.size_bytes)
            try:
                await self._store.fetch_file(file.key, path, expected_sha256=file.sha256, max_bytes=file.size_bytes)
            except ObjectNotFoundError as error:
                raise UsageError(f"The input file {file.basename} is no longer stored.") from error
            except (ChecksumMismatchError, ObjectTooLargeError) as error:
                raise UsageError(f"The input file {file.basename} has changed since it was recorded.") from error
            entry.verified = True

    def _evict(self, *, needed_bytes: int = 0) -> None:
        disk = shutil.disk_usage(self._inputs)
        lacking_bytes = int(_KEPT_FREE * disk.total) + needed_bytes - disk.free
        excess = max(self.used_bytes - self._limit_bytes, lacking_bytes)
        for sha256 in [sha256 for sha256, entry in self._entries.items() if not entry.pins]:
            if excess <= 0:
                return
            excess -= self._entries.pop(sha256).size_bytes
            self._path(sha256).unlink(missing_ok=True)
            _log.debug("scratch.evicted", sha256=sha256)


def _removed_if_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


async def _has(path: Path, sha256: str) -> bool:
    def found() -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    return await asyncio.to_thread(found) == sha256
