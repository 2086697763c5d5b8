"""`POST /authprofile/addupdateuser/`: the observation portal tells of a user, as it tells every client application.

It sends JSON without saying so, and repeats what is not answered with success.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response
from typing_extensions import TypedDict

from session_api.accounts.portal import PortalProfile
from session_api.accounts.portal_users import PortalUsers
from session_api.web.access import Access, access
from session_api.web.bodies import ANY_ROUTE, BAD_FIELDS, CONFLICT, FORBIDDEN
from session_api.web.dependencies import provided
from session_api.web.replies import JsonReply
from session_api.web.strict_json import StrictJsonRoute

#: Somebody with a thousand proposals, and as much again.
_LARGEST_BYTES = 512 * 1024

FromPortal = Annotated[PortalUsers, provided(PortalUsers)]

router = APIRouter(
    tags=["users"], route_class=StrictJsonRoute, strict_content_type=False, responses={**ANY_ROUTE, **FORBIDDEN}
)


class PortalTokens(BaseModel):
    """Tokens of the user; that of the archive is none of ours."""

    model_config = ConfigDict(extra="ignore")

    api_token: str | None = Field(None, max_length=200)


class ToldUser(PortalProfile):
    """A user as the portal shows them."""

    tokens: PortalTokens | None = None


class Done(TypedDict):
    """It is kept."""

    message: str


async def _of_the_portal(request: Request, portal: FromPortal) -> None:
    portal.check_key(request.headers.get("authorization"))


@router.post(
    "/authprofile/addupdateuser",
    response_model=Done,
    responses={**BAD_FIELDS, **CONFLICT},
    dependencies=[Depends(_of_the_portal)],
    summary="Tell of a user of the observation portal",
)
@access(Access.OWN_CHECK, max_body_bytes=_LARGEST_BYTES)
async def add_or_update_user(user: ToldUser, portal: FromPortal) -> Response:
    token = None if user.tokens is None else user.tokens.api_token
    await portal.told(user, has_proposals="proposals" in user.model_fields_set, token=token or None)
    return JsonReply(Done(message="User account updated"))
