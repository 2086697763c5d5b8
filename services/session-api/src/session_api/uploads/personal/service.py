"""Files that come in parts: resumed where they were left, checked when whole, and counted once ingest has looked."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Final

from datalab.errors import UsageError
from datalab.events.envelope import derived_id, new_id, utc_now
from datalab.events.frames import FileRejected, FileUploaded, FrameIngested, Verdict
from datalab.events.object_keys import part_key
from datalab.platform.logging import get_logger
from datalab.platform.objects.errors import ObjectNotFoundError
from datalab.platform.objects.incoming import Received
from datalab.platform.objects.store import ObjectStore
from session_api import SERVICE
from session_api.archive.repository import FrameReader
from session_api.uploads.intake import Intake
from session_api.uploads.personal.model import PersonalUpload, UploadState, frame_name, new_upload
from session_api.uploads.personal.repository import PersonalUploadRepository
from session_api.uploads.versions import Versions
from session_api.web.failures import (
    ConflictError,
    FieldError,
    ForbiddenError,
    RefusedError,
    TooLargeError,
    UploadNotFoundError,
)
from session_api.web.user import User
from session_api.web.window import Window

_log = get_logger(__name__)

#: Before the id of an upload; also what ingest says of one is told by it.
_PREFIX: Final = "upload-"
_BINARY: Final = "application/octet-stream"
_FITS: Final = "image/fits"


class PersonalUploadService:
    """Takes in files in parts."""

    def __init__(
        self,
        *,
        objects: ObjectStore,
        uploads: PersonalUploadRepository,
        versions: Versions,
        frames: FrameReader,
        intake: Intake,
        part_bytes: int,
        max_bytes: int,
        quota_bytes: int,
        quota_files: int,
        keep_unfinished_s: float,
    ) -> None:
        self._objects = objects
        self._uploads = uploads
        self._versions = versions
        self._frames = frames
        self._intake = intake
        self._part_bytes = part_bytes
        self._max_bytes = max_bytes
        self._quota_bytes = quota_bytes
        self._quota_files = quota_files
        self._keep_unfinished = timedelta(seconds=keep_unfinished_s)

    async def begin(
        self, caller: User, *, file_name: str, size_bytes: int, sha256: str, site: str | None
    ) -> PersonalUpload:
        """Return an upload to send parts of: one that was begun before with the same file, if there is one.

        Raises `UsageError` for a file that cannot be taken, `RefusedError` when the caller has no room for it.
        """
        if site is not None and not caller.may_ingest(site):
            raise ForbiddenError
        try:
            upload = new_upload(
                upload_id=f"{_PREFIX}{new_id()}",
                owner=caller.username,
                site=site,
                file_name=file_name,
                size_bytes=size_bytes,
                sha256=sha256.lower(),
                part_bytes=self._part_bytes,
                now=utc_now(),
            )
        except UsageError as error:
            raise FieldError({"file_name": [error.message]}) from error
        if size_bytes > self._max_bytes:
            raise TooLargeError(f"The file is too large: at most {self._max_bytes} bytes are accepted.")
        same = await self._uploads.find_same(upload)
        # A file of a site may have been replaced meanwhile: that it came once says nothing.
        if same is not None and (same.state is UploadState.RECEIVING or site is None):
            return same
        if site is not None:
            await self._require_own(upload, site)
        await self._uploads.insert(upload)
        if site is None:
            await self._require_room(upload)
        return upload

    async def get(self, caller: User, upload_id: str) -> PersonalUpload:
        """Return an upload of the caller's. Raises `UploadNotFoundError`."""
        upload = await self._uploads.find(caller.username, upload_id)
        if upload is None:
            raise UploadNotFoundError
        return upload

    async def page(self, caller: User, window: Window) -> tuple[int, list[PersonalUpload]]:
        """Return how many uploads the caller has, and a part of them, newest first."""
        return await self._uploads.page(caller.username, window)

    async def put_part(
        self, caller: User, upload_id: str, number: int, content: AsyncIterator[bytes]
    ) -> tuple[PersonalUpload, str]:
        """Store a part, and return its checksum with the upload; sent again it replaces what came before.

        Raises `UploadNotFoundError`, `ConflictError`, `UsageError` for a part of another size.
        """
        upload = await self.get(caller, upload_id)
        if not 1 <= number <= upload.part_count:
            raise UsageError(f"The file has the parts 1 to {upload.part_count}; {number} is none of them.")
        _require_receiving(upload)
        expected = upload.size_of(number)

        async def check(received: Received) -> None:
            if received.size_bytes != expected:
                raise UsageError(f"Part {number} has {received.size_bytes} bytes; {expected} are expected.")

        async with self._intake.place():
            stored = await self._objects.put_stream(
                part_key(upload_id, number),
                self._intake.limited(content, max_bytes=expected),
                content_type=_BINARY,
                before_it_counts=check,
            )
        sha256 = stored.sha256 or ""
        if not await self._uploads.add_part(upload, number, sha256):
            await self._objects.delete(part_key(upload_id, number))
            raise ConflictError("The upload is complete, or was given up.")
        return await self.get(caller, upload_id), sha256

    async def complete(self, caller: User, upload_id: str) -> PersonalUpload:
        """Put the parts together, check the whole and hand it to ingest. Done again, it changes nothing.

        Raises `UploadNotFoundError`, `ConflictError` while parts are missing, `UsageError` if the whole is another file
        than was announced: then its parts have to be sent again.
        """
        upload = await self.get(caller, upload_id)
        if upload.state is not UploadState.RECEIVING:
            return upload
        if missing := upload.missing:
            raise ConflictError(f"{len(missing)} parts have still to come, the first is {missing[0]}.")

        async def check(received: Received) -> None:
            if not hmac.compare_digest(received.sha256, upload.sha256):
                raise _OtherFileError(f"The file has SHA-256 {received.sha256}, announced was {upload.sha256}.")
            if upload.site is not None:
                await self._versions.keep(upload.key, unless_md5=received.md5)

        try:
            async with self._intake.place():
                await self._objects.put_stream(
                    upload.key, self._whole(upload), content_type=_FITS, before_it_counts=check
                )
        except (_OtherFileError, ObjectNotFoundError) as error:
            current = await self.get(caller, upload_id)
            if current.state is not UploadState.RECEIVING:
                return current  # somebody else has completed it, and tidied up
            await self._uploads.begin_again(upload)
            raise UsageError(f"{error.message} Send it again.") from error
        if await self._uploads.complete(upload, [_uploaded(upload)]):
            await self._delete_parts(upload)
        return await self.get(caller, upload_id)

    async def give_up(self, caller: User, upload_id: str) -> None:
        """Forget an upload that is not complete. Raises `UploadNotFoundError`, `ConflictError`."""
        upload = await self.get(caller, upload_id)
        _require_receiving(upload)
        await self._forget(upload)

    async def settle(self, verdict: Verdict) -> None:
        """Note what ingest says of a file; what is refused does not count, and is not kept. Raises `TransientError`."""
        if not verdict.correlation_id.startswith(_PREFIX):
            return  # of a file that came in another way
        refused = isinstance(verdict, FileRejected)
        upload = await self._uploads.settle_any(
            verdict.correlation_id,
            key=verdict.key,
            state=UploadState.REFUSED if refused else UploadState.INGESTED,
            frame=verdict.basename if isinstance(verdict, FrameIngested) else None,
            reason=None if isinstance(verdict, FrameIngested) else verdict.reason,
        )
        if upload is None:
            return
        _log.info("uploads.settled", upload=upload.upload_id, state=upload.state)
        if refused and upload.site is None:
            await self._objects.delete(upload.key)

    async def forget_removed(self, keys: Sequence[str]) -> None:
        """Forget uploads whose frames have gone: they count no more. Raises `TransientError`."""
        await self._uploads.delete_any_of(keys)

    async def forget_abandoned(self) -> int:
        """Remove uploads nobody goes on with; return how many. Raises `TransientError`."""
        abandoned = await self._uploads.abandoned_of_any(before=utc_now() - self._keep_unfinished)
        for upload in abandoned:
            await self._forget(upload)
        return len(abandoned)

    async def _require_room(self, upload: PersonalUpload) -> None:
        """Take back an upload there is no room for. It is counted with itself, so that none slip in side by side."""
        files, used = await self._uploads.used(upload.owner)
        if files <= self._quota_files and used <= self._quota_bytes:
            return
        await self._uploads.delete(upload)
        raise RefusedError(
            f"There is no room for the file: you have {files - 1} files with {used - upload.size_bytes} bytes; "
            f"{self._quota_files} files with {self._quota_bytes} bytes are allowed."
        )

    async def _require_own(self, upload: PersonalUpload, site: str) -> None:
        """Refuse the file of a frame that belongs to another site, before it replaces that site's."""
        basename = frame_name(upload.file_name, owner=upload.owner, site=site).basename
        frame = (await self._frames.find_any_by_basename([basename])).get(basename)
        if frame is not None and frame.site != site:
            raise RefusedError(f"frame {basename!r} belongs to site {frame.site!r}, not to {site!r}")

    async def _whole(self, upload: PersonalUpload) -> AsyncIterator[bytes]:
        for number in range(1, upload.part_count + 1):
            yield await self._objects.get_bytes(part_key(upload.upload_id, number), max_bytes=upload.part_bytes)

    async def _forget(self, upload: PersonalUpload) -> None:
        if await self._uploads.delete(upload):
            await self._delete_parts(upload)

    async def _delete_parts(self, upload: PersonalUpload) -> None:
        for number in range(1, upload.part_count + 1):
            await self._objects.delete(part_key(upload.upload_id, number))


class _OtherFileError(UsageError):
    """What came is not what was announced."""


def _require_receiving(upload: PersonalUpload) -> None:
    if upload.state is not UploadState.RECEIVING:
        raise ConflictError("The upload is complete.")


def _uploaded(upload: PersonalUpload) -> FileUploaded:
    return FileUploaded(
        event_id=derived_id("file.uploaded", upload.upload_id),
        correlation_id=upload.upload_id,
        producer=SERVICE,
        key=upload.key,
        size_bytes=upload.size_bytes,
        sha256=upload.sha256,
        site=upload.site,
        owner=None if upload.site else upload.owner,
        file_name=None if upload.site else upload.file_name,
    )
