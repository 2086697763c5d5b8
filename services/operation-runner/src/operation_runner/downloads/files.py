"""Files made for somebody to save, in the object store."""

from __future__ import annotations

from pathlib import Path

from datalab.events.envelope import utc_now
from datalab.events.object_keys import DOWNLOAD_IS_FRESH
from datalab.platform.objects.store import ObjectStore


class ObjectFiles:
    """Kept under the keys they are asked for by; each key always stands for the same file."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def has(self, key: str) -> bool:
        """Tell whether a file is there, and will be for a while."""
        found = await self._store.stat(key)
        return found is not None and utc_now() - found.modified_at < DOWNLOAD_IS_FRESH

    async def keep(self, key: str, path: Path, *, media_type: str) -> None:
        await self._store.put_file(key, path, content_type=media_type)
