"""`POST /api/frames/`, `/api/thumbnails/`, `GET /api/versions/`: what OCS ingesters ask and say."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError
from starlette.responses import Response
from typing_extensions import TypedDict

from datalab.events import site_codes
from datalab.events.envelope import utc_now
from datalab.events.frames import FileRecordRequested, FrameRecord
from datalab.events.spelling import Spelled
from session_api.archive.rows import row_of
from session_api.archive.service import FoundFrame
from session_api.archive.views import FramePresenter, FrameView, ThumbnailView, VersionView
from session_api.uploads.ingesters.model import SaidFrame, SaidPicture, SaidVersion
from session_api.uploads.ingesters.service import RecordService
from session_api.uploads.ingesters.store import BUCKET, IngesterStore
from session_api.web.access import Access, access
from session_api.web.bodies import BAD_FIELDS, FORBIDDEN, JsonObject, Page
from session_api.web.dependencies import Caller, provided
from session_api.web.paging import PageWindow, page_reply
from session_api.web.parameters import moment
from session_api.web.replies import JsonReply
from session_api.web.strict_json import json_router

Records = Annotated[RecordService, provided(RecordService)]
Store = Annotated[IngesterStore, provided(IngesterStore)]
Presenter = Annotated[FramePresenter, provided(FramePresenter)]

router = json_router("/api", tag="ingesters", errors=FORBIDDEN)

_MOST_CORNERS = 100
_LONGEST_TEXT = 256


def _said_text(value: object) -> str | None:
    """Return a text, from what headers have in its place: nothing, a number, blanks around it."""
    if not isinstance(value, str | int | float | None):
        raise PydanticCustomError("string_type", "Not a valid string.")
    text = "" if value is None else str(value).strip()
    if len(text) > _LONGEST_TEXT:
        raise PydanticCustomError("text_too_long", f"Ensure this field has no more than {_LONGEST_TEXT} characters.")
    return text or None


def _said_moment(value: object) -> datetime | None:
    text = _said_text(value)
    try:
        return moment(text) if text else None
    except ValueError:
        raise PydanticCustomError("moment", "Enter a valid date/time: 2026-05-04T22:00:00Z.") from None


def _said_day(value: object) -> str | None:
    text = _said_text(value)
    try:
        return date.fromisoformat(text).isoformat() if text else None
    except ValueError:
        raise PydanticCustomError("day", "Enter a valid date: 2026-05-04 or 20260504.") from None


def _corners(area: object) -> tuple[tuple[float, float], ...] | None:
    """Return the corners of a GeoJSON polygon without holes, in degrees; the last, which is the first, is left out."""
    if area is None:
        return None
    try:
        (ring,) = area["coordinates"]  # type: ignore[index]
        corners = [(float(ra) % 360.0, float(dec)) for ra, dec in ring]
    except (TypeError, ValueError, KeyError):
        raise PydanticCustomError("polygon", "Invalid polygon.") from None
    plain = all(math.isfinite(ra) and -90.0 <= dec <= 90.0 for ra, dec in corners)
    if not plain or not 4 <= len(corners) <= _MOST_CORNERS or corners[0] != corners[-1]:
        raise PydanticCustomError("polygon", "Invalid polygon.")
    return tuple(corners[:-1])


Text = Annotated[str | None, BeforeValidator(_said_text)]
Moment = Annotated[datetime | None, BeforeValidator(_said_moment)]
Day = Annotated[str | None, BeforeValidator(_said_day)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Md5 = Annotated[str, Spelled(r"[0-9a-fA-F]{32}", "an MD5 in hexadecimal")]
Site = Annotated[str, Spelled(site_codes.PATTERN, site_codes.RIGHT)]


class VersionForm(BaseModel):
    """A file that was stored through the S3 door."""

    model_config = ConfigDict(extra="ignore")

    key: Name = Field(description="the version the store named")
    md5: Md5
    extension: Annotated[str, StringConstraints(max_length=32)] = Field(description="for example `.fits.fz`")

    def said(self) -> SaidVersion:
        return SaidVersion(version=self.key, md5=self.md5, extension=self.extension)


class FrameForm(BaseModel):
    """A frame as an OCS ingester posts it. What is empty counts as not said; what is not known is ignored."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    basename: Name
    version_set: Annotated[list[VersionForm], Field(min_length=1, max_length=1)]
    headers: JsonObject
    area: Annotated[Any, AfterValidator(_corners)] = Field(None, description="GeoJSON polygon, or null")
    site_id: Site
    observation_date: Moment = None
    observation_day: Day = None
    proposal_id: Text = None
    instrument_id: Text = None
    target_name: Text = None
    telescope_id: Text = None
    exposure_time: float | None = None
    primary_optical_element: Text = None
    public_date: Moment = None
    configuration_type: Text = None
    observation_id: Text = None
    request_id: Text = None
    reduction_level: int | None = None

    def said(self) -> SaidFrame:
        return SaidFrame(
            basename=self.basename,
            site=self.site_id,
            file=self.version_set[0].said(),
            record=FrameRecord(
                observation_date=self.observation_date,
                observation_day=self.observation_day,
                exposure_time_s=self.exposure_time,
                filter_name=self.primary_optical_element,
                target_name=self.target_name,
                proposal_id=self.proposal_id,
                observation_id=self.observation_id,
                request_id=self.request_id,
                site_id=self.site_id,
                telescope_id=self.telescope_id,
                instrument_id=self.instrument_id,
                reduction_level=self.reduction_level,
                configuration_type=self.configuration_type,
                public_date=self.public_date,
                headers=self.headers,
                area=self.area,
            ),
        )


class PictureForm(BaseModel):
    """A thumbnail as an OCS ingester posts it: `size` is `small`, `medium` or `large`."""

    model_config = ConfigDict(extra="ignore")

    basename: Name
    frame_basename: Name
    size: Name
    version_set: Annotated[list[VersionForm], Field(min_length=1, max_length=1)]

    def said(self) -> SaidPicture:
        return SaidPicture(
            basename=self.basename,
            frame_basename=self.frame_basename,
            size=self.size.lower(),
            file=self.version_set[0].said(),
        )


class StoreKeys(TypedDict):
    """How to reach the store, by the names of the environment variables in which an OCS ingester looks for it."""

    FILESTORE_TYPE: str
    S3_ENDPOINT_URL: str
    BUCKET: str
    AWS_ACCESS_KEY_ID: str
    AWS_SECRET_ACCESS_KEY: str
    AWS_DEFAULT_REGION: str
    API_ROOT: str


@router.get("/ocs-store", response_model=StoreKeys, summary="Read the S3 keys that belong to your token")
@access(Access.INGESTER)
async def get_store_keys(request: Request, _caller: Caller, store: Store) -> Response:
    access_key = store.access_key_for(request.headers["authorization"].split()[1])
    here = f"{request.url.scheme}://{request.url.netloc}"
    return JsonReply(
        StoreKeys(
            FILESTORE_TYPE="s3",
            S3_ENDPOINT_URL=f"{here}/ocs-store",
            BUCKET=BUCKET,
            AWS_ACCESS_KEY_ID=access_key,
            AWS_SECRET_ACCESS_KEY=store.secret_for(access_key),
            AWS_DEFAULT_REGION="us-east-1",
            API_ROOT=f"{here}/api/",
        )
    )


@router.get(
    "/versions", response_model=Page[VersionView], responses=BAD_FIELDS, summary="Ask whether a file is here already"
)
@access(Access.INGESTER)
async def list_versions(
    request: Request,
    caller: Caller,
    md5: Annotated[Md5, Query(description="of the whole file, in hexadecimal")],
    *,
    window: PageWindow,
    records: Records,
    presenter: Presenter,
) -> Response:
    wanted, now = md5.lower(), utc_now()
    # Ingesters of other sites learn that a file is here, since it cannot be here twice, and not how to read it.
    found = [
        version if caller.may_ingest(frame.site) or caller.may_read_frame(frame, now=now) else _hidden(version)
        for frame in await records.known(wanted)
        for version in presenter.files(frame)
        if version["md5"] == wanted
    ]
    return page_reply(request, window, len(found), found[window.offset : window.offset + window.limit])


def _hidden(version: VersionView) -> VersionView:
    return {**version, "key": "", "url": ""}


@router.post(
    "/frames", status_code=201, response_model=FrameView, responses=BAD_FIELDS, summary="Make a stored file a frame"
)
@access(Access.INGESTER, provided="of their sites", emits=(FileRecordRequested,))
async def add_frame(form: FrameForm, caller: Caller, records: Records, presenter: Presenter) -> Response:
    frame = await records.add_frame(caller, form.said())
    return JsonReply(presenter.frame(FoundFrame(row_of(frame), ())), 201)


@router.post(
    "/thumbnails",
    status_code=201,
    response_model=ThumbnailView,
    responses=BAD_FIELDS,
    summary="Make a stored file a frame's picture",
)
@access(Access.INGESTER, provided="of their sites", emits=(FileRecordRequested,))
async def add_thumbnail(form: PictureForm, caller: Caller, records: Records, presenter: Presenter) -> Response:
    said = form.said()
    frame, role = await records.add_picture(caller, said)
    return JsonReply(presenter.picture(frame, role, size=said.size), 201)
