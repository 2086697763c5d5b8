"""`/api/frames`: the archive as clients of OCS archives know it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.responses import Response

from datalab.documents.document import Document
from datalab.errors import UsageError
from datalab.events.analysis import AnalysisRequested
from session_api.archive.model import SCIENCE_TYPES, FrameFilter, FrameOrder, Place, Value, containing, header_term
from session_api.archive.rows import row_of
from session_api.archive.service import FrameService
from session_api.archive.shapes import cone, covered_points, intersecting_shape
from session_api.archive.views import (
    FrameAggregate,
    FrameCursorPage,
    FrameHeader,
    FramePage,
    FramePresenter,
    FrameView,
    ThumbnailView,
)
from session_api.web.access import READABLE, Access, access
from session_api.web.bodies import ANY_ROUTE, BAD_FIELDS, NOT_FOUND, Page
from session_api.web.delivery import UNCHANGED, delivered
from session_api.web.dependencies import Anybody, RowId, provided
from session_api.web.failures import FieldError
from session_api.web.paging import PageWindow, page_link, page_reply
from session_api.web.parameters import WITHOUT_NULLS, Moment
from session_api.web.replies import JsonReply

Frames = Annotated[FrameService, provided(FrameService)]
Presenter = Annotated[FramePresenter, provided(FramePresenter)]

router = APIRouter(prefix="/api/frames", tags=["frames"], responses=ANY_ROUTE)
#: The same for clients that put paths to the address of an archive from its root on, as TOM Toolkit does.
root_router = APIRouter(prefix="/frames", tags=["frames"], responses=ANY_ROUTE)
thumbnails_router = APIRouter(prefix="/api/thumbnails", tags=["frames"], responses=ANY_ROUTE)

#: By what a list can be ordered, as clients say it, and the field.
_ORDERS = {
    "id": "frame_id",
    "basename": "_id",
    "observation_date": "capture_date",
    "primary_optical_element": "filter_name",
    "configuration_type": "configuration_type",
    "proposal_id": "proposal_id",
    "instrument_id": "instrument_id",
    "target_name": "target_name",
    "reduction_level": "reduction_level",
    "exposure_time": "exposure_time_s",
}


def _day(text: str) -> str:
    """Return a day as frames have it, from `2026-11-29` or `20261129`."""
    try:
        return datetime.fromisoformat(text).date().isoformat()
    except ValueError:
        raise PydanticCustomError("day", "Enter a valid date.") from None


Text = Annotated[str, StringConstraints(max_length=256), WITHOUT_NULLS]
Day = Annotated[Text, AfterValidator(_day)]
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
_FORMER = "former name of another parameter"


class FrameQuery(BaseModel):
    """Which frames. What is empty counts as not given; parameters that are not known are ignored."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    start: Moment = Field(None, description="observed then or later")
    end: Moment = Field(None, description="observed then or earlier")
    dayobs: Day | None = Field(None, description="day of observation, YYYY-MM-DD or YYYYMMDD")
    basename: Text | None = Field(None, description="contained in the base name, in either case")
    basename_exact: Text | None = None
    target_name: Text | None = Field(None, description="contained in the target's name, in either case")
    target_name_exact: Text | None = None
    empty_target_name: Text | None = Field(None, description="any value: frames whose target has no name")
    public: bool | None = Field(None, description="false: only frames that are not public")
    exposure_time: float | None = Field(None, description="so long or longer, s")
    covers: Text | None = Field(None, description="POINT(RA DEC) or POLYGON((RA DEC, …)), degrees, on the image")
    intersects: Text | None = Field(None, description="the same, with a part of it on the image")
    ra: float | None = Field(None, description="middle of a circle that the image has a part of, degrees")
    dec: float | None = Field(None, description="its declination, degrees")
    radius: float = Field(0.0, description="its radius, degrees")
    header: list[Text] = Field([], description="KEYWORD=value that the header has; several: all of them")
    submitter: Text | None = Field(None, description="USERID of the header")
    include_configuration_type: list[Text] = []
    exclude_configuration_type: list[Text] = []
    exclude_calibrations: bool | None = Field(None, description=f"only {', '.join(SCIENCE_TYPES)}")
    proposal_id: Text | None = None
    configuration_type: Text | None = None
    instrument_id: Text | None = None
    reduction_level: Whole | None = None
    site_id: Text | None = None
    telescope_id: Text | None = None
    primary_optical_element: Text | None = None
    observation_id: Text | None = None
    request_id: Text | None = None
    DATE_OBS: Moment = Field(None, description="observed exactly then")
    L1PUBDAT: Moment = Field(None, description="public exactly from then on")
    DAY_OBS: Day | None = Field(None, description=_FORMER)
    OBJECT: Text | None = Field(None, description=_FORMER)
    EXPTIME: float | None = Field(None, description=_FORMER)
    OBSTYPE: Text | None = Field(None, description=_FORMER)
    PROPID: Text | None = Field(None, description=_FORMER)
    INSTRUME: Text | None = Field(None, description=_FORMER)
    SITEID: Text | None = Field(None, description=_FORMER)
    TELID: Text | None = Field(None, description=_FORMER)
    FILTER: Text | None = Field(None, description=_FORMER)
    BLKUID: Text | None = Field(None, description=_FORMER)
    REQNUM: Text | None = Field(None, description=_FORMER)
    RLEVEL: Whole | None = Field(None, description=_FORMER)
    exclude_OBSTYPE: list[Text] = Field([], description=_FORMER)  # noqa: N815 - what clients send

    @model_validator(mode="before")
    @classmethod
    def _without_what_is_empty(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in given.items() if value not in ("", [""])}

    def chosen(self, *, own_proposals: frozenset[str] | None) -> FrameFilter:
        """Return the filter, for somebody with these proposals, None for whoever has none or all of them.

        Raises `UsageError`.
        """
        equal: dict[str, list[Value]] = {}

        def add(field: str, *values: Value) -> None:
            for value in values:
                if value is not None:
                    equal[field] = [each for each in equal.get(field, [value]) if each == value]

        add("proposal_id", self.proposal_id, self.PROPID)
        add("configuration_type", self.configuration_type, self.OBSTYPE)
        add("instrument_id", self.instrument_id, self.INSTRUME)
        add("reduction_level", self.reduction_level, self.RLEVEL)
        add("site_id", self.site_id, self.SITEID)
        add("telescope_id", self.telescope_id, self.TELID)
        add("filter_name", self.primary_optical_element, self.FILTER)
        add("observation_id", self.observation_id, self.BLKUID)
        add("request_id", self.request_id, self.REQNUM)
        add("observation_day", self.dayobs, self.DAY_OBS)
        add("target_name", self.target_name_exact)
        add("user_id", self.submitter)
        if self.empty_target_name is not None:
            equal["target_name"] = [None, ""]
        types = self.include_configuration_type
        if self.exclude_calibrations:
            types = [each for each in SCIENCE_TYPES if not types or each in types]
        if types or self.exclude_calibrations:
            equal["configuration_type"] = [each for each in types if each in equal.get("configuration_type", [each])]
        excluded = [*self.exclude_configuration_type, *self.exclude_OBSTYPE]
        closed = False
        if self.public is False:
            closed = own_proposals is None
            if own_proposals:
                equal["proposal_id"] = [
                    each for each in sorted(own_proposals) if each in equal.get("proposal_id", [each])
                ]
        target = self.target_name or self.OBJECT
        exposed_s = max((each for each in (self.exposure_time, self.EXPTIME) if each is not None), default=None)
        return FrameFilter(
            equal=equal,
            unequal={"configuration_type": excluded} if excluded else {},
            captured=(self.DATE_OBS or self.start, self.DATE_OBS or self.end),
            exposed_s=(exposed_s, None),
            public_date=self.L1PUBDAT,
            closed=closed,
            basename=self.basename_exact or (containing(self.basename) if self.basename else None),
            target_name=containing(target) if target else None,
            header_terms=[_header_term(each) for each in self.header],
            touches=self._shapes(),
        )

    def _shapes(self) -> list[Document]:
        shapes = covered_points(self.covers) if self.covers else []
        if self.intersects:
            shapes.append(intersecting_shape(self.intersects))
        if self.ra is not None and self.dec is not None:
            shapes.append(cone(self.ra, self.dec, self.radius))
        elif self.ra is not None or self.dec is not None:
            raise UsageError("A cone needs both ra and dec.")
        return shapes


def _header_term(text: str) -> str:
    term = header_term(text)
    if term is None:
        raise FieldError({"header": ["Give KEYWORD=value; times and long numbers or texts are not searched."]})
    return term


async def _chosen(caller: Anybody, query: Annotated[FrameQuery, Query()]) -> FrameFilter:
    return query.chosen(own_proposals=caller.readable_proposals or None)


async def _order(
    ordering: Annotated[
        str | None, Query(description=f"one of {', '.join(_ORDERS)}; descending with - in front of it")
    ] = None,
) -> FrameOrder:
    for name in (ordering or "").split(","):
        field = _ORDERS.get(name.strip().removeprefix("-"))
        if field is not None:
            return FrameOrder(field, descending=name.strip().startswith("-"))
    return FrameOrder()


Chosen = Annotated[FrameFilter, Depends(_chosen)]
Order = Annotated[FrameOrder, Depends(_order)]
_WITH_RELATED = Query(description="false: without `related_frames`")
_WITH_THUMBNAILS = Query(description="with `thumbnails`")


_LIST: dict[str, Any] = {
    "response_model": FramePage | FrameCursorPage,
    "responses": {**BAD_FIELDS, **UNCHANGED},
    "summary": "List frames, the newest first",
}


@root_router.get("", **_LIST)
@router.get("", **_LIST)
@access(Access.PUBLIC, large_answer=True, provided=READABLE)
async def list_frames(
    request: Request,
    caller: Anybody,
    *,
    chosen: Chosen,
    order: Order,
    window: PageWindow,
    pagination_style: Annotated[str | None, Query(description="`cursor`: pages without a count")] = None,
    cursor: Annotated[str | None, Query(description="from `next` of the page before")] = None,
    include_thumbnails: Annotated[bool, _WITH_THUMBNAILS] = False,
    include_related_frames: Annotated[bool, _WITH_RELATED] = True,
    frames: Frames,
    presenter: Presenter,
) -> Response:
    if cursor or pagination_style == "cursor":
        if not order.by_time:
            raise UsageError("Pages with a cursor are ordered by observation_date.")
        found, place = await frames.page_after(
            caller,
            chosen,
            order,
            limit=window.limit,
            after=Place.of_cursor(cursor) if cursor else None,
            with_related=include_related_frames,
        )
        following = page_link(request, limit=window.limit, cursor=place.cursor()) if place else None
        views = presenter.frames(found, with_thumbnails=include_thumbnails, with_related=include_related_frames)
        return await delivered(request, JsonReply({"next": following, "previous": None, "results": views}))
    count, found = await frames.page(caller, chosen, order, window, with_related=include_related_frames)
    views = presenter.frames(found, with_thumbnails=include_thumbnails, with_related=include_related_frames)
    reply = page_reply(request, window, count.frames, views, estimated=count.estimated, count_estimated=count.estimated)
    return await delivered(request, reply)


@router.get(
    "/aggregate", response_model=FrameAggregate, responses=BAD_FIELDS, summary="List the sites, filters, … of frames"
)
@access(Access.PUBLIC, large_answer=True, provided=READABLE)
async def aggregate(caller: Anybody, chosen: Chosen, frames: Frames) -> Response:
    return JsonReply(await frames.aggregate(caller, chosen))


@root_router.get("/{frame_id}", response_model=FrameView, responses={**BAD_FIELDS, **NOT_FOUND}, summary="Read a frame")
@router.get("/{frame_id}", response_model=FrameView, responses={**BAD_FIELDS, **NOT_FOUND}, summary="Read a frame")
@access(Access.PUBLIC, provided=READABLE)
async def get_frame(
    caller: Anybody,
    frame_id: RowId,
    *,
    include_thumbnails: Annotated[bool, _WITH_THUMBNAILS] = False,
    frames: Frames,
    presenter: Presenter,
) -> Response:
    return JsonReply(presenter.frame(await frames.frame(caller, frame_id), with_thumbnails=include_thumbnails))


@router.get("/{frame_id}/headers", response_model=FrameHeader, responses=NOT_FOUND, summary="Read a frame's header")
@access(Access.PUBLIC, provided=READABLE, emits=(AnalysisRequested,))
async def get_header(caller: Anybody, frame_id: RowId, frames: Frames) -> Response:
    return JsonReply({"data": await frames.header(caller, frame_id)})


@router.get(
    "/{frame_id}/related", response_model=list[FrameView], responses=NOT_FOUND, summary="List what a frame is made of"
)
@access(Access.PUBLIC, large_answer=True, provided=READABLE)
async def list_related(caller: Anybody, frame_id: RowId, frames: Frames, presenter: Presenter) -> Response:
    return JsonReply(presenter.frames(await frames.related(caller, frame_id)))


@thumbnails_router.get(
    "", response_model=Page[ThumbnailView], responses=BAD_FIELDS, summary="List the pictures of a frame"
)
@access(Access.PUBLIC, provided=READABLE)
async def list_thumbnails(
    request: Request,
    caller: Anybody,
    frame_basename: Annotated[Text, Query(description="the frame's whole base name")],
    *,
    size: Annotated[Text | None, Query(description="`small` or `large`")] = None,
    window: PageWindow,
    frames: Frames,
    presenter: Presenter,
) -> Response:
    frame = await frames.named(caller, frame_basename)
    views = [view for view in presenter.thumbnails(row_of(frame)) if size in {None, "", view["size"]}] if frame else []
    return page_reply(request, window, len(views), views[window.offset : window.offset + window.limit])
