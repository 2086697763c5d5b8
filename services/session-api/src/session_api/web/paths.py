"""One path, one route: doubled slashes and a slash at the end make no difference, and nobody is redirected.

The reference's routes end in a slash; its user interface forgets it in one place and joins base URLs with another.
"""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send

_SLASHES = re.compile(r"/{2,}")


class PathRule:
    """ASGI middleware in front of the router."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            scope = {**scope, "path": canonical_path(scope["path"])}
        await self._app(scope, receive, send)


def canonical_path(path: str) -> str:
    """Return the path the routes are declared with."""
    single = _SLASHES.sub("/", path)
    return single if single == "/" else single.removesuffix("/")
