"""The data of large results: read from the object store when somebody looks at them, and kept in memory for a while.

Results never change, so what was read once stays right.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from typing import Protocol

from datalab.errors import UsageError
from datalab.events.operations import MAX_DATA_BYTES, StoredFile
from datalab.platform.logging import get_logger

_log = get_logger(__name__)

#: Lists of operations ask for many at once; more side by side would not come faster from one store.
_AT_ONCE = 4
#: One at a time of those that are larger: results may have 64 MiB.
_LARGE_BYTES = 4 * 1024**2


class ReadableObjects(Protocol):
    """As much of the object store as is needed here."""

    async def get_bytes(self, key: str, *, max_bytes: int) -> bytes: ...


class StoredResultData:
    """What was used longest ago is forgotten when there is more than `capacity_bytes`."""

    def __init__(self, *, objects: ReadableObjects, capacity_bytes: int) -> None:
        self._objects = objects
        self._capacity_bytes = capacity_bytes
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._kept_bytes = 0
        self._reading: dict[str, asyncio.Lock] = {}
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._large_one = asyncio.Lock()

    async def read(self, file: StoredFile) -> bytes | None:
        """Return a JSON array as text; None if the object is gone or damaged."""
        reading = self._reading.setdefault(file.sha256, asyncio.Lock())
        try:
            async with reading:  # who comes second finds what the first one has read
                kept = self._kept.get(file.sha256)
                if kept is not None:
                    self._kept.move_to_end(file.sha256)
                    return kept
                async with self._large_one if file.size_bytes > _LARGE_BYTES else self._at_once:
                    data = await self._fetch(file)
                if data is not None:
                    self._keep(file.sha256, data)
                return data
        finally:
            if not reading.locked():
                self._reading.pop(file.sha256, None)

    async def _fetch(self, file: StoredFile) -> bytes | None:
        try:
            data = await self._objects.get_bytes(file.key, max_bytes=min(file.size_bytes, MAX_DATA_BYTES))
        except UsageError as error:
            _log.error("result_data.unreadable", key=file.key, reason=error.message)
            return None
        digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        if digest != file.sha256:
            _log.error("result_data.damaged", key=file.key)
            return None
        return data

    def _keep(self, sha256: str, data: bytes) -> None:
        self._kept[sha256] = data
        self._kept_bytes += len(data)
        while self._kept_bytes > self._capacity_bytes:
            _, forgotten = self._kept.popitem(last=False)
            self._kept_bytes -= len(forgotten)
