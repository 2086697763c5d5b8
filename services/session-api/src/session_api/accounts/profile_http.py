"""`POST /api/api-token-auth/` and `GET /api/profile/`: how clients of an OCS portal log in, and learn who they are.

A script that logs in with a token in the password's place is handed that back.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from session_api.accounts.login import LockedError, LoginService
from session_api.web.access import Access, access
from session_api.web.bodies import ANY_ROUTE, BAD_FIELDS, FORBIDDEN, TOO_MANY, Form
from session_api.web.dependencies import Caller, provided
from session_api.web.failures import AuthenticationError, FieldError
from session_api.web.photon_ranch import TEXT, TextReply, photon_ranch_router
from session_api.web.replies import JsonReply, empty_reply
from session_api.web.strict_json import JsonParseError, json_router, parse_json

Logins = Annotated[LoginService, provided(LoginService)]

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
                        "password": {"type": "string", "description": "the user's, or a token of theirs"},
                    },
                }
            }
            for kind in ("application/x-www-form-urlencoded", "application/json")
        },
    }
}


own = json_router("/api/profile/password", tag="users", errors=FORBIDDEN)
photon_ranch = photon_ranch_router(tag="users")


class TokenReply(TypedDict):
    """The token to send with every request."""

    token: str


class RefusedLogin(TypedDict):
    """It is not their password, or was wrong too often; in the words OCS clients know, and in ours."""

    non_field_errors: list[str]
    detail: str


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
    is_operator: bool
    ingested_sites: list[str]


@router.post(
    "/api-token-auth",
    response_model=TokenReply,
    responses={**BAD_FIELDS, **TOO_MANY, 401: {"model": RefusedLogin}},
    summary="Log in as OCS clients do",
    openapi_extra=_BODY,
)
@access(Access.PUBLIC, max_body_bytes=_LARGEST_BYTES, audited=False, limits=("login_address_tries_per_minute",))
async def log_in(request: Request, logins: Logins) -> Response:
    said = _fields(await request.body(), request.headers.get("content-type", ""))
    missing = [name for name in ("username", "password") if not isinstance(said.get(name), str) or not said[name]]
    if missing:
        raise FieldError({name: ["This field is required."] for name in missing})
    try:
        token = await logins.log_in(said["username"], said["password"], address=_address(request))
    except AuthenticationError as error:
        headers = {"WWW-Authenticate": "Token"}
        if isinstance(error, LockedError):
            headers["Retry-After"] = str(error.retry_after_s)
        return JsonReply(RefusedLogin(non_field_errors=[error.message], detail=error.message), 401, headers)
    return JsonReply({"token": token})


@router.get("/profile", response_model=ProfileView, summary="Read who you are")
@access(Access.USER)
async def get_profile(caller: Caller) -> Response:
    return JsonReply(
        ProfileView(
            username=caller.username,
            proposals=[ProposalView(id=each, title=each, current=True) for each in sorted(caller.proposals)],
            is_staff=caller.superuser,
            is_superuser=caller.superuser,
            is_operator=caller.operates,
            ingested_sites=sorted(caller.ingested_sites),
        )
    )


class OwnPassword(Form):
    """Another password."""

    current_password: str | None = Field(None, max_length=1000, description="needed if there is one")
    password: str = Field(max_length=1000)


@own.put(
    "",
    status_code=204,
    responses={**BAD_FIELDS, **TOO_MANY},
    summary="Choose a password; whoever is logged in with the former one is not any more",
)
@access(Access.USER)
async def set_own_password(request: Request, caller: Caller, form: OwnPassword, logins: Logins) -> Response:
    await logins.change_own(caller, current=form.current_password, password=form.password, address=_address(request))
    return empty_reply()


@photon_ranch.post("/dummy-requires-auth", response_model=None, responses={200: TEXT}, summary="Be known")
@access(Access.USER)
async def be_known(_caller: Caller) -> Response:
    return TextReply("successful authorization")


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _fields(body: bytes, content_type: str) -> dict[str, Any]:
    """Return what was sent, as a form or as JSON; {} for anything else."""
    if content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        said = parse_json(body)
    except JsonParseError:
        return {}
    return said if isinstance(said, dict) else {}
