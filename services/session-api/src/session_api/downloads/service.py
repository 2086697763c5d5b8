"""Downloads: found among what the caller may read, made by a runner unless they are there, linked to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from datalab.errors import NotFoundError, TransientError, UsageError
from datalab.events.archives import ArchiveList, ArchiveMember
from datalab.events.envelope import utc_now
from datalab.events.object_keys import DOWNLOAD_IS_FRESH, zip_keys
from datalab.platform.objects.links import Links
from datalab.platform.objects.store import ObjectStore
from datalab.platform.objects.zipping import ZipMember, zipped
from session_api.downloads.finder import FileFinder
from session_api.downloads.model import (
    StillBeingMadeError,
    StoredFile,
    WantedArchive,
    WantedDownload,
    without_fits_ending,
)
from session_api.downloads.runners import Runners
from session_api.web.user import User

#: What the object store takes in one upload of parts of 8 MiB is 80 GiB.
_MOST_FILES, _MOST_BYTES = 20_000, 64 * 1024**3
#: For those of whom nobody knows who they are.
_MOST_FILES_OF_NOBODY, _MOST_BYTES_OF_NOBODY = 2_000, 8 * 1024**3
_NOTHING_FOUND: Final = "No images exist for the given query."
#: How OCS calls its archives if nobody names them.
_ARCHIVE_NAME: Final = "ocs_archive_data"
#: How often a file of an archive is waited for that is being unpacked, each time as long as anybody waits.
_MOST_WAITS: Final = 5


@dataclass(frozen=True, slots=True)
class StreamedFile:
    """A file as it is sent, `first` before the rest of it; `size_bytes` is None if nobody knows it yet.

    Whoever takes it closes `content`.
    """

    name: str
    media_type: str
    content: AsyncGenerator[bytes, None]
    first: bytes = b""
    size_bytes: int | None = None


class DownloadService:
    """Every method raises `NotFoundError` for what is not there for the caller, `UsageError`, `TransientError`."""

    def __init__(
        self, *, finder: FileFinder, runners: Runners, objects: ObjectStore, links: Links, streams: int
    ) -> None:
        self._finder = finder
        self._runners = runners
        self._objects = objects
        self._links = links
        self._streams = asyncio.Semaphore(streams)

    async def download(self, caller: User, wanted: WantedDownload, *, correlation_id: str) -> str:
        """Return a link to a file in the form wanted. Raises `StillBeingMadeError`."""
        file = await self._finder.named(caller, wanted)
        if wanted.form == "raw":
            return self._links.sign_get(file.key, filename=file.name)
        stem = without_fits_ending(wanted.name)
        if wanted.form == "fits":
            made = await self._runners.rendered(file, "get-fits", {}, correlation_id=correlation_id)
            name = f"{stem}.fits"
        else:
            stretch = {"stretch": wanted.stretch}
            made = await self._runners.rendered(file, "get-tif-16bit", stretch, correlation_id=correlation_id)
            parts = [file.filter_name, wanted.stretch, stem.partition(".")[0]]
            name = f"{'-'.join(part for part in parts if part)}.tif.bz2"
        return self._links.sign_get(made.key, content_type=made.media_type, filename=name)

    async def archive(self, caller: User, wanted: WantedArchive, *, correlation_id: str) -> str:
        """Return a link to an archive of images. Raises `StillBeingMadeError`."""
        members = _members(await _within_limits(caller, self._finder.of_site(caller, wanted)))
        if not members:
            raise NotFoundError(_NOTHING_FOUND)
        key, list_key = zip_keys((member.name, member.file.sha256) for member in members)
        found = await self._objects.stat(key)
        if found is None or utc_now() - found.modified_at > DOWNLOAD_IS_FRESH:
            listed = ArchiveList(members=members).model_dump_json().encode()
            await self._objects.put_bytes(list_key, listed, content_type="application/json")
            await self._runners.archived(key, list_key, correlation_id=correlation_id)
        site = members[0].name.partition("-")[0] if "-" in members[0].name else wanted.site
        name = f"{site}-{int(utc_now().timestamp())}.zip"
        return self._links.sign_get(key, content_type="application/zip", filename=name)

    async def cutout(
        self, caller: User, frame_id: int, parameters: Mapping[str, JsonValue], *, correlation_id: str
    ) -> tuple[bytes, str, str]:
        """Return a part of a frame's image as a file, its media type, and what it is called."""
        file = await self._finder.science_file(caller, frame_id)
        body, media_type = await self._runners.part(file, parameters, correlation_id=correlation_id)
        extension = ".jpg" if media_type == "image/jpeg" else ".fits"
        return body, media_type, f"{file.basename}-cutout{extension}"

    async def unpacked(self, caller: User, version: int, *, correlation_id: str) -> StreamedFile:
        """Return a file with its images unpacked. Raises `StillBeingMadeError`."""
        file = await self._finder.version(caller, version)
        made = await self._unpacked(file, correlation_id)
        content = self._stored(made.key)
        return StreamedFile(made.name, "application/octet-stream", content, size_bytes=made.size_bytes)

    async def frames(
        self, caller: User, frame_ids: Sequence[int], *, uncompress: bool, correlation_id: str
    ) -> StreamedFile:
        """Return an archive of the files of those frames that may be read. Raises `NotFoundError` if that is none."""
        files = await self._finder.science_files(caller, frame_ids)
        if not files:
            raise NotFoundError("Not found.")
        _require_small(caller, len(files), sum(file.size_bytes for file in files))
        name = f"{_ARCHIVE_NAME}-{utc_now():%Y%m%d}-{len(files)}"
        if self._streams.locked():
            raise TransientError("too many archives are being sent; try again in a moment")
        content = self._zipped(files, folder=name, uncompress=uncompress, correlation_id=correlation_id)
        # What goes wrong before the first piece is there can still be told.
        return StreamedFile(f"{name}.zip", "application/zip", content, first=await anext(content, b""))

    async def _stored(self, key: str) -> AsyncGenerator[bytes, None]:
        async for chunk in self._objects.stream(key):
            yield chunk

    async def _zipped(
        self, files: Sequence[StoredFile], *, folder: str, uncompress: bool, correlation_id: str
    ) -> AsyncGenerator[bytes, None]:
        async def members() -> AsyncIterator[ZipMember]:
            names = _Names()
            for file in files:
                packed = uncompress and file.name.endswith(".fz")
                member = await self._unpacked_if_possible(file, correlation_id) if packed else _as_it_is(file)
                yield ZipMember(
                    name=names.free(f"{folder}/{member.name}"),
                    key=member.key,
                    size_bytes=member.size_bytes,
                    sha256=member.sha256,
                )

        async with self._streams:
            async for chunk in zipped(self._objects, members()):
                yield chunk

    async def _unpacked_if_possible(self, file: StoredFile, correlation_id: str) -> ZipMember:
        """Return a file unpacked; one that cannot be as it is: it is better than none."""
        for _ in range(_MOST_WAITS):
            try:
                return await self._unpacked(file, correlation_id)
            except StillBeingMadeError:
                continue
            except UsageError:
                return _as_it_is(file)
        raise TransientError(f"{file.name} is not unpacked in time")

    async def _unpacked(self, file: StoredFile, correlation_id: str) -> ZipMember:
        """Return where a file is with its images unpacked. Raises `StillBeingMadeError`."""
        made = await self._runners.rendered(file, "funpack", {}, correlation_id=correlation_id)
        found = await self._objects.stat(made.key)
        if found is None:
            raise TransientError(f"{file.name} was unpacked, and is gone")
        name = f"{without_fits_ending(file.name)}.fits"
        return ZipMember(name=name, key=made.key, size_bytes=found.size_bytes, sha256=None)


class _Names:
    """Gives each file of an archive a name of its own."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def free(self, name: str) -> str:
        """Return a name, with a number in front of it if it is taken."""
        folder, slash, plain = name.rpartition("/")
        free, number = name, 1
        while free in self._taken:
            number += 1
            free = f"{folder}{slash}{number}-{plain}"
        self._taken.add(free)
        return free


def _as_it_is(file: StoredFile) -> ZipMember:
    return ZipMember(name=file.name, key=file.key, size_bytes=file.size_bytes, sha256=file.sha256)


def _members(files: Sequence[StoredFile]) -> tuple[ArchiveMember, ...]:
    names = _Names()
    return tuple(ArchiveMember(name=names.free(file.name), file=file.as_input()) for file in files)


async def _within_limits(caller: User, files: AsyncIterator[StoredFile]) -> list[StoredFile]:
    found: list[StoredFile] = []
    size_bytes = 0
    async for file in files:
        found.append(file)
        size_bytes += file.size_bytes
        _require_small(caller, len(found), size_bytes)
    return found


def _require_small(caller: User, files: int, size_bytes: int) -> None:
    most_files, most_bytes = _MOST_FILES, _MOST_BYTES
    if not caller.username:
        most_files, most_bytes = _MOST_FILES_OF_NOBODY, _MOST_BYTES_OF_NOBODY
    if files > most_files or size_bytes > most_bytes:
        without = "" if caller.username else " without a token"
        raise UsageError(
            f"An archive{without} has at most {most_files} files and {most_bytes // 1024**3} GiB: ask for less at once."
        )
