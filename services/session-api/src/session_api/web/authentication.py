"""Lets a request through to a route whose caller may call it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from datalab.errors import TransientError
from session_api.web.access import Access, rules_for
from session_api.web.failures import AuthenticationError, ForbiddenError
from session_api.web.replies import transient_reply, usage_reply
from session_api.web.user import NOBODY, User

#: Returns the user a token was given to. Raises `AuthenticationError`, `TransientError`.
Authenticate = Callable[[str], Awaitable[User]]
#: Returns the hash of a link that opens a session. Raises `AuthenticationError`, `TransientError`.
OpenLink = Callable[[str], Awaitable[str]]
#: In which a link to a session comes: never in an address, which ends up in logs.
LINK_HEADER: Final = "x-session-link"


class Authentication:
    """ASGI middleware: puts the `User` into the request's state as `user`, None for nobody in particular.

    Before the body is read and before the path is told to exist, so that nobody without a token can make us do either.
    """

    def __init__(self, app: ASGIApp, *, authenticate: Authenticate, open_link: OpenLink) -> None:
        self._app = app
        self._authenticate = authenticate
        self._open_link = open_link

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        needed = rules_for(scope).access
        headers = Headers(scope=scope)
        authorization, link = headers.get("authorization"), headers.get(LINK_HEADER)
        without_token = needed is Access.PUBLIC or (needed is Access.READER and link is not None)
        user: User | None = None
        try:
            if needed is not Access.OWN_CHECK and (authorization is not None or not without_token):
                user = await self._authenticate(token_in_header(authorization))
            if needed is not Access.OWN_CHECK and link is not None:
                user = replace(user or NOBODY, link_hash=await self._open_link(link))
        except AuthenticationError as error:
            await usage_reply(error)(scope, receive, send)
            return
        except TransientError as error:
            await transient_reply(error)(scope, receive, send)
            return
        if (needed is Access.SUPERUSER and not (user and user.superuser)) or (
            needed is Access.INGESTER and not (user and user.ingests)
        ):
            await usage_reply(ForbiddenError())(scope, receive, send)
            return
        scope["state"]["user"] = user
        await self._app(scope, receive, send)


def token_in_header(authorization: str | None) -> str:
    """Return the token of an `Authorization: Token <token>` header. Raises `AuthenticationError`."""
    parts = (authorization or "").split()
    if not parts or parts[0].lower() != "token":
        raise AuthenticationError("Authentication credentials were not provided.")
    if len(parts) == 1:
        raise AuthenticationError("Invalid token header. No credentials provided.")
    if len(parts) > 2:
        raise AuthenticationError("Invalid token header. Token string should not contain spaces.")
    return parts[1]
