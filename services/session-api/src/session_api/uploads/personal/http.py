"""`/api/frames/upload`: people send files in parts."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request
from pydantic import Field, StringConstraints
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from datalab.events.envelope import SubjectToken
from datalab.events.frames import FileUploaded
from datalab.events.operations import Sha256Hex
from session_api.uploads.personal.service import PersonalUploadService
from session_api.uploads.personal.views import PartView, PersonalUploadView, upload_view
from session_api.web.access import OWN, Access, access
from session_api.web.bodies import BAD_FIELDS, CONFLICT, FORBIDDEN, NOT_FOUND, Detail, Form, Page
from session_api.web.dependencies import Caller, provided
from session_api.web.paging import PageWindow, page_reply
from session_api.web.replies import JsonReply, empty_reply
from session_api.web.strict_json import json_router

#: The largest part a setting may ask for.
LARGEST_PART_BYTES = 64 * 1024**2

Uploads = Annotated[PersonalUploadService, provided(PersonalUploadService)]
UploadId = Annotated[str, Path(pattern=r"^upload-[0-9a-f-]{36}$")]
PartNumber = Annotated[int, Path(gt=0, lt=100_000)]
FileNameText = Annotated[str, StringConstraints(min_length=1, max_length=200)]

router = json_router("/api/frames/upload", tag="uploads")


class NewUpload(Form):
    """A file that will be sent: its name, its size and its SHA-256 in hexadecimal."""

    file_name: FileNameText
    size_bytes: int = Field(gt=0)
    sha256: Sha256Hex
    site: SubjectToken | None = Field(None, description="the site whose file it is; for those who send for it")


@router.post(
    "",
    status_code=201,
    response_model=PersonalUploadView,
    responses={**BAD_FIELDS, **FORBIDDEN, 413: {"model": Detail}},
    summary="Begin to upload a file, or go on with it",
)
@access(Access.USER, limits=("max_upload_bytes", "upload_quota_bytes", "upload_quota_files"))
async def begin(form: NewUpload, caller: Caller, uploads: Uploads) -> Response:
    upload = await uploads.begin(
        caller, file_name=form.file_name, size_bytes=form.size_bytes, sha256=form.sha256, site=form.site
    )
    return JsonReply(upload_view(upload), 201)


@router.get("", response_model=Page[PersonalUploadView], responses=BAD_FIELDS, summary="List your uploads")
@access(Access.USER, provided=OWN, personal=True)
async def list_uploads(request: Request, window: PageWindow, caller: Caller, uploads: Uploads) -> Response:
    count, page = await uploads.page(caller, window)
    return page_reply(request, window, count, list(map(upload_view, page)))


@router.get("/{upload_id}", response_model=PersonalUploadView, responses=NOT_FOUND, summary="See what became of it")
@access(Access.USER, provided=OWN, personal=True)
async def get_upload(upload_id: UploadId, caller: Caller, uploads: Uploads) -> Response:
    return JsonReply(upload_view(await uploads.get(caller, upload_id)))


@router.put(
    "/{upload_id}/parts/{number}",
    response_model=PartView,
    responses={400: {"model": Detail}, **NOT_FOUND, **CONFLICT, 408: {"model": Detail}, 413: {"model": Detail}},
    summary="Send a part of the file, as bytes",
)
@access(
    Access.USER,
    max_body_bytes=LARGEST_PART_BYTES,
    streams_body=True,
    provided=OWN,
    limits=("upload_part_bytes",),
    audited=False,
)
async def put_part(
    request: Request, upload_id: UploadId, number: PartNumber, caller: Caller, uploads: Uploads
) -> Response:
    try:
        upload, sha256 = await uploads.put_part(caller, upload_id, number, request.stream())
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it
    return JsonReply(PartView(number=number, sha256=sha256, missing=upload.missing))


@router.post(
    "/{upload_id}/complete",
    response_model=PersonalUploadView,
    responses={400: {"model": Detail}, **NOT_FOUND, **CONFLICT},
    summary="Have the file put together, checked and looked at",
)
@access(Access.USER, provided=OWN, emits=(FileUploaded,))
async def complete(upload_id: UploadId, caller: Caller, uploads: Uploads) -> Response:
    return JsonReply(upload_view(await uploads.complete(caller, upload_id)))


@router.delete("/{upload_id}", status_code=204, responses={**NOT_FOUND, **CONFLICT}, summary="Give up an upload")
@access(Access.USER, provided=OWN)
async def give_up(upload_id: UploadId, caller: Caller, uploads: Uploads) -> Response:
    await uploads.give_up(caller, upload_id)
    return empty_reply()
