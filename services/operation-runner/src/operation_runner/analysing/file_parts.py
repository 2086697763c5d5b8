"""Parts of files in the object store."""

from __future__ import annotations

from datalab.errors import UsageError
from datalab.events.operations import InputFile
from datalab.platform.objects.errors import ChecksumMismatchError, ObjectNotFoundError
from datalab.platform.objects.store import ObjectStore


class ObjectParts:
    """Reads from files where they are."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def read(self, file: InputFile, etag: str, offset: int, length: int) -> bytes:
        """Return so many bytes of a file. Raises `UsageError` if it is not what was recorded, `TransientError`."""
        try:
            return await self._store.get_range(file.key, offset=offset, length=length, etag=etag)
        except ObjectNotFoundError as error:
            raise UsageError(f"The input file {file.basename} is no longer stored.") from error
        except ChecksumMismatchError as error:
            raise UsageError(f"The input file {file.basename} has changed since it was recorded.") from error
