"""`POST /api/api-token-auth/` and `GET /api/profile/`: how clients of an OCS portal log in, and learn who they are.

Users have tokens here, and no passwords: a token is given in the password's place, and handed back. So a script that
logs in first, as LCO's documentation teaches, needs another value and no other line.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from starlette.responses import Response
from typing_extensions import TypedDict

from session_api.accounts.authentication import Authenticator
from session_api.web.access import Access, access
from session_api.web.bodies import ANY_ROUTE, BAD_FIELDS
from session_api.web.dependencies import Caller, provided
from session_api.web.failures import AuthenticationError, FieldError
from session_api.web.photon_ranch import TEXT, TextReply, photon_ranch_router
from session_api.web.replies import JsonReply
from session_api.web.strict_json import JsonParseError, parse_json

Accounts = Annotated[Authenticator, provided(Authenticator)]

router = APIRouter(prefix="/api", tags=["users"], responses=ANY_ROUTE)

_LARGEST_BYTES = 16 * 1024
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {
                "schema": {
                    "type": "object",
                    "required": ["username", "password"],
                    "properties": {
                        "username": {"type": "string"},
                        "password": {"type": "string", "description": "a token of the user's"},
                    },
                }
            }
            for kind in ("application/x-www-form-urlencoded", "application/json")
        },
    }
}


photon_ranch = photon_ranch_router(tag="users")


class TokenReply(TypedDict):
    """The token to send with every request."""

    token: str


class ProposalView(TypedDict):
    """A proposal whose frames the user may read."""

    id: str
    title: str
    current: bool


class ProfileView(TypedDict):
    """Who the caller is."""

    username: str
    proposals: list[ProposalView]
    is_staff: bool
    is_superuser: bool


@router.post(
    "/api-token-auth",
    response_model=TokenReply,
    responses=BAD_FIELDS,
    summary="Log in as OCS clients do",
    openapi_extra=_BODY,
)
@access(Access.PUBLIC, max_body_bytes=_LARGEST_BYTES)
async def log_in(request: Request, accounts: Accounts) -> Response:
    said = _fields(await request.body(), request.headers.get("content-type", ""))
    missing = [name for name in ("username", "password") if not isinstance(said.get(name), str) or not said[name]]
    if missing:
        raise FieldError({name: ["This field is required."] for name in missing})
    try:
        user = await accounts.authenticate(said["password"])
    except AuthenticationError:
        user = None
    if user is None or user.username != said["username"]:
        raise FieldError({"non_field_errors": ["Unable to log in with provided credentials."]})
    return JsonReply({"token": said["password"]})


@router.get("/profile", response_model=ProfileView, summary="Read who you are")
@access(Access.USER)
async def get_profile(caller: Caller) -> Response:
    return JsonReply(
        ProfileView(
            username=caller.username,
            proposals=[ProposalView(id=each, title=each, current=True) for each in sorted(caller.proposals)],
            is_staff=caller.superuser,
            is_superuser=caller.superuser,
        )
    )


@photon_ranch.post("/dummy-requires-auth", response_model=None, responses={200: TEXT}, summary="Be known")
@access(Access.USER)
async def be_known(_caller: Caller) -> Response:
    return TextReply("successful authorization")


def _fields(body: bytes, content_type: str) -> dict[str, Any]:
    """Return what was sent, as a form or as JSON; {} for anything else."""
    if content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        said = parse_json(body)
    except JsonParseError:
        return {}
    return said if isinstance(said, dict) else {}
