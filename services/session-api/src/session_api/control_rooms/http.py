"""`/control_room/{site}`, `/new_remotehq_browser`: rooms and shared browsers, as the Photon Ranch API has had them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, HttpUrl, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError
from starlette.responses import Response
from typing_extensions import TypedDict

from session_api.control_rooms.model import Room
from session_api.control_rooms.ports import ProviderError, Resolution
from session_api.control_rooms.service import ControlRoomService
from session_api.web.access import Access, access
from session_api.web.bodies import ErrorResponses, Form, JsonObject
from session_api.web.dependencies import Anybody, Caller, provided
from session_api.web.parameters import WITHOUT_NULLS
from session_api.web.photon_ranch import TEXT, TEXT_ERRORS, TextReply, photon_ranch_router
from session_api.web.replies import JsonReply

_URL: TypeAdapter[HttpUrl] = TypeAdapter(HttpUrl)
_MOST_BYTES = 16 * 1024

Rooms = Annotated[ControlRoomService, provided(ControlRoomService)]
SiteCode = Annotated[str, Path(), StringConstraints(max_length=256), WITHOUT_NULLS]


def _page(text: str) -> str:
    try:
        _URL.validate_python(text)
    except ValidationError:
        raise PydanticCustomError("page", "Enter the address of a page: http://… or https://…") from None
    return text


class BrowserForm(Form):
    """A browser that several people are to share, and the page it begins with."""

    resolution: Resolution = "medium"
    initial_url: Annotated[str, StringConstraints(max_length=2048), AfterValidator(_page)] = (
        "https://dev.photonranch.org"
    )


class ControlRoomView(TypedDict):
    """Where the people of a site meet."""

    site: str
    slug: str
    room_id: str
    url: str
    config: JsonObject
    is_deleted: bool


#: In the words of the first service.
_NO_ROOM: ErrorResponses = {500: {**TEXT, "description": "Whoever gives rooms gave none: bare text"}}

router = photon_ranch_router(tag="control rooms")


@router.post(
    "/new_remotehq_browser", response_model=JsonObject, responses=TEXT_ERRORS, summary="Open a browser to be shared"
)
@access(Access.USER, max_body_bytes=_MOST_BYTES)
async def open_browser(_caller: Caller, form: BrowserForm, rooms: Rooms) -> Response:
    return JsonReply(await rooms.open_browser(resolution=form.resolution, initial_url=form.initial_url))


@router.get(
    "/control_room/{site}",
    response_model=ControlRoomView,
    responses={**TEXT_ERRORS, **_NO_ROOM},
    summary="Find a site's control room, opened if there is none",
)
@access(Access.PUBLIC, provided="users, of open sites all")
async def find_or_open(caller: Anybody, site: SiteCode, rooms: Rooms) -> Response:
    try:
        return JsonReply(_view(site, await rooms.find_or_open(caller, site)))
    except ProviderError:
        return _no_room()


@router.delete("/control_room/{site}", responses={200: TEXT, **TEXT_ERRORS}, summary="Close a site's control room")
@access(Access.PUBLIC, provided="open sites; others with a token for the site")
async def close(caller: Anybody, site: SiteCode, rooms: Rooms) -> Response:
    was_there = await rooms.close(caller, site)
    return TextReply("room has been deleted" if was_there else "no such room found")


@router.get(
    "/control_room/{site}/restart",
    responses={200: TEXT, **TEXT_ERRORS, **_NO_ROOM},
    summary="Replace a site's control room by a new one",
)
@access(Access.PUBLIC, writes=True, provided="open sites; others with a token for the site")
async def restart(caller: Anybody, site: SiteCode, rooms: Rooms) -> Response:
    try:
        await rooms.restart(caller, site)
    except ProviderError:
        return _no_room()
    return TextReply("control room restarted successfully")


def _no_room() -> Response:
    return TextReply("failed to get room", 500)


def _view(site: str, room: Room) -> ControlRoomView:
    return ControlRoomView(
        site=site, slug=room.slug, room_id=room.room_id, url=room.url, config=room.config, is_deleted=False
    )
