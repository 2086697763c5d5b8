"""`/upload`: files of observatories, as they have always sent them; and what those were that they replaced."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from typing_extensions import TypedDict

from datalab.events.envelope import SubjectToken
from datalab.events.frames import FileUploaded
from session_api.uploads.model import FileState, wanted_upload
from session_api.uploads.multipart import MultipartForm
from session_api.uploads.service import UploadService
from session_api.uploads.views import FileVersionView, VersionPresenter
from session_api.web.access import Access, access
from session_api.web.bodies import NOT_FOUND, TOO_MANY, JsonObject
from session_api.web.dependencies import Address, Anybody, Caller, provided
from session_api.web.photon_ranch import TEXT, TEXT_ERRORS, photon_ranch_router
from session_api.web.replies import JsonReply, empty_reply
from session_api.web.strict_json import json_router

#: As much as S3 takes in one form; what a file may have is in the settings, and in the form's policy.
_LARGEST_FORM_BYTES = 5 * 1024**3

Uploads = Annotated[UploadService, provided(UploadService)]
Presenter = Annotated[VersionPresenter, provided(VersionPresenter)]
#: Whoever has a form knows its id, and nobody else.
FormId = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]

router = photon_ranch_router(tag="uploads")


class UploadRequest(BaseModel):
    """What an observatory says of a file it is about to send."""

    model_config = ConfigDict(extra="ignore", strict=True)

    object_name: str = Field(description="full name of the file")
    s3_directory: str = Field("data", description="`data`, `info-images`, `allsky` or `test`")
    info_channel: JsonValue = Field(1, description="1, 2 or 3; for `info-images` only")
    header_data: JsonObject | None = Field(
        None, description="the FITS header, by keyword: makes the text file beside the others unnecessary"
    )

    site: SubjectToken | None = Field(None, description="the site whose file it is, where the name does not tell")


class UploadOffer(TypedDict):
    """Where to send the file as a form (multipart/form-data): all `fields`, then a part named `file`."""

    url: str
    fields: dict[str, str]


class FileFateView(TypedDict):
    """What has become of a file: not here yet, stored, or what the archive says of it."""

    key: str
    state: FileState
    sha256: str | None
    frame: str | None
    reason: str | None


@router.post(
    "/upload",
    response_model=UploadOffer,
    responses={**TEXT_ERRORS, 409: TEXT, **TOO_MANY},
    summary="Ask where to send a file; `Link` leads to what becomes of it",
)
@access(
    Access.PUBLIC,
    provided="open sites; others with a token for the site",
    limits=(
        "upload_site_forms_per_minute",
        "upload_address_forms_per_minute",
        "upload_site_bytes_per_minute",
        "upload_address_bytes_per_minute",
    ),
    emits=(FileUploaded,),
    audited=False,
)
async def ask_for_upload(
    request: Request, caller: Anybody, form: UploadRequest, *, address: Address, uploads: Uploads
) -> Response:
    wanted = wanted_upload(
        name=form.object_name,
        folder=form.s3_directory,
        channel=form.info_channel,
        header=form.header_data,
        site=form.site,
    )
    stage = request.scope["state"].get("stage", "")
    here = f"{request.url.scheme}://{request.url.netloc}{stage}/upload"
    offer = await uploads.offer(wanted, caller=caller, address=address, here=f"{here}/form")
    reply = JsonReply({"url": offer.url, "fields": offer.fields})
    reply.headers["Link"] = f'<{here}/form/{offer.form_id}>; rel="monitor"'
    return reply


@router.post(
    "/upload/form",
    status_code=204,
    responses={**TEXT_ERRORS, 408: TEXT, 413: TEXT},
    summary="Send a file with the form that was given for it",
)
@access(
    Access.PUBLIC,
    max_body_bytes=_LARGEST_FORM_BYTES,
    streams_body=True,
    provided="with a form of `/upload`",
    limits=("max_upload_bytes", "uploads_at_once"),
    emits=(FileUploaded,),
    audited=False,
)
async def upload(request: Request, address: Address, uploads: Uploads) -> Response:
    try:
        form = MultipartForm(request.headers.get("content-type", ""), request.stream())
        await uploads.receive(form, address=address)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it
    return empty_reply()


@router.get(
    "/upload/form/{form_id}",
    response_model=FileFateView,
    responses=TEXT_ERRORS,
    summary="See what has become of a file",
)
@access(Access.PUBLIC, provided="with a form of `/upload`")
async def get_upload(form_id: FormId, uploads: Uploads) -> Response:
    fate = await uploads.fate(form_id)
    view = FileFateView(key=fate.key, state=fate.state, sha256=fate.sha256, frame=fate.frame, reason=fate.reason)
    return JsonReply(view)


replaced = json_router("/api/frames/upload/replaced", tag="uploads", errors=NOT_FOUND)


@replaced.get("/{basename}", response_model=list[FileVersionView], summary="What a frame's files were before")
@access(Access.USER, provided="of frames they may read")
async def list_replaced(basename: str, caller: Caller, uploads: Uploads, presenter: Presenter) -> Response:
    return JsonReply([presenter.view(version) for version in await uploads.replaced(caller, basename)])
