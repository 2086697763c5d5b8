"""`/api/browser/login`: logging in in a browser, by a cookie that no script reads."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import TypedDict

from session_api.accounts.authentication import Authenticator
from session_api.accounts.login import LoginService
from session_api.web.access import Access, access
from session_api.web.bodies import ANY_ROUTE, BAD_FIELDS, TOO_MANY, Form
from session_api.web.browser import PAGE_HEADER, forget_login, keep_login, token_in_cookie
from session_api.web.dependencies import Address, provided
from session_api.web.failures import AuthenticationError, FieldError
from session_api.web.replies import JsonReply, empty_reply
from session_api.web.strict_json import StrictJsonRoute

Logins = Annotated[LoginService, provided(LoginService)]
Authentication = Annotated[Authenticator, provided(Authenticator)]

router = APIRouter(
    prefix="/api/browser/login",
    tags=["users"],
    route_class=StrictJsonRoute,
    strict_content_type=False,
    responses=ANY_ROUTE,
)

_LARGEST_BYTES = 16 * 1024


class BrowserLogin(Form):
    """POST of a login: name and password, or a token, or the code of a link."""

    username: str | None = Field(None, min_length=1, max_length=150)
    password: str | None = Field(None, min_length=1, max_length=1000)
    token: str | None = Field(None, min_length=1, max_length=4096)
    code: str | None = Field(None, min_length=1, max_length=200)

    @property
    def is_one(self) -> bool:
        """Whether it says one of the three, and all of it."""
        pair = (self.username, self.password)
        ways = [None not in pair, self.token is not None, self.code is not None]
        return sum(ways) == 1 and (ways[0] or pair == (None, None))


class LoginView(TypedDict):
    """Who is logged in."""

    username: str


@router.post(
    "",
    response_model=LoginView,
    responses={**BAD_FIELDS, **TOO_MANY},
    summary="Log in in a browser: the cookie it is answered with is read by no script",
)
@access(Access.PUBLIC, max_body_bytes=_LARGEST_BYTES, audited=False, limits=("login_address_tries_per_minute",))
async def log_in(
    request: Request, form: BrowserLogin, address: Address, logins: Logins, authentication: Authentication
) -> Response:
    _demand_page(request)
    if not form.is_one:
        raise FieldError({"non_field_errors": ["A login needs username and password, or token, or code."]})
    lifetime_s: int | None = int(logins.lifetime.total_seconds())
    if form.code is not None:
        token = await logins.log_in_by_code(form.code, address=address)
    elif form.token is not None:
        token = await logins.log_in_by_token(form.token, address=address)
        lifetime_s = None  # it lives on elsewhere; this browser forgets it when it ends
    else:
        assert form.username is not None
        assert form.password is not None
        token = await logins.log_in(form.username, form.password, address=address)
    user = await authentication.authenticate(token)
    reply = JsonReply(LoginView(username=user.username))
    keep_login(reply, token, lifetime_s=lifetime_s, encrypted=request.url.scheme == "https")
    return reply


@router.delete("", status_code=204, summary="Log out; what the browser logged in with is good no more")
@access(Access.PUBLIC, audited=False)
async def log_out(request: Request, logins: Logins) -> Response:
    token = token_in_cookie(request.headers, changes=True)
    if token is not None:
        await logins.log_out(token)
    reply = empty_reply()
    forget_login(reply)
    return reply


def _demand_page(request: Request) -> None:
    """Raise `AuthenticationError` for what a page of others could have sent: it would log people in as itself."""
    if PAGE_HEADER not in request.headers:
        raise AuthenticationError("Browsers log in with the header X-Datalab-Page.")
