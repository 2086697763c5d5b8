"""Archives of many files: made from the object store into the object store, in the memory of a few chunks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

from pydantic import ValidationError

from datalab.errors import TransientError, UsageError, explain_validation
from datalab.events.archives import ArchiveList, ArchiveRequested
from datalab.platform.objects.incoming import Received
from datalab.platform.objects.store import ObjectStore
from datalab.platform.objects.zipping import ZipMember, zipped
from operation_runner.downloads.making import Making, Progress

#: A member takes 400 bytes, and an archive has 20,000 at most.
_MOST_LIST_BYTES = 32 * 1024**2
#: Made at once; others wait. One takes the whole of a disk's speed.
_AT_ONCE = 2
#: More do not wait: whoever asks for one is told so.
_MOST_WAITING = 8
#: So much of the time is for the way of the answer.
_TRAVEL_PART = 0.05
_MEDIA_TYPE = "application/zip"


class Archives:
    """Has archives stored."""

    def __init__(self, *, objects: ObjectStore, making: Making) -> None:
        self._objects = objects
        self._making = making
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._begun = 0

    async def have(self, request: ArchiveRequested) -> None:
        """Have an archive stored. Raises `UnfinishedError` when that takes longer, `UsageError`, `TransientError`."""
        until = asyncio.get_running_loop().time() + request.answer_within_s * (1 - _TRAVEL_PART)
        await self._making.made(request.key, partial(self._zip, request), until=until)

    async def _zip(self, request: ArchiveRequested, progress: Progress) -> None:
        if self._begun == _AT_ONCE + _MOST_WAITING:
            raise TransientError("too many archives are being made; try again later")
        self._begun += 1
        try:
            await self._zip_in_turn(request, progress)
        finally:
            self._begun -= 1

    async def _zip_in_turn(self, request: ArchiveRequested, progress: Progress) -> None:
        async with self._places:
            listed = await self._listed(request.list_key)
            total = sum(member.file.size_bytes for member in listed.members) or 1

            async def members() -> AsyncIterator[ZipMember]:
                for member in listed.members:
                    file = member.file
                    yield ZipMember(name=member.name, key=file.key, size_bytes=file.size_bytes, sha256=file.sha256)

            async def content() -> AsyncIterator[bytes]:
                sent = 0
                async for chunk in zipped(self._objects, members()):
                    sent += len(chunk)
                    progress(sent / total)
                    yield chunk

            # Stored in parts, which become an object with the last of them: whoever is killed leaves none.
            await self._objects.put_stream(
                request.key, content(), content_type=_MEDIA_TYPE, before_it_counts=_whatever_it_is
            )

    async def _listed(self, key: str) -> ArchiveList:
        try:
            return ArchiveList.model_validate_json(await self._objects.get_bytes(key, max_bytes=_MOST_LIST_BYTES))
        except ValidationError as error:
            raise UsageError(f"the list of the archive cannot be read: {explain_validation(error)}") from error


async def _whatever_it_is(_: Received) -> None:
    """Every member was compared with its checksum on the way."""
