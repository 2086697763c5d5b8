"""Archives of stored objects, written while they are read: never more than a few chunks in memory.

ZIP, with ZIP64 where it is needed. Files of observatories are packed already: they are stored as they are.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from stream_zip import ZIP_AUTO, AsyncMemberFile, async_stream_zip

from datalab.errors import UsageError
from datalab.platform.objects.errors import ObjectNotFoundError
from datalab.platform.objects.store import ObjectStore

_CHUNK_BYTES = 1024**2
_MODE = stat.S_IFREG | 0o644
#: An archive of the same files is the same archive: when it was made is not in it.
_DATED = datetime(2000, 1, 1, tzinfo=UTC)
_UNCOMPRESSED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipMember:
    """An object, and what it is called in an archive; `sha256` is None if nobody has recorded it."""

    name: str
    key: str
    size_bytes: int
    sha256: str | None


async def zipped(objects: ObjectStore, members: AsyncIterable[ZipMember]) -> AsyncIterator[bytes]:
    """Yield an archive of objects. Raises `UsageError` if one of them is gone or has changed, and `TransientError`."""

    async def listed() -> AsyncIterator[AsyncMemberFile]:
        async for member in members:
            method = ZIP_AUTO(member.size_bytes, level=_UNCOMPRESSED)
            yield member.name, _DATED, _MODE, method, _verified(objects, member)

    async for chunk in async_stream_zip(listed(), chunk_size=_CHUNK_BYTES):
        yield chunk


async def _verified(objects: ObjectStore, member: ZipMember) -> AsyncIterator[bytes]:
    """Yield what is in an object, and make sure in the end that it was what was recorded."""
    sha256 = hashlib.sha256()
    try:
        async for chunk in objects.stream(member.key):
            sha256.update(chunk)
            yield chunk
    except ObjectNotFoundError as error:
        raise UsageError(f"The file {member.name} is no longer stored.") from error
    if member.sha256 is not None and sha256.hexdigest() != member.sha256:
        raise UsageError(f"The file {member.name} has changed since it was recorded.")
