"""From what an OCS ingester says it has stored to the frame that it becomes."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Final, Protocol

from pydantic import ValidationError

from datalab.documents.file_names import recorded_file_name
from datalab.documents.frame import UPLOADS_SITE, FrameDocument
from datalab.errors import TransientError, UsageError, explain_validation
from datalab.events.envelope import Event, derived_id
from datalab.events.frames import FileRecordAnswered, FileRecordRequested, FrameRecord
from datalab.events.object_keys import RECORDED
from datalab.events.operations import FailureKind
from datalab.platform.bus.requests import NoAnswerError, NobodyThereError, RawAnswer
from datalab.platform.logging import get_logger
from datalab.platform.objects.store import ObjectStore
from session_api import SERVICE
from session_api.archive.repository import FrameReader
from session_api.uploads.ingesters.model import (
    FITS_ROLE,
    PICTURE_ROLES,
    IngesterFile,
    SaidFrame,
    SaidPicture,
    SaidVersion,
)
from session_api.uploads.ingesters.recorded import is_of_a_frame
from session_api.uploads.ingesters.repository import IngesterFileRepository
from session_api.web.failures import FieldError, RefusedError
from session_api.web.user import User

_log = get_logger(__name__)

#: An ingester waits as long as it is let; fetching and unpacking a large file takes a while.
_WAIT_S: Final = 60.0
#: Versions have the lower half of a frame's hundred file numbers.
_MOST_FORMER: Final = 40
_KNOWN: Final = "version with this md5 already exists."


class Asking(Protocol):
    """The bus."""

    async def ask(self, event: Event, *, within_s: float, max_bytes: int) -> RawAnswer:
        """Return the answer to a question. Raises `TransientError`."""
        ...


class RecordService:
    """Has frames made of files that were stored. Said again, what is known already is answered with what there is."""

    def __init__(
        self, *, bus: Asking, objects: ObjectStore, files: IngesterFileRepository, frames: FrameReader
    ) -> None:
        self._bus = bus
        self._objects = objects
        self._files = files
        self._frames = frames

    async def known(self, md5: str) -> list[FrameDocument]:
        """Return the frames, whoever may read them, that have a file of an ingester with this checksum."""
        return await self._frames.find_any_by_md5(md5.lower())

    async def add_frame(self, caller: User, said: SaidFrame) -> FrameDocument:
        """Make a stored file a frame, or the newest version of one, and return the frame.

        Raises `FieldError`, `RefusedError`, `TransientError`.
        """
        _require_site(caller, said.site)
        _check_name(said.basename, said.file, role=FITS_ROLE, site=said.site)
        known = await self.known(said.file.md5)
        if known:
            await self._discard_stored(caller, said.file)
            return _same(known, said.basename, site=said.site)
        present = await self._frames.find_any(said.basename)
        if present is not None and present.site != said.site:
            raise FieldError({"basename": [f"The frame belongs to site {present.site!r}, not to {said.site!r}."]})
        if present is not None and len(present.former) >= _MOST_FORMER:
            raise FieldError({"version_set": [f"The frame has {_MOST_FORMER + 1} versions already; remove it first."]})
        file = await self._stored(caller, said.file, basename=said.basename, frame=said.basename)
        await self._record(file, said.basename, role=FITS_ROLE, site=said.site, said=said.file, record=said.record)
        return await self._frame(said.basename)

    async def add_picture(self, caller: User, said: SaidPicture) -> tuple[FrameDocument, str]:
        """Make a stored file a picture of a frame; return the frame, and the picture's role.

        Raises `FieldError`, `RefusedError`, `TransientError`.
        """
        role = PICTURE_ROLES.get(said.size)
        if role is None:
            raise FieldError({"size": [f"It has to be one of {', '.join(PICTURE_ROLES)}."]})
        frame = await self._frames.find_any(said.frame_basename)
        if frame is None or not caller.may_ingest(frame.site):
            raise FieldError({"frame_basename": ["There is no frame of this name to which you may add pictures."]})
        _check_name(said.frame_basename, said.file, role=role, site=frame.site)
        known = await self.known(said.file.md5)
        here = next((each for each in known if each.basename == said.frame_basename), None)
        # What this frame has in another size only is stored, and recorded, as one of its own.
        if known and (here is None or _has(here, role, said.file.md5)):
            await self._discard_stored(caller, said.file)
            return _same(known, said.frame_basename, site=frame.site), role
        replaced = frame.files.get(role)
        file = await self._stored(caller, said.file, basename=said.basename, frame=said.frame_basename)
        if file.is_part_of(here or frame):
            raise FieldError({"version_set": ["key: The file stored under it is a picture of the frame already."]})
        await self._record(file, said.frame_basename, role=role, site=frame.site, said=said.file, record=None)
        now = await self._frame(said.frame_basename)
        if (
            replaced is not None
            and replaced.key.startswith(RECORDED)
            and all(each.key != replaced.key for each in now.every_file)
        ):
            await self._objects.delete(replaced.key)
        return now, role

    async def _stored(self, caller: User, said: SaidVersion, *, basename: str, frame: str) -> IngesterFile:
        """Return the file that is told of: what was stored here, by the caller, with this name and content."""
        file = await self._files.find(caller.username, said.version)
        if file is None or not file.md5:
            raise FieldError({"version_set": ["key: You have stored no file here under this key."]})
        if file.file_name != f"{basename}{said.extension}":
            raise FieldError({"version_set": [f"key: The file stored under it is called {file.file_name!r}."]})
        if not hmac.compare_digest(file.md5, said.md5.lower()):
            raise FieldError({"version_set": [f"md5: The file stored under this key has {file.md5}."]})
        # Only what is right all over counts as told of: who removes the file looks at the frame that is noted here.
        claimed = await self._files.claim(caller.username, said.version, frame=frame)
        if claimed is None:
            raise FieldError({"version_set": ["key: The file stored under it was told of already, for another frame."]})
        return claimed

    async def _record(
        self, file: IngesterFile, basename: str, *, role: str, site: str, said: SaidVersion, record: FrameRecord | None
    ) -> None:
        request = FileRecordRequested(
            event_id=derived_id("file.record_requested", file.version),
            correlation_id=derived_id("ingester-file", file.version),
            producer=SERVICE,
            site=site,
            basename=basename,
            role=role,
            extension=said.extension,
            key=file.key,
            size_bytes=file.size_bytes,
            sha256=file.sha256,
            md5=file.md5,
            record=record,
        )
        answer = await self._answer(request)
        if answer.failure is FailureKind.USAGE:
            await self._discard(file)
            raise UsageError(answer.message)
        if answer.failure is not None or answer.frame_id is None:
            raise TransientError(f"the file could not be made part of its frame: {answer.message or 'try again'}")
        await self._files.delete(file)
        _log.info("ingesters.recorded", frame=basename, frame_id=answer.frame_id, role=role)

    async def _answer(self, request: FileRecordRequested) -> FileRecordAnswered:
        try:
            answer = await self._bus.ask(request, within_s=_WAIT_S, max_bytes=0)
            return FileRecordAnswered.decode(answer.head)
        except NobodyThereError:
            raise TransientError("ingest is not there; try again in a moment") from None
        except NoAnswerError:
            raise TransientError(f"ingest has not answered within {_WAIT_S:g} s; try again") from None
        except ValidationError as error:
            raise TransientError(f"the answer of ingest cannot be read: {explain_validation(error)}") from error

    async def _discard_stored(self, caller: User, said: SaidVersion) -> None:
        """Remove what was stored once more of a file that is here already.

        What was told of before, ingest may be at work on: it stays until it is a frame's, or old.
        """
        file = await self._files.find(caller.username, said.version)
        if file is None or not hmac.compare_digest(file.md5, said.md5.lower()):
            return
        if await is_of_a_frame(file, self._frames):
            await self._files.delete(file)
        elif file.frame is None:
            await self._discard(file)

    async def _discard(self, file: IngesterFile) -> None:
        """Forget a file, and remove it unless it is a frame's: ingest may have gone on when nobody waited for it."""
        if not await is_of_a_frame(file, self._frames):
            await self._objects.delete(file.key)
        await self._files.delete(file)

    async def _frame(self, basename: str) -> FrameDocument:
        frame = await self._frames.find_any(basename)
        if frame is None:
            raise TransientError("the frame was removed meanwhile")
        return frame


def _require_site(caller: User, site: str) -> None:
    if site == UPLOADS_SITE or not caller.may_ingest(site):
        raise RefusedError(f"You may not add files of site {site!r}.")


def _check_name(basename: str, said: SaidVersion, *, role: str, site: str) -> None:
    try:
        name = recorded_file_name(basename, said.extension, role=role)
    except UsageError as error:
        raise FieldError({"basename": [error.message]}) from error
    if name.site not in {None, site}:
        raise FieldError({"basename": [f"The name says site {name.site!r}, not {site!r}."]})


def _same(known: Sequence[FrameDocument], basename: str, *, site: str) -> FrameDocument:
    """Return the frame that has the file already, if it is this one. Raises `FieldError`."""
    for frame in known:
        if (frame.basename, frame.site) == (basename, site):
            return frame
    raise FieldError({"version_set": [f"md5: {_KNOWN}"]})


def _has(frame: FrameDocument, role: str, md5: str) -> bool:
    """Tell whether a frame has this content in this role."""
    file = frame.files.get(role)
    return file is not None and file.md5 == md5.lower()
