"""Everything under `/api/` needs a token, except what is listed here: a new route cannot forget it.

Elsewhere a token may be sent, and is checked; a handler that takes a `Caller` insists on one.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from datalab.errors import TransientError
from session_api.accounts.authentication import Authenticator, token_in_header
from session_api.web.failures import AuthenticationError
from session_api.web.replies import transient_reply, usage_reply

#: What anybody may read under `/api/`.
ANONYMOUS_PATHS = frozenset({"/api/openapi.json", "/api/asyncapi.json"})


class Authentication:
    """ASGI middleware: puts the `User` into the request's state as `user`, None for nobody in particular.

    Before the body is read and before the path is looked up, so that nobody without a token can make us do either.
    Websockets authenticate themselves: browsers cannot send a header with them.
    """

    def __init__(self, app: ASGIApp, *, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        needed = (path == "/api" or path.startswith("/api/")) and path not in ANONYMOUS_PATHS
        authorization = Headers(scope=scope).get("authorization")
        state = scope.setdefault("state", {})
        try:
            if authorization is None and not needed:
                state["user"] = None
            else:
                state["user"] = await self._authenticator.authenticate(token_in_header(authorization))
        except AuthenticationError as error:
            await usage_reply(error)(scope, receive, send)
        except TransientError as error:
            await transient_reply(error)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
