"""`/api/pictures`: where the picture of a frame is, answered as LCO's thumbnail service does."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response
from typing_extensions import TypedDict

from session_api.archive.http import Frames, Presenter, Text
from session_api.web.access import READABLE, Access, access
from session_api.web.bodies import ANY_ROUTE, BAD_FIELDS, NOT_FOUND
from session_api.web.dependencies import Anybody
from session_api.web.replies import JsonReply

router = APIRouter(prefix="/api/pictures", tags=["frames"], responses=ANY_ROUTE)

#: Whoever asks for at most so much is served best by the thumbnail, which is 128 px high.
_SMALL_PX = 256


class PictureView(TypedDict):
    """The link to a JPEG."""

    url: str


@router.get(
    "/{basename}",
    response_model=PictureView,
    responses={**BAD_FIELDS, **NOT_FOUND},
    summary="Find the picture of a frame",
)
@access(Access.PUBLIC, provided=READABLE)
async def find_picture(
    caller: Anybody,
    basename: Text,
    *,
    width: Annotated[int, Query(ge=1, description="px, about: there are two sizes")] = 200,
    height: Annotated[int, Query(ge=1, description="px")] = 200,
    frames: Frames,
    presenter: Presenter,
) -> Response:
    picture = await frames.picture(caller, basename, small=max(width, height) <= _SMALL_PX)
    return JsonReply({"url": presenter.link(picture.key, picture.media_type)})
