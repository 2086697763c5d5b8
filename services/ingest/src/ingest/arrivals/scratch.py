"""Local copies of objects, for as long as somebody looks at them."""

from __future__ import annotations

import asyncio
import math
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Protocol
from uuid import uuid4

from datalab.errors import AwaitedError, NotFoundError, OutageError, TransientError, UsageError
from datalab.platform.objects.store import ObjectStore
from ingest.arrivals.model import ReadVersion
from ingest.uploads.model import StoredVersion

_COPY_SUFFIX = ".copy"
_SMALL_BYTES, _FRESH_S = 4 * 1024**2, 0.5


class Usage(Protocol):
    """How full a disk is, in bytes."""

    @property
    def total(self) -> int: ...
    @property
    def free(self) -> int: ...


class ScratchFolder:
    """One process's folder of local copies. What a killed process left behind is removed at the start."""

    def __init__(self, *, folder: Path, objects: ObjectStore, max_file_bytes: int, reserve_bytes: int) -> None:
        self._folder = folder
        self._objects = objects
        self._max_file_bytes = max_file_bytes
        self._reserve_bytes = reserve_bytes
        self._promised_bytes = 0
        self._looked_at = -math.inf
        self._usage: Usage

    async def start(self) -> None:
        """Make the folder, empty."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for leftover in (*self._folder.glob(f"*{_COPY_SUFFIX}"), *self._folder.glob(".*.part")):
            leftover.unlink(missing_ok=True)

    async def stop(self) -> None:
        """Copies are removed by those who asked for them."""

    @asynccontextmanager
    async def fetched(self, stored: StoredVersion) -> AsyncIterator[ReadVersion]:
        """Fetch an object, hand it out, remove it.

        Raises:
            UsageError: the object is larger than allowed.
            OutageError: no room on the disk now, or the store is away.
            AwaitedError: the object has gone.
            TransientError: the disk is too small for the object.
        """
        if stored.size_bytes > self._max_file_bytes:
            raise UsageError(
                f"object {stored.key!r} has {stored.size_bytes} bytes, at most {self._max_file_bytes} are ingested"
            )
        disk = await self._disk_usage(stored.size_bytes)
        if disk.free - self._promised_bytes - stored.size_bytes < self._reserve_bytes:
            no_room = f"no room for the {stored.size_bytes} bytes of {stored.key!r} on the scratch disk"
            raise (OutageError if stored.size_bytes + self._reserve_bytes < disk.total else TransientError)(no_room)
        path = self._folder / f"{uuid4().hex}{_COPY_SUFFIX}"
        # Counted twice while it is being written: the free space shrinks as well. That errs on the safe side.
        self._promised_bytes += stored.size_bytes
        try:
            yield await self._fetch(stored.key, path)
        finally:
            self._promised_bytes -= stored.size_bytes
            path.unlink(missing_ok=True)

    async def _disk_usage(self, wanted_bytes: int) -> Usage:
        """Return how full the disk is; for small files, as it was a moment ago: they come a hundred a second."""
        if wanted_bytes > _SMALL_BYTES or monotonic() - self._looked_at > _FRESH_S:
            self._usage = await asyncio.to_thread(shutil.disk_usage, self._folder)
            self._looked_at = monotonic()
        return self._usage

    async def _fetch(self, key: str, path: Path) -> ReadVersion:
        try:
            fetched = await self._objects.fetch_file(key, path, max_bytes=self._max_file_bytes)
        except NotFoundError as error:
            raise AwaitedError(f"object {key!r} has gone") from error
        if fetched.sha256 is None:
            raise TransientError(f"object {key!r} came without a checksum")
        return ReadVersion(
            content=path,
            key=key,
            size_bytes=fetched.size_bytes,
            etag=fetched.etag,
            sha256=fetched.sha256,
            modified_at=fetched.modified_at,
        )
