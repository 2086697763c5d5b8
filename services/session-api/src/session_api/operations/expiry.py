"""Files of results nobody refers to any more are deleted, and never others.

A result that no operation has made, or takes as input, expires when it is old enough, or when there is no room for all
of them, the oldest first. It goes in two steps with a day between them. First its manifest goes: from then on the
result does not exist, and whoever asks for it has it computed anew; but a report that was on its way when the manifest
went still finds every file. A day later, if still nobody refers to it, the files go. Both steps are taken under the
lease of the result's key, so that nobody computes it meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from datalab.events.envelope import utc_now
from datalab.events.object_keys import EXPIRY_MARK, MANIFEST, RESULTS
from datalab.platform.bus.leases import Lease, LeaseKeeper
from datalab.platform.logging import get_logger
from datalab.platform.objects.bucket import StoredObject
from datalab.platform.objects.store import ObjectStore
from session_api.operations.metrics import OperationMetrics
from session_api.operations.repository import OperationRepository

_log = get_logger(__name__)

#: From the manifest to the files: longer than any report is on its way, or any process remembers a result.
GRACE = timedelta(days=1)
#: However little room there is, a result this young stays: the report of it may be on its way.
_LEAST_AGE = timedelta(hours=1)
#: A lease lasts 20 s; so many deletions take a fraction of a second.
_DELETED_AT_ONCE = 16


@dataclass(slots=True)
class _Folder:
    """What is stored of one result; `path` ends in `/`."""

    path: str
    files: list[StoredObject] = field(default_factory=list)
    mark: StoredObject | None = None

    @property
    def result_key(self) -> str:
        return self.path.rstrip("/").rpartition("/")[2]

    @property
    def has_manifest(self) -> bool:
        return any(file.key == f"{self.path}{MANIFEST}" for file in self.files)

    @property
    def mark_key(self) -> str:
        return f"{self.path}{EXPIRY_MARK}"

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @property
    def modified_at(self) -> datetime:
        return max((file.modified_at for file in self.files), default=datetime.min.replace(tzinfo=UTC))

    def younger_than(self, moment: datetime) -> bool:
        return any(file.modified_at > moment for file in self.files)

    def add(self, stored: StoredObject) -> None:
        if stored.key == self.mark_key:
            self.mark = stored
        else:
            self.files.append(stored)


class ResultExpiry:
    """Any number of processes may look at the same time. Every method raises `TransientError`."""

    def __init__(
        self,
        *,
        operations: OperationRepository,
        objects: ObjectStore,
        leases: LeaseKeeper,
        metrics: OperationMetrics,
        keep: timedelta,
        quota_bytes: int | None = None,
        grace: timedelta = GRACE,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._operations = operations
        self._objects = objects
        self._leases = leases
        self._metrics = metrics
        self._keep = keep
        self._quota_bytes = quota_bytes
        self._grace = grace
        self._clock = clock

    async def look(self) -> None:
        """Look through all results once."""
        referenced = await self._operations.any_referenced_results()
        if not referenced:
            return  # of an empty document store, or somebody else's: it says nothing about these files
        beyond = await self._beyond_quota(referenced)
        async for folder in self._folders(RESULTS):
            keep = _LEAST_AGE if folder.path in beyond else self._keep
            if folder.result_key in referenced or folder.younger_than(self._clock() - keep):
                await self._keep_after_all(folder)
                continue
            lease = await self._leases.take(folder.result_key)
            if lease is not None:  # else somebody computes it, or just did
                try:
                    await self._expire(folder.path, lease, keep=keep)
                finally:
                    await lease.release()

    async def _beyond_quota(self, referenced: Collection[str]) -> set[str]:
        """Return the folders of the oldest results nobody refers to, as many as have to go for the rest to fit."""
        if self._quota_bytes is None:
            return set()
        excess = -self._quota_bytes
        unused: list[tuple[datetime, str, int]] = []
        async for folder in self._folders(RESULTS):
            excess += folder.size_bytes
            if folder.result_key not in referenced:
                unused.append((folder.modified_at, folder.path, folder.size_bytes))
        beyond: set[str] = set()
        for _, path, size_bytes in sorted(unused):
            if excess <= 0:
                break
            beyond.add(path)
            excess -= size_bytes
        return beyond

    async def _expire(self, path: str, lease: Lease, *, keep: timedelta) -> None:
        """Take the next step with a result, as things are now that nobody else changes it."""
        async for folder in self._folders(path):
            now = self._clock()
            if folder.path != path:
                continue  # another result, below a file that is none's
            if folder.younger_than(now - keep) or await self._operations.any_has_result(folder.result_key):
                await self._keep_after_all(folder)
            elif folder.mark is None or folder.has_manifest:
                await self._objects.put_bytes(folder.mark_key, b"", content_type="text/plain")
                await self._objects.delete(f"{path}{MANIFEST}")
            elif folder.mark.modified_at <= now - self._grace:
                await self._delete([file.key for file in folder.files], lease)
                await self._objects.delete(folder.mark.key)
                self._metrics.result_expired()
                _log.info("result.expired", result_key=folder.result_key, files=len(folder.files))

    async def _keep_after_all(self, folder: _Folder) -> None:
        """Somebody refers to it, or it has been made anew: the files stay, and begin to age again."""
        if folder.mark is not None:
            await self._objects.delete(folder.mark.key)

    async def _delete(self, keys: Sequence[str], lease: Lease) -> None:
        for begin in range(0, len(keys), _DELETED_AT_ONCE):
            await lease.confirm()
            await asyncio.gather(*map(self._objects.delete, keys[begin : begin + _DELETED_AT_ONCE]))

    async def _folders(self, prefix: str) -> AsyncIterator[_Folder]:
        folder: _Folder | None = None
        async for stored in self._objects.list(prefix):
            path = stored.key.rpartition("/")[0] + "/"
            if folder is None or folder.path != path:
                if folder is not None:
                    yield folder
                folder = _Folder(path)
            folder.add(stored)
        if folder is not None:
            yield folder
