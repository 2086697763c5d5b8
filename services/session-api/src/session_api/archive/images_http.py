"""Images as clients of the Photon Ranch API ask for them: `/image`, `/filtered_images`, `/{site}/latest_images`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, TypeVar

from fastapi import Depends, Path, Query
from pydantic import JsonValue, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from datalab.documents.document import Document
from datalab.errors import NotFoundError, UsageError
from session_api.archive.images import ImagePackage, ImageService
from session_api.archive.model import (
    NEWEST_FIRST,
    OLDEST_FIRST,
    FrameFilter,
    FrameOrder,
    Place,
    Value,
    containing,
    header_term,
    like,
)
from session_api.archive.shapes import cone, covered_points, intersecting_shape
from session_api.archive.uploads import AllskyImages, InfoImages, UploadLog, UploadView
from session_api.web.access import READABLE, Access, access
from session_api.web.delivery import UNCHANGED, delivered
from session_api.web.dependencies import Anybody, provided
from session_api.web.paging import page_link
from session_api.web.parameters import WITHOUT_NULLS, moment
from session_api.web.photon_ranch import TEXT_ERRORS, photon_ranch_router
from session_api.web.replies import JsonReply, empty_reply

Images = Annotated[ImageService, provided(ImageService)]
Infos = Annotated[InfoImages, provided(InfoImages)]
Skies = Annotated[AllskyImages, provided(AllskyImages)]
Uploads = Annotated[UploadLog, provided(UploadLog)]
_Findable = Annotated[str, StringConstraints(max_length=256), WITHOUT_NULLS]
Name = Annotated[_Findable, Path()]
Text = Annotated[_Findable | None, Query()]
T = TypeVar("T")

router = photon_ranch_router(tag="images")

#: A day with an hour that the first service did not read: midnight.
_DAY_AND_HOUR = re.compile(r"(\d{4}-\d\d-\d\d)[ +]\d{1,2}", re.ASCII)
_ORDERS = {"-capture_date": NEWEST_FIRST, "capture_date": OLDEST_FIRST}
_MOST_IMAGES = 1000


async def _chosen(
    *,
    site: Text = None,
    username: Text = None,
    user_id: Text = None,
    filter_name: Annotated[Text, Query(alias="filter")] = None,
    filename: Annotated[Text, Query(description="the base name; `%` is any text, `_` any character")] = None,
    exposure_time_min: Annotated[Text, Query(description="so long or longer, s")] = None,
    exposure_time_max: Annotated[Text, Query(description="so long or shorter, s")] = None,
    start_date: Annotated[Text, Query(description="captured then or later, `YYYY-MM-DD HH:mm:ss` UTC")] = None,
    end_date: Annotated[Text, Query(description="captured then or earlier")] = None,
    target_name: Annotated[Text, Query(description="contained in the target's name, in either case")] = None,
    header: Annotated[list[str] | None, Query(description="KEYWORD=value of the header; several: all of them")] = None,
    ra: Annotated[Text, Query(description="middle of a circle that the image has a part of, degrees")] = None,
    dec: Annotated[Text, Query(description="its declination, degrees")] = None,
    radius: Annotated[Text, Query(description="its radius, degrees")] = None,
    covers: Annotated[Text, Query(description="POINT(RA DEC) or POLYGON((RA DEC, …)), degrees, on the image")] = None,
    intersects: Annotated[Text, Query(description="the same, with a part of it on the image")] = None,
) -> FrameFilter:
    given = {"site": site, "username": username, "user_id": user_id, "filter_name": filter_name}
    equal: dict[str, list[Value]] = {name: [value] for name, value in given.items() if value}
    return FrameFilter(
        equal=equal,
        captured=(_read(start_date, _moment, "start_date"), _read(end_date, _moment, "end_date")),
        exposed_s=(
            _read(exposure_time_min, _number, "exposure_time_min"),
            _read(exposure_time_max, _number, "exposure_time_max"),
        ),
        basename=like(filename) if filename else None,
        target_name=containing(target_name) if target_name else None,
        header_terms=[_read(each, _term, "header") or "" for each in header or () if each],
        touches=_shapes(
            ra=_read(ra, _number, "ra"),
            dec=_read(dec, _number, "dec"),
            radius=_read(radius, _number, "radius"),
            covers=covers,
            intersects=intersects,
        ),
    )


async def _order(
    order: Annotated[str | None, Query(description="`-capture_date`, the newest first, or `capture_date`")] = None,
) -> FrameOrder:
    try:
        return _ORDERS[order or "-capture_date"]
    except KeyError:
        raise _wrong("order", f"is one of {', '.join(_ORDERS)}") from None


@router.get("/image/{base_filename}", response_model=ImagePackage, responses=TEXT_ERRORS, summary="Read an image")
@access(Access.PUBLIC, provided=READABLE)
async def get_image(caller: Anybody, base_filename: Name, images: Images) -> Response:
    return JsonReply(await images.image(caller, base_filename))


@router.get(
    "/fitsheader/{base_filename}",
    response_model=dict[str, JsonValue],
    responses=TEXT_ERRORS,
    summary="Read an image's header",
)
@access(Access.PUBLIC, provided=READABLE)
async def get_header(caller: Anybody, base_filename: Name, images: Images) -> Response:
    return JsonReply(await images.header(caller, base_filename))


@router.get(
    "/filtered_images",
    response_model=list[ImagePackage],
    responses={**TEXT_ERRORS, **UNCHANGED},
    summary="List images, the newest first; `Link` leads to those that do not fit into the answer",
)
@access(Access.PUBLIC, large_answer=True, provided=READABLE)
async def filtered_images(
    request: Request,
    caller: Anybody,
    *,
    chosen: Annotated[FrameFilter, Depends(_chosen)],
    order: Annotated[FrameOrder, Depends(_order)],
    limit: Annotated[str | None, Query(description=f"most images, up to {_MOST_IMAGES}; not given: all")] = None,
    cursor: Annotated[str | None, Query(description="from `Link` of the answer before")] = None,
    images: Images,
) -> Response:
    most = _read(limit, _count, "limit")
    after = _read(cursor, Place.of_cursor, "cursor")
    found, place = await images.filtered(caller, chosen, order, limit=most, after=after)
    reply = JsonReply(found)
    if place is not None:
        following = page_link(request, limit=most or _MOST_IMAGES, cursor=place.cursor())
        reply.headers["Link"] = f'<{following}>; rel="next"'
    return await delivered(request, reply)


@router.get("/latest_image_all_sites", response_model=dict[str, str], summary="Link to the latest image of every site")
@access(Access.PUBLIC, provided=READABLE)
async def latest_image_all_sites(caller: Anybody, images: Images) -> Response:
    return JsonReply(await images.latest_of_every_site(caller))


@router.get("/recentuploads", response_model=list[UploadView], responses=TEXT_ERRORS, summary="List the latest uploads")
@access(Access.PUBLIC, large_answer=True)
async def recent_uploads(
    request: Request,
    caller: Anybody,
    *,
    site: Annotated[Text, Query(description="a site, or `all`")] = None,
    uploads: Uploads,
) -> Response:
    if not site:
        raise NotFoundError("Please be sure to include the sitecode query parameter.")
    return await delivered(request, JsonReply(await uploads.latest(caller, site)))


@router.get(
    "/infoimage/{site}/{channel}",
    response_model=dict[str, JsonValue],
    responses={**TEXT_ERRORS, 204: {"description": "The channel shows nothing"}},
    summary="Read what a site shows on one of its channels",
)
@access(Access.PUBLIC)
async def get_info_image(site: Name, channel: Name, images: Infos) -> Response:
    package = await images.package(site, channel)
    return empty_reply() if package is None else JsonReply(package)


@router.get(
    "/allskyimage/{site}",
    response_model=dict[str, JsonValue],
    responses={**TEXT_ERRORS, 204: {"description": "There is none"}},
    summary="Read the latest image of the whole sky over a site",
)
@access(Access.PUBLIC)
async def get_allsky_image(site: Name, images: Skies) -> Response:
    package = await images.package(site)
    return empty_reply() if package is None else JsonReply(package)


@router.get(
    "/{site}/latest_images/{number_of_images}",
    response_model=list[ImagePackage],
    responses={**TEXT_ERRORS, **UNCHANGED},
    summary="List the latest images of a site",
)
@access(Access.PUBLIC, large_answer=True, provided=READABLE)
async def latest_images(
    request: Request, caller: Anybody, site: Name, number_of_images: int, *, userid: Text = None, images: Images
) -> Response:
    return await delivered(request, JsonReply(await images.latest(caller, site, number_of_images, user_id=userid)))


def _shapes(
    *, ra: float | None, dec: float | None, radius: float | None, covers: str | None, intersects: str | None
) -> list[Document]:
    shapes = _read(covers, covered_points, "covers") or []
    if (ra is None) != (dec is None):
        raise _wrong("ra", "and dec belong together")
    try:
        if ra is not None and dec is not None:
            shapes.append(cone(ra, dec, radius or 0.0))
    except UsageError as error:
        raise _wrong("radius", error.message) from None
    shape = _read(intersects, intersecting_shape, "intersects")
    return shapes if shape is None else [*shapes, shape]


def _read(text: str | None, read: Callable[[str], T], name: str) -> T | None:
    """Return what a parameter says, None if it is empty. Raises `UsageError` in the words clients know."""
    if not text:
        return None
    try:
        return read(text)
    except ValueError as error:
        raise _wrong(name, str(error)) from None
    except UsageError as error:
        raise _wrong(name, error.message) from None


def _wrong(name: str, reason: str) -> UsageError:
    return UsageError(f"Invalid query filter. {name}: {reason}")


def _moment(text: str) -> datetime:
    day = _DAY_AND_HOUR.fullmatch(text.strip())
    try:
        return moment(day[1] if day else text)
    except ValueError:
        raise ValueError("not a date and time, YYYY-MM-DD HH:mm:ss") from None


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("not a number")
    return number


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < len(text) <= 9 and int(text)):
        raise ValueError("not a whole number above 0")
    return min(int(text), _MOST_IMAGES)


def _term(text: str) -> str:
    term = header_term(text)
    if term is None:
        raise ValueError("KEYWORD=value is searched; times and long numbers or texts are not")
    return term
