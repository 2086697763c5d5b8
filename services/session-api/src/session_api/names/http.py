"""`/api/names`: where an object is, answered as simbad2k does, which the user interface asks today."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response
from typing_extensions import TypedDict

from datalab.errors import TransientError, UsageError
from session_api.names.service import NameService
from session_api.web.access import Access, access
from session_api.web.bodies import ANY_ROUTE
from session_api.web.dependencies import provided
from session_api.web.replies import JsonReply

Names = Annotated[NameService, provided(NameService)]

router = APIRouter(prefix="/api/names", tags=["names"], responses=ANY_ROUTE)


class ObjectView(TypedDict):
    """An object, ICRS degrees; both pairs are the same position, as clients read one or the other."""

    name: str
    ra: float
    dec: float
    ra_d: float
    dec_d: float


class UnknownObject(TypedDict):
    """Why there is no position, for the user."""

    error: str


@router.get("/{name:path}", response_model=ObjectView | UnknownObject, summary="Find an object by its name")
@access(Access.PUBLIC)
async def find_object(name: Annotated[str, Path()], names: Names) -> Response:
    try:
        known = await names.find(name)
    except UsageError as error:
        return JsonReply({"error": error.message})
    except TransientError as error:
        return JsonReply({"error": f"{error.message[:1].upper()}{error.message[1:]}. Give coordinates instead."})
    position = {"ra": known.right_ascension_deg, "dec": known.declination_deg}
    return JsonReply({"name": known.main_name, **position, **{f"{key}_d": value for key, value in position.items()}})
