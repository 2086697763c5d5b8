"""Files of observatories: a form is asked for, then sent with the file."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from datalab.documents.file_names import Convention, FileName
from datalab.documents.upload import Outcome, version_id
from datalab.documents.upload_ticket import TicketState, UploadTicket
from datalab.errors import NotFoundError
from datalab.events import site_codes
from datalab.events.envelope import derived_id, utc_now
from datalab.events.frames import FileUploaded
from datalab.events.object_keys import ALLSKY, DATA, INFO_IMAGES, split_key
from datalab.platform.logging import get_logger
from datalab.platform.objects.bucket import StoredObject
from datalab.platform.objects.forms import FormRefusedError, Forms
from datalab.platform.objects.incoming import Received
from datalab.platform.objects.store import ObjectStore
from session_api import SERVICE
from session_api.archive.repository import FrameReader, UploadReader
from session_api.uploads.destination import Destination
from session_api.uploads.intake import Intake
from session_api.uploads.limits import UploadLimits
from session_api.uploads.model import FileFate, FileState, FileVersion, WantedUpload, frame_name
from session_api.uploads.multipart import MultipartForm
from session_api.uploads.open_sites import OpenSites
from session_api.uploads.repository import TicketRepository
from session_api.uploads.versions import Versions
from session_api.web.failures import ConflictError, FrameNotFoundError, RefusedError
from session_api.web.user import User

_log = get_logger(__name__)

#: Info images are shown for two days; what a ticket says of one must last as long, and a slow upload besides.
_TICKET_LIFE: Final = timedelta(days=3)
_HEADER_TYPE: Final = "text/plain"
_REPEATED: Final = "its frame has this file already"
_TRIAL: Final = "it is a trial: nothing is made of it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Where to send a file, and the fields that go before it."""

    form_id: str
    url: str
    fields: Mapping[str, str]


class UploadService:
    """Hands out forms, and takes in what is sent with them."""

    def __init__(
        self,
        *,
        objects: ObjectStore,
        forms: Forms,
        destination: Destination,
        tickets: TicketRepository,
        versions: Versions,
        frames: FrameReader,
        log: UploadReader,
        intake: Intake,
        limits: UploadLimits,
        form_life_s: int,
        max_bytes: int,
        open_sites: OpenSites,
    ) -> None:
        self._objects = objects
        self._forms = forms
        self._destination = destination
        self._tickets = tickets
        self._versions = versions
        self._frames = frames
        self._log = log
        self._intake = intake
        self._limits = limits
        self._form_life = timedelta(seconds=form_life_s)
        self._max_bytes = max_bytes
        self._open_sites = open_sites

    async def offer(self, wanted: WantedUpload, *, caller: User, address: str, here: str) -> Offer:
        """Return a form for a file; `here` is where forms are sent that come to us.

        Raises `RefusedError` for what the caller may not store, `ConflictError` for another site's file,
        `TooManyError`, `TransientError`.
        """
        self._require_open(wanted, caller)
        self._limits.take_form(site=wanted.site, address=address)
        await self._require_free(wanted)
        to_store = await self._destination.store_takes_forms()
        if to_store:
            await self._versions.keep(wanted.key)
        now = utc_now()
        form = self._forms.sign(wanted.key, max_bytes=self._max_bytes, expires_at=now + self._form_life)
        ticket = UploadTicket(
            ticket_id=form.form_id,
            key=wanted.key,
            site=wanted.site,
            announced_site=wanted.announced_site,
            channel=wanted.channel,
            max_bytes=self._max_bytes,
            asked_at=now,
            expires_at=now + self._form_life,
            kept_until=now + _TICKET_LIFE,
        )
        header = await self._stored_header(wanted)
        # The same form, asked for twice within a millisecond, is one.
        await self._tickets.insert(ticket, [] if header is None else _announcements(header, ticket))
        await self._require_first(wanted, ticket)
        return Offer(form_id=form.form_id, url=self._forms.store_url if to_store else here, fields=form.fields)

    async def receive(self, form: MultipartForm, *, address: str) -> None:
        """Store the file of a form. Sent again, the same file is accepted, and changes nothing.

        Raises `RefusedError` and `UsageError` for what is wrong with it, `TransientError`.
        """
        # Before there is a place: a silent sender, or one without a form of ours, must not hold one.
        fields = await self._intake.fields(form.fields())
        try:
            opened = self._forms.open_form(fields, now=utc_now())
        except FormRefusedError as error:
            raise RefusedError(error.message) from error
        ticket = await self._tickets.find_any(opened.form_id)
        if ticket is None or ticket.key != opened.key:
            raise RefusedError("The form was not handed out here.")
        async with self._intake.place():
            content = self._intake.limited(form.content(), max_bytes=opened.max_bytes)
            await self._store(ticket, self._counted(content, ticket, address))

    async def fate(self, form_id: str) -> FileFate:
        """Return what has become of the file of a form; whoever has the form may know. Raises `NotFoundError`.

        Where the store takes forms itself, this is worth asking once it has taken this one.
        """
        ticket = await self._tickets.find_any(form_id)
        if ticket is None:
            raise NotFoundError("No such form was handed out, or it was days ago.")
        awaited = FileFate(key=ticket.key, state=FileState.AWAITED)
        if ticket.state is not TicketState.STORED and not await self._destination.store_takes_forms():
            return awaited
        stored = await self._objects.stat(ticket.key)
        return awaited if stored is None else await self._fate_of(stored, ticket)

    async def replaced(self, caller: User, basename: str) -> list[FileVersion]:
        """Return what the files of a frame were before, newest first. Raises `FrameNotFoundError`."""
        frame = (await self._frames.find_any_by_basename([basename])).get(basename)
        if frame is None or not caller.may_read_frame(frame, now=utc_now()):
            raise FrameNotFoundError
        return await self._versions.of([file.key for file in frame.files.values()])

    async def _fate_of(self, stored: StoredObject, ticket: UploadTicket) -> FileFate:
        def fate(state: FileState, *, frame: str | None = None, reason: str | None = None) -> FileFate:
            return FileFate(key=ticket.key, state=state, sha256=ticket.sha256, frame=frame, reason=reason)

        if not _concerns_ingest(ticket.key):
            return fate(FileState.KEPT, reason=_TRIAL)
        entry = await self._log.of_any_version(
            version_id(stored.key, size_bytes=stored.size_bytes, stored_at=stored.modified_at)
        )
        if entry is None:
            return fate(FileState.STORED)
        if entry.outcome is Outcome.REJECTED:
            return fate(FileState.REFUSED, reason=entry.reason)
        if entry.outcome is Outcome.IGNORED:
            return fate(FileState.KEPT, reason=entry.reason)
        name = frame_name(ticket.key)
        frame = name.basename if name else None
        if ticket.repeated:
            return fate(FileState.UNCHANGED, frame=frame, reason=_REPEATED)
        return fate(FileState.INGESTED, frame=frame)

    async def _counted(self, content: AsyncIterator[bytes], ticket: UploadTicket, address: str) -> AsyncIterator[bytes]:
        async for piece in content:
            self._limits.count_bytes(len(piece), site=ticket.site, address=address)
            yield piece

    async def _store(self, ticket: UploadTicket, content: AsyncIterator[bytes]) -> None:
        claimed: str | None = None
        repeated = False

        async def claim(received: Received) -> None:
            nonlocal claimed, repeated
            holder = await self._tickets.claim(ticket.ticket_id, received.sha256)
            if holder is None:
                raise RefusedError("The form was used already, for another file; ask for another form.")
            if holder.state is TicketState.STORED:
                raise _StoredAlreadyError
            claimed = received.sha256
            repeated = await self._versions.keep(ticket.key, unless_md5=received.md5)

        try:
            stored = await self._objects.put_stream(
                ticket.key, content, content_type=_media_type(ticket.key), before_it_counts=claim
            )
        except _StoredAlreadyError:
            return
        except BaseException:
            if claimed is not None:
                await self._tickets.release(ticket.ticket_id, claimed)
            raise
        await self._tickets.complete(
            ticket.ticket_id,
            sha256=claimed or "",
            size_bytes=stored.size_bytes,
            stored_at=utc_now(),
            repeated=repeated,
            events=_announcements(stored, ticket),
        )
        _log.info("uploads.stored", key=ticket.key, size_bytes=stored.size_bytes)

    async def _stored_header(self, wanted: WantedUpload) -> StoredObject | None:
        """Store the header that came with a request, as the file of text it makes unnecessary."""
        if wanted.header is None:
            return None
        text = wanted.header

        async def content() -> AsyncIterator[bytes]:
            yield text

        async def keep(received: Received) -> None:
            await self._versions.keep(wanted.header_key, unless_md5=received.md5)

        return await self._objects.put_stream(
            wanted.header_key, content(), content_type=_HEADER_TYPE, before_it_counts=keep
        )

    def _require_open(self, wanted: WantedUpload, caller: User) -> None:
        if not self._open_sites.let_send(caller, wanted.site):
            raise RefusedError(f"Files of site {wanted.site!r} are taken from its own software only, with a token.")

    async def _require_free(self, wanted: WantedUpload) -> None:
        """Refuse a name that tells of no site when there is a frame of that name which may be another site's."""
        name = wanted.frame_name
        if name is None or name.convention is not Convention.OTHER:
            return
        frame = (await self._frames.find_any_by_basename([name.basename])).get(name.basename)
        if frame is not None and frame.site != wanted.announced_site:
            raise _not_free(name, wanted)

    async def _require_first(self, wanted: WantedUpload, ticket: UploadTicket) -> None:
        """Refuse a name that tells of no site when somebody else asked for it before, whose frame is yet to come.

        After the ticket is there: of two who ask at once, one sees that of the other.
        """
        name = wanted.frame_name
        if name is None or name.convention is not Convention.OTHER:
            return
        if await self._tickets.find_any_earlier(ticket) is not None:
            await self._tickets.withdraw(ticket)
            raise _not_free(name, wanted)


def _not_free(name: FileName, wanted: WantedUpload) -> ConflictError:
    whose = "it is another site's" if wanted.announced_site else "the name does not say which site the file is from"
    return ConflictError(f"There is a frame {name.basename!r} already, and {whose}.")


class _StoredAlreadyError(Exception):
    """The same file came with the same form before; ends the transfer."""


def _announcements(stored: StoredObject, ticket: UploadTicket) -> list[FileUploaded]:
    """Return what is told of a stored file: nothing of a trial."""
    if stored.sha256 is None or not _concerns_ingest(stored.key):
        return []
    return [
        FileUploaded(
            event_id=derived_id("file.uploaded", ticket.ticket_id, stored.key, stored.sha256),
            correlation_id=derived_id("upload", ticket.ticket_id),
            producer=SERVICE,
            key=stored.key,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            site=_site_told(stored.key, ticket),
        )
    ]


def _concerns_ingest(key: str) -> bool:
    return split_key(key)[0] in {DATA, INFO_IMAGES, ALLSKY}


def _site_told(key: str, ticket: UploadTicket) -> str | None:
    """Return the site as it may stand in a subject: of a frame's file only what was said, or its name says for sure."""
    name = frame_name(key)
    site = (ticket.announced_site or name.site) if name else ticket.site
    return site if site and re.fullmatch(site_codes.PATTERN, site) else None


def _media_type(key: str) -> str:
    return mimetypes.guess_type(key)[0] or "application/octet-stream"
