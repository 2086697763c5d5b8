"""Finds the files that somebody asks for, among what they may read."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from typing import Final

from datalab.documents.file_names import parse_file_name
from datalab.documents.frame import SCIENCE_ROLES
from datalab.errors import NotFoundError, UsageError
from datalab.events.envelope import utc_now
from datalab.events.object_keys import DATA
from datalab.events.operations import InputSource
from datalab.platform.objects.bucket import StoredObject
from datalab.platform.objects.errors import ObjectNotFoundError
from datalab.platform.objects.store import ObjectStore
from session_api.archive.file_numbers import frame_of, versions
from session_api.archive.model import OLDEST_FIRST, FrameFilter, Place
from session_api.archive.repository import FrameReader
from session_api.archive.rows import FrameRow
from session_api.archive.service import Outputs
from session_api.downloads.model import (
    FITS_ENDINGS,
    StoredFile,
    WantedArchive,
    WantedDownload,
    file_of,
    listed,
    stored,
    without_fits_ending,
)
from session_api.web.failures import FrameNotFoundError
from session_api.web.user import User

#: What lists need of a frame.
_LISTED: Final = dict.fromkeys(("frame_id", "capture_date", "filter_name", "files"), True)
#: Frames read at once, of all requests: each takes some 5 KB as Python objects.
_PAGE: Final = 1000
_PAGES_AT_ONCE: Final = 2
#: Outputs of operations in one archive: each is looked up by itself, and an operation has no more.
_MOST_OUTPUTS: Final = 1000
#: Images of a site looked at for one archive, of which not all have a file of the size wanted.
_MOST_EXAMINED: Final = 50_000
#: Checksums kept of files that belong to no frame.
_MOST_KNOWN: Final = 1000
#: Such files read at once for their checksums: the rest of the service reads from the object store too.
_CHECKED_AT_ONCE: Final = 2


class FileFinder:
    """What the caller may not read does not exist: `NotFoundError`."""

    def __init__(self, *, frames: FrameReader, outputs: Outputs, objects: ObjectStore) -> None:
        self._frames = frames
        self._outputs = outputs
        self._objects = objects
        self._reading = asyncio.Semaphore(_PAGES_AT_ONCE)
        self._checking = asyncio.Semaphore(_CHECKED_AT_ONCE)
        self._known: OrderedDict[tuple[str, str, str], StoredFile] = OrderedDict()

    async def named(self, caller: User, wanted: WantedDownload) -> StoredFile:
        """Return the file a client names, or the same file of the frame under another ending.

        Clients make names up: with `.fits.fz` at the end, and with the level they expect. A file of no frame that is
        wanted as it is has no checksum.
        """
        if f"{wanted.folder}/" == DATA:
            return await self._of_frame(caller, wanted)
        stem = without_fits_ending(wanted.key)
        others = [f"{stem}{ending}" for ending in FITS_ENDINGS] if stem != wanted.key else []
        for key in dict.fromkeys([wanted.key, *others]):
            found = await self._objects.stat(key)
            if found is not None:
                return _as_found(found) if wanted.form == "raw" else await self._checked(found, wanted.folder)
        raise _no_file(wanted)

    async def science_file(self, caller: User, frame_id: int) -> StoredFile:
        """Return the file to compute with of a frame, or of an output of the caller's operations."""
        output = await self._outputs.find(caller, frame_id)
        frame = output or await self._frames.find_any_by_number(frame_id)
        if frame is None or (output is None and not caller.may_read_frame(frame, now=utc_now())):
            raise FrameNotFoundError
        if frame.science_file is None:
            raise UsageError(f"{frame.basename} has no FITS file in the archive yet")
        source = InputSource.ARCHIVE if output is None else InputSource.DATALAB
        return stored(frame, frame.science_file, source=source)

    async def version(self, caller: User, number: int) -> StoredFile:
        """Return the file of a version number."""
        frame_id, place = frame_of(number)
        frame = await self._frames.find_any_by_number(frame_id)
        files = dict(versions(frame)) if frame and caller.may_read_frame(frame, now=utc_now()) else {}
        if frame is None or place not in files:
            raise NotFoundError("No Version matches the given query.")
        return stored(frame, files[place])

    async def science_files(self, caller: User, frame_ids: Sequence[int]) -> list[StoredFile]:
        """Return the files of those frames and outputs that may be read, and have one. Raises `UsageError`."""
        numbers = sorted(set(frame_ids))
        known = caller.username or caller.link_hash
        outputs = [number for number in numbers if self._outputs.has_number(number)] if known else []
        if len(outputs) > _MOST_OUTPUTS:
            raise UsageError(f"An archive has at most {_MOST_OUTPUTS} outputs of operations: ask for less at once.")
        chosen = FrameFilter(numbers=numbers, with_science=True)
        files = [
            listed(row, role)
            async for row in self._each(caller, chosen)
            for role in [next(role for role in SCIENCE_ROLES if role in row["files"])]
        ]
        made = [await self._outputs.find(caller, number) for number in outputs]
        return files + [
            stored(output, output.science_file, source=InputSource.DATALAB)
            for output in made
            if output is not None and output.science_file is not None
        ]

    async def of_site(self, caller: User, wanted: WantedArchive) -> AsyncIterator[StoredFile]:
        """Yield one file of the size wanted of each image of a site, the oldest first.

        Raises `UsageError` when there are too many images to look at.
        """
        chosen = FrameFilter(equal={"site": [wanted.site]}, captured=(wanted.start, wanted.end), with_science=True)
        examined = 0
        async for row in self._each(caller, chosen):
            examined += 1
            if examined > _MOST_EXAMINED:
                raise UsageError(
                    f"{wanted.site} has more than {_MOST_EXAMINED} images in this time: ask for less at once."
                )
            role = next((role for role in wanted.size.roles if role in row["files"]), None)
            if role is not None:
                yield listed(row, role)

    async def _each(self, caller: User, chosen: FrameFilter) -> AsyncIterator[FrameRow]:
        after: Place | None = None
        proposals = caller.readable_proposals
        while True:
            async with self._reading:
                page = await self._frames.page(
                    proposals, chosen, OLDEST_FIRST, limit=_PAGE, after=after, fields=_LISTED
                )
            for row in page:
                yield row
            if not page:
                return
            after = Place(page[-1]["capture_date"], page[-1]["frame_id"])

    async def _of_frame(self, caller: User, wanted: WantedDownload) -> StoredFile:
        try:
            name = parse_file_name(wanted.name)
        except UsageError:
            raise _no_file(wanted) from None
        frame = (await self._frames.find_any_by_basename([name.basename])).get(name.basename)
        file = file_of(frame, name.role) if frame else None
        if frame is None or file is None or not caller.may_read_frame(frame, now=utc_now()):
            raise _no_file(wanted)
        return stored(frame, file)

    async def _checked(self, found: StoredObject, folder: str) -> StoredFile:
        """Return a file with its checksum, for which all of it is read the first time."""
        version = found.key, found.etag, str(found.modified_at)
        if version not in self._known:
            async with self._checking:
                if version not in self._known:  # another request may have had it read meanwhile
                    self._known[version] = await self._read(found.key, folder)
                    if len(self._known) > _MOST_KNOWN:
                        self._known.popitem(last=False)
        return self._known[version]

    async def _read(self, key: str, folder: str) -> StoredFile:
        name = key.rpartition("/")[2]
        try:
            read = await self._objects.checksum(key)
        except ObjectNotFoundError:
            raise NotFoundError(f"No file named {name} exists in {folder}.") from None
        if not read.size_bytes:
            raise UsageError(f"{name} is empty.")
        return _as_found(read)


def _as_found(found: StoredObject) -> StoredFile:
    return StoredFile(
        key=found.key,
        sha256=found.sha256 or "",
        size_bytes=found.size_bytes,
        etag=found.etag,
        basename=without_fits_ending(found.key.rpartition("/")[2]),
    )


def _no_file(wanted: WantedDownload) -> NotFoundError:
    return NotFoundError(f"No file named {wanted.name} exists in {wanted.folder}.")
