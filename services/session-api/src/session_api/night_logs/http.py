"""`/nightlog/{site}`: the note of a site, as the user interface asks for it and staff write it there."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response
from typing_extensions import TypedDict

from datalab.events.envelope import SubjectToken
from datalab.events.feed import NightLogChanged
from session_api.night_logs.model import Note
from session_api.night_logs.service import NightLogService
from session_api.web.access import Access, access
from session_api.web.bodies import TOO_MANY, JsonObject
from session_api.web.dependencies import Address, Caller, provided
from session_api.web.photon_ranch import TEXT, TEXT_ERRORS, TextReply, photon_ranch_router
from session_api.web.replies import JsonReply, empty_reply, shown_datetime

#: What the first service could keep of a note.
_LARGEST_BYTES: Final = 400 * 1024
_LIMITS: Final = ("night_log_per_minute", "night_log_address_per_minute")

NightLogs = Annotated[NightLogService, provided(NightLogService)]
Site = Annotated[SubjectToken, Path(description="the site's code")]

router = photon_ranch_router(tag="night log")


class NoteForm(BaseModel):
    """What is to be written; `ttl_hours` in it is needed, all else is its reader's."""

    model_config = ConfigDict(extra="ignore", strict=True)

    note_data: JsonObject = Field(description="`message`, `ttl_hours`, and whatever else belongs to the note")


class NoteView(TypedDict):
    """A note; both times in seconds since 1970."""

    site: str
    created_timestamp: int
    ttl_timestamp_seconds: int
    note_data: JsonObject


class FormerNoteView(NoteView):
    """A note as staff see it, also when it is not shown any more."""

    by: str
    removed_at: str | None
    removed_by: str | None


@router.get(
    "/nightlog/{site}",
    response_model=NoteView,
    responses={204: {"description": "There is no note"}, 404: TEXT},
    summary="Read the note of a site",
)
@access(Access.PUBLIC)
async def get_note(site: Site, notes: NightLogs) -> Response:
    note = await notes.note(site)
    return empty_reply() if note is None else JsonReply(_view(note))


@router.post(
    "/nightlog/{site}",
    response_model=None,
    responses={200: TEXT, **TEXT_ERRORS, **TOO_MANY},
    summary="Write the note of a site",
)
@access(
    Access.USER,
    max_body_bytes=_LARGEST_BYTES,
    provided="staff of the site",
    limits=_LIMITS,
    emits=(NightLogChanged,),
)
async def write_note(caller: Caller, site: Site, form: NoteForm, *, address: Address, notes: NightLogs) -> Response:
    await notes.write(caller, site, form.note_data, address=address)
    return TextReply("Note created successfully")


@router.delete(
    "/nightlog/{site}",
    status_code=204,
    responses={**TEXT_ERRORS, **TOO_MANY},
    summary="Take the note of a site away",
)
@access(Access.USER, provided="staff of the site", limits=_LIMITS, emits=(NightLogChanged,))
async def delete_note(caller: Caller, site: Site, *, address: Address, notes: NightLogs) -> Response:
    await notes.remove(caller, site, address=address)
    return empty_reply()


@router.get(
    "/nightlog/{site}/history",
    response_model=list[FormerNoteView],
    responses={403: TEXT, 404: TEXT},
    summary="List the latest notes of a site, newest first: for its staff",
)
@access(Access.USER, large_answer=True, provided="staff of the site")
async def list_notes(caller: Caller, site: Site, notes: NightLogs) -> Response:
    return JsonReply([_former_view(note) for note in await notes.history(caller, site)])


def _view(note: Note) -> NoteView:
    return NoteView(
        site=note.site,
        created_timestamp=note.created_timestamp,
        ttl_timestamp_seconds=note.ttl_timestamp_seconds,
        note_data=note.note_data,
    )


def _former_view(note: Note) -> FormerNoteView:
    return FormerNoteView(
        **_view(note),
        by=note.by,
        removed_at=None if note.removed_at is None else shown_datetime(note.removed_at),
        removed_by=note.removed_by,
    )
