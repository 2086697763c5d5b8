"""Lets a request through to a route whose caller may call it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, Protocol

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from datalab.errors import TransientError
from session_api.web.access import READING, Access, RouteRules, is_write, rules_for
from session_api.web.browser import PAGE_HEADER, token_in_cookie
from session_api.web.failures import AuthenticationError, ForbiddenError
from session_api.web.replies import JsonReply, transient_reply, usage_reply
from session_api.web.user import NOBODY, User

#: Returns the user a token was given to. Raises `AuthenticationError`, `TransientError`.
Authenticate = Callable[[str], Awaitable[User]]
#: Returns the hash of a link that opens a session. Raises `AuthenticationError`, `TransientError`.
OpenLink = Callable[[str], Awaitable[str]]
#: In which a link to a session comes: never in an address, which ends up in logs.
LINK_HEADER: Final = "x-session-link"

#: What the gateway in front of the first service said of whoever it did not know (photonranch-api, `serverless.yml`).
_UNAUTHORIZED: Final = {"message": "Unauthorized"}


class Identities(Protocol):
    """Knows who calls."""

    async def authenticate(self, token: str) -> User:
        """Return the user a token was given to. Raises `AuthenticationError`, `TransientError`."""
        ...

    async def authenticate_bearer(self, token: str) -> User:
        """Return the user a JSON Web Token was signed for. Raises likewise."""
        ...


class Authentication:
    """ASGI middleware: puts the `User` into the request's state as `user`, None for nobody in particular.

    Before the body is read and before the path is told to exist, so that nobody without a token can make us do either.
    """

    def __init__(self, app: ASGIApp, *, identities: Identities, open_link: OpenLink) -> None:
        self._app = app
        self._identities = identities
        self._open_link = open_link

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        rules = rules_for(scope)
        needed = rules.access
        headers = Headers(scope=scope)
        authorization, link = headers.get("authorization"), headers.get(LINK_HEADER)
        without_token = needed is Access.PUBLIC or (needed is Access.READER and link is not None)
        user: User | None = None
        try:
            if authorization is None and needed is not Access.OWN_CHECK:
                user = await self._in_browser(headers, scope, may_be_nobody=without_token)
            if user is None and needed is not Access.OWN_CHECK and (authorization is not None or not without_token):
                user = await user_in_header(authorization, self._identities)
            if needed is not Access.OWN_CHECK and link is not None:
                user = replace(user or NOBODY, link_hash=await self._open_link(link))
        except AuthenticationError as error:
            in_their_words = rules.photon_ranch is not None and not _is_token(authorization)
            await (_unauthorized() if in_their_words else usage_reply(error))(scope, receive, send)
            return
        except TransientError as error:
            await transient_reply(error)(scope, receive, send)
            return
        is_for_it = _is_for_writing(user, needed) if is_write(scope) else _is_for_reading(user, rules)
        if not _may_call(user, needed) or not is_for_it:
            await _forbidden(rules)(scope, receive, send)
            return
        scope["state"]["user"] = user
        await self._app(scope, receive, send)

    async def _in_browser(self, headers: Headers, scope: Scope, *, may_be_nobody: bool) -> User | None:
        """Return who is logged in in the browser that asks, None for nobody.

        Raises `AuthenticationError` for a login that has ended, where somebody has to be known; `TransientError`.
        """
        changes = is_write(scope) or scope["method"] not in READING
        if may_be_nobody and changes and PAGE_HEADER not in headers:
            return None  # as who is logged in nowhere
        token = token_in_cookie(headers, changes=changes)
        if token is None:
            return None
        try:
            return await self._identities.authenticate(token)
        except AuthenticationError:
            if may_be_nobody:
                return None
            raise


def _may_call(user: User | None, needed: Access) -> bool:
    match needed:
        case Access.SUPERUSER:
            return user is not None and user.superuser
        case Access.OPERATOR:
            return user is not None and user.operates
        case Access.INGESTER:
            return user is not None and user.ingests
        case _:
            return True


def _is_for_reading(user: User | None, rules: RouteRules) -> bool:
    """Tell whether a token may be used to see what a route shows; elsewhere, what is closed is not shown."""
    return user is None or user.reads or not (rules.personal or rules.access is Access.READER)


def _is_for_writing(user: User | None, needed: Access) -> bool:
    """Tell whether a token may be used to change what such a route changes."""
    if user is None or user.scopes is None:
        return True
    match needed:
        case Access.SUPERUSER | Access.OPERATOR:
            return "admin" in user.scopes
        case Access.INGESTER | Access.PUBLIC:  # what observatories send; the services ask whose site it is
            return not user.scopes.isdisjoint({"ingest", "write"})
        case _:
            return "write" in user.scopes


async def user_in_header(authorization: str | None, identities: Identities) -> User:
    """Return who sent an `Authorization` header: `Token <token>`, or `Bearer <JSON Web Token>`.

    Raises `AuthenticationError`, `TransientError`.
    """
    scheme, token = _credentials(authorization)
    return await (identities.authenticate_bearer(token) if scheme == "bearer" else identities.authenticate(token))


def token_in_header(authorization: str | None) -> str:
    """Return the token of an `Authorization: Token <token>` header. Raises `AuthenticationError`."""
    scheme, token = _credentials(authorization)
    if scheme != "token":
        raise AuthenticationError("Authentication credentials were not provided.")
    return token


def _credentials(authorization: str | None) -> tuple[str, str]:
    parts = (authorization or "").split()
    scheme = parts[0].lower() if parts else ""
    if scheme not in {"token", "bearer"}:
        raise AuthenticationError("Authentication credentials were not provided.")
    if len(parts) == 1:
        raise AuthenticationError("Invalid token header. No credentials provided.")
    if len(parts) > 2:
        raise AuthenticationError("Invalid token header. Token string should not contain spaces.")
    return scheme, parts[1]


def _is_token(authorization: str | None) -> bool:
    return (authorization or "").lower().split()[:1] == ["token"]


def _forbidden(rules: RouteRules) -> Response:
    error = ForbiddenError()
    return usage_reply(error) if rules.photon_ranch is None else rules.photon_ranch.wrong(error.message, 403)


def _unauthorized() -> JsonReply:
    return JsonReply(_UNAUTHORIZED, 401, {"WWW-Authenticate": "Bearer"})
