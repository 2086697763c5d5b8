"""What a file was before it is replaced stays reachable."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from datalab.errors import NotFoundError
from datalab.events.envelope import utc_now
from datalab.events.object_keys import DATA
from datalab.platform.objects.store import ObjectStore
from session_api.uploads.model import FileVersion, version_of
from session_api.uploads.repository import VersionRepository


class Versions:
    """Keeps files of frames that are about to be replaced. Info images and the like are only shown for a while."""

    def __init__(self, *, objects: ObjectStore, versions: VersionRepository) -> None:
        self._objects = objects
        self._versions = versions

    async def keep(self, key: str, *, unless_md5: str | None = None) -> bool:
        """Keep what is stored under a key, if there is something, unless it has this checksum: that is told.

        Raises `TransientError`.

        Kept twice it is kept once: the copy and its entry are named by what they are of.
        """
        if not key.startswith(DATA):
            return False
        stored = await self._objects.stat(key)
        if stored is None or stored.etag == unless_md5:
            return stored is not None
        version = version_of(
            key=key,
            size_bytes=stored.size_bytes,
            etag=stored.etag,
            stored_at=stored.modified_at,
            replaced_at=utc_now(),
        )
        if await self._objects.stat(version.version_key) is None:
            try:
                await self._objects.copy(key, version.version_key)
            except NotFoundError:
                return False  # deleted meanwhile
        await self._versions.insert(version)
        return False

    async def forget(self, keys: Sequence[str], *, before: datetime) -> None:
        """Delete what files were before a moment: their frame has gone. Raises `TransientError`."""
        for version in await self._versions.find_any_of(keys):
            if version.replaced_at <= before:
                await self._objects.delete(version.version_key)
                await self._versions.delete(version)

    async def of(self, keys: list[str]) -> list[FileVersion]:
        """Return the former versions of files, newest first; who may read them the caller has asked."""
        return await self._versions.find_any_of(keys)
