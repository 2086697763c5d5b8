"""`/api/users`: users and their tokens, for administrators and `datalab users`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import Request
from pydantic import Field, StrictBool, StringConstraints
from starlette.responses import Response

from datalab.events import site_codes
from datalab.events.spelling import Spelled
from session_api.accounts.login import LoginService
from session_api.accounts.login_codes import LIFETIME
from session_api.accounts.model import Scope
from session_api.accounts.service import UserService
from session_api.accounts.views import LoginCodeView, TokenView, UserView, user_view
from session_api.web.access import Access, access
from session_api.web.bodies import BAD_FIELDS, FORBIDDEN, NOT_FOUND, Form, Page
from session_api.web.dependencies import provided
from session_api.web.paging import PageWindow, page_reply
from session_api.web.replies import JsonReply, empty_reply
from session_api.web.strict_json import json_router

#: `.` and `..` would be no part of an address, and what begins with `-` looks like an option.
Username = Annotated[
    str,
    StringConstraints(max_length=150),
    Spelled(
        r"\w[\w.@+-]{0,149}", "a letter, a digit or _ first, then letters, digits and _ . @ + -; 150 characters at most"
    ),
]
Proposals = Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=200)]], Field(max_length=10_000)]
#: Sites a user has to do with.
Ingested = Annotated[
    list[Annotated[str, Spelled(rf"\*|{site_codes.PATTERN}", f"a site ({site_codes.RIGHT}) or *")]],
    Field(max_length=1000),
]
Users = Annotated[UserService, provided(UserService)]
Logins = Annotated[LoginService, provided(LoginService)]

router = json_router("/api/users", tag="users", errors=FORBIDDEN)


class NewUser(Form):
    """POST of a user."""

    username: Username
    proposals: Proposals = Field(default_factory=list, description="proposals whose frames the user may see")
    superuser: StrictBool = False
    operator: StrictBool = Field(default=False, description="may see how the system does, and what nobody could handle")
    ingests: Ingested = Field(default_factory=list, description="sites whose files the user may add; `*` is every site")
    observatories: Ingested | None = Field(
        default=None,
        description="sites the user speaks for, as their own software does; those whose files they may add unless said",
    )


class UserChange(Form):
    """PATCH of a user; what is left out stays."""

    active: StrictBool | None = None
    superuser: StrictBool | None = None
    operator: StrictBool | None = None
    proposals: Proposals | None = None
    ingests: Ingested | None = None
    observatories: Ingested | None = None


class NewPassword(Form):
    """PUT of a password."""

    password: str = Field(max_length=1000)


class NewToken(Form):
    """POST of a token; without a body it is made up, and good for all its user may, until it is revoked."""

    token: str | None = Field(
        None,
        min_length=16,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="one that is known already, where the settings let tokens be chosen",
    )
    scopes: Annotated[list[Literal["read", "write", "ingest", "admin"]], Field(max_length=4)] | None = Field(
        None, description="what it may be used for, of what its user may do"
    )
    lifetime_s: float | None = Field(None, gt=0, le=10 * 366 * 86_400, description="for how long it is valid")


@router.get("", response_model=Page[UserView], responses=BAD_FIELDS, summary="List users")
@access(Access.OPERATOR)
async def list_users(request: Request, window: PageWindow, users: Users) -> Response:
    count, accounts = await users.page(window)
    return page_reply(request, window, count, list(map(user_view, accounts)))


@router.post("", status_code=201, response_model=TokenView, responses=BAD_FIELDS, summary="Make a user")
@access(Access.SUPERUSER)
async def create_user(form: NewUser, users: Users) -> Response:
    token = await users.create(**form.model_dump())
    return JsonReply(TokenView(username=form.username, token=token), 201)


@router.get("/{username}", response_model=UserView, responses=NOT_FOUND, summary="Read a user")
@access(Access.OPERATOR)
async def get_user(username: str, users: Users) -> Response:
    return JsonReply(user_view(await users.get(username)))


@router.patch("/{username}", response_model=UserView, responses={**BAD_FIELDS, **NOT_FOUND}, summary="Change a user")
@access(Access.SUPERUSER)
async def change_user(username: str, form: UserChange, users: Users) -> Response:
    account = await users.change(username, form.model_dump(exclude_none=True))
    return JsonReply(user_view(account))


@router.delete(
    "/{username}", status_code=204, responses=NOT_FOUND, summary="Delete a user with their sessions and operations"
)
@access(Access.SUPERUSER)
async def delete_user(username: str, users: Users) -> Response:
    await users.delete(username)
    return empty_reply()


@router.put(
    "/{username}/password",
    status_code=204,
    responses={**BAD_FIELDS, **NOT_FOUND},
    summary="Give a user a password; whoever is logged in with the former one is not any more",
)
@access(Access.SUPERUSER)
async def set_password(username: str, form: NewPassword, logins: Logins) -> Response:
    await logins.set_password(username, form.password)
    return empty_reply()


@router.post(
    "/{username}/login-code",
    status_code=201,
    response_model=LoginCodeView,
    responses=NOT_FOUND,
    summary="Make a code that logs a user in once, in a browser",
)
@access(Access.SUPERUSER)
async def add_login_code(username: str, logins: Logins) -> Response:
    code = await logins.new_code(username)
    return JsonReply(LoginCodeView(username=username, code=code, lifetime_s=LIFETIME.total_seconds()), 201)


@router.post(
    "/{username}/tokens",
    status_code=201,
    response_model=TokenView,
    responses={**BAD_FIELDS, **NOT_FOUND},
    summary="Give a user another token",
)
@access(Access.SUPERUSER)
async def add_token(username: str, users: Users, form: NewToken | None = None) -> Response:
    wanted = form or NewToken(token=None, scopes=None, lifetime_s=None)
    token = await users.add_token(
        username,
        token=wanted.token,
        scopes=None if wanted.scopes is None else [Scope(each) for each in wanted.scopes],
        lifetime=None if wanted.lifetime_s is None else timedelta(seconds=wanted.lifetime_s),
    )
    return JsonReply(TokenView(username=username, token=token), 201)


@router.delete("/{username}/tokens", status_code=204, responses=NOT_FOUND, summary="Revoke a user's tokens")
@access(Access.SUPERUSER)
async def revoke_tokens(username: str, users: Users) -> Response:
    await users.revoke_tokens(username)
    return empty_reply()
