"""Below `/api/frames`: parts of frames, archives of frames as OCS has them, and files unpacked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from datalab.events.analysis import AnalysisRequested
from session_api.downloads.http import Downloads, not_yet
from session_api.downloads.model import StillBeingMadeError
from session_api.downloads.service import StreamedFile
from session_api.web.access import READABLE, Access, access
from session_api.web.bodies import ANY_ROUTE, BAD_FIELDS, BINARY, FITS_OR_JPEG, NOT_FOUND, ErrorResponses
from session_api.web.dependencies import Anybody, CorrelationId, RowId, provided
from session_api.web.failures import FieldError
from session_api.web.photon_ranch import WAITED
from session_api.web.sending import StreamedResponse
from session_api.web.strict_json import JsonParseError, parse_json
from session_api.web.user import User

_ZIP: ErrorResponses = {200: {"content": {"application/zip": BINARY}}}
_FILE: ErrorResponses = {200: {"content": {"application/octet-stream": BINARY}}}
_FORM = "application/x-www-form-urlencoded"
_MOST_FRAMES = 20_000

router = APIRouter(prefix="/api", tags=["downloads"], responses=ANY_ROUTE, default_response_class=Response)

Number = Annotated[float, Field(allow_inf_nan=False)] | None
Pixels = Annotated[int, Field(ge=-(10**9), le=10**9)] | None


class TokenReader:
    """Tells whose a token is that comes in a form: browsers send no header with one."""

    def __init__(self, authenticate: Callable[[str], Awaitable[User]]) -> None:
        self.user_of = authenticate


Tokens = Annotated[TokenReader, provided(TokenReader)]


class FramesRequest(BaseModel):
    """Which frames go into an archive."""

    model_config = ConfigDict(extra="ignore")

    frame_ids: list[Annotated[int, Field(ge=0, lt=2**63)]] = Field(min_length=1, max_length=_MOST_FRAMES)
    uncompress: bool = Field(default=False, description="with the images of `.fits.fz` files unpacked")
    auth_token: str | None = Field(None, max_length=256, description="instead of the header, which forms do not send")


@router.get(
    "/frames/{frame_id}/cutout",
    responses={**FITS_OR_JPEG, **BAD_FIELDS, **NOT_FOUND, **WAITED},
    summary="Cut a rectangle out of a frame",
)
@access(Access.PUBLIC, provided=READABLE, emits=(AnalysisRequested,))
async def cut_out(
    caller: Anybody,
    correlation_id: CorrelationId,
    frame_id: RowId,
    *,
    ra: Annotated[Number, Query(description="of the middle, ICRS degrees")] = None,
    dec: Annotated[Number, Query(description="of the middle, ICRS degrees")] = None,
    size: Annotated[Number, Query(description="of a side, degrees")] = None,
    x: Annotated[Pixels, Query(description="first column, from 1 at the left")] = None,
    y: Annotated[Pixels, Query(description="first row, from 1 at the bottom")] = None,
    width: Annotated[Pixels, Query(description="pixels; 2048 at most")] = None,
    height: Annotated[Pixels, Query(description="pixels; 2048 at most")] = None,
    form: Annotated[str | None, Query(alias="format", description="`fits`, the usual one, or `jpg`")] = None,
    downloads: Downloads,
) -> Response:
    given = {"ra": ra, "dec": dec, "size": size, "x": x, "y": y, "width": width, "height": height, "format": form}
    parameters = {name: value for name, value in given.items() if value is not None}
    try:
        body, media_type, name = await downloads.cutout(caller, frame_id, parameters, correlation_id=correlation_id)
    except StillBeingMadeError as unfinished:
        return not_yet(unfinished)
    return Response(body, media_type=media_type, headers={"Content-Disposition": _disposition("inline", name)})


@router.post(
    "/frames/zip",
    responses={**_ZIP, **BAD_FIELDS, **NOT_FOUND},
    summary="Read an archive of frames",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {kind: {"schema": FramesRequest.model_json_schema()} for kind in ("application/json", _FORM)},
        }
    },
)
@access(Access.PUBLIC, provided=READABLE, limits=("streamed_archives",), emits=(AnalysisRequested,), writes=False)
async def read_archive(
    request: Request, caller: Anybody, correlation_id: CorrelationId, downloads: Downloads, tokens: Tokens
) -> Response:
    """Browsers send a form, with the token in it; others JSON."""
    form = await _frames_request(request)
    user = caller
    if form.auth_token:
        user = replace(await tokens.user_of(form.auth_token), link_hash=caller.link_hash)
    file = await downloads.frames(user, form.frame_ids, uncompress=form.uncompress, correlation_id=correlation_id)
    return _streamed(file, {"Set-Cookie": "fileDownload=true; path=/"})


@router.get(
    "/frame-funpack/{version_id}/funpack",
    responses={**_FILE, **NOT_FOUND, **WAITED},
    summary="Read a file of a frame, its images unpacked",
)
@access(
    Access.PUBLIC,
    provided=READABLE,
    limits=("streamed_archives",),
    emits=(AnalysisRequested,),
)
async def read_unpacked(
    caller: Anybody, correlation_id: CorrelationId, version_id: RowId, downloads: Downloads
) -> Response:
    try:
        return _streamed(await downloads.unpacked(caller, version_id, correlation_id=correlation_id))
    except StillBeingMadeError as unfinished:
        return not_yet(unfinished)


async def _frames_request(request: Request) -> FramesRequest:
    """Return what is asked for. Raises `FieldError`, `HTTPException`."""
    body = await request.body()
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    given: Any
    try:
        if media_type == _FORM:
            fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=_MOST_FRAMES + 10)
            given = {name: values if name == "frame_ids" else values[-1] for name, values in fields.items()}
        else:
            given = parse_json(body or b"{}")
        return FramesRequest.model_validate(given)
    except JsonParseError as error:
        raise HTTPException(400, f"JSON parse error - {error}") from error
    except ValidationError as error:
        raise FieldError(_texts(error)) from error
    except ValueError as error:  # more fields than there may be
        raise FieldError({"frame_ids": [f"At most {_MOST_FRAMES} frames go into an archive."]}) from error


def _texts(error: ValidationError) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        field = str(problem["loc"][0]) if problem["loc"] else "non_field_errors"
        text = "This field is required." if problem["type"] == "missing" else problem["msg"]
        found.setdefault(field, []).append(text)
    return {field: texts[:10] for field, texts in found.items()}


def _streamed(file: StreamedFile, headers: dict[str, str] | None = None) -> Response:
    sent = {"Content-Disposition": _disposition("attachment", file.name), **(headers or {})}
    if file.size_bytes is not None:
        sent["Content-Length"] = str(file.size_bytes)
    return StreamedResponse(file.first, file.content, media_type=file.media_type, headers=sent)


def _disposition(kind: str, name: str) -> str:
    plain = "".join(each if " " <= each <= "~" and each not in '"\\%' else "_" for each in name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
