"""Files made for somebody to save, in the object store."""

from __future__ import annotations

from pathlib import Path

from datalab.platform.objects.store import ObjectStore


class ObjectFiles:
    """Kept under the keys they are asked for by; each key always stands for the same file."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def has(self, key: str) -> bool:
        return await self._store.stat(key) is not None

    async def keep(self, key: str, path: Path, *, media_type: str) -> None:
        await self._store.put_file(key, path, content_type=media_type)
