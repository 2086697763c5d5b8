"""A request does not wait longer for the document store than its client would."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from starlette.types import ASGIApp, Receive, Scope, Send

from datalab.platform.documents.client import answered_within

AnswerT = TypeVar("AnswerT")


def in_time(ask: Callable[[str], Awaitable[AnswerT]], *, timeout_s: float) -> Callable[[str], Awaitable[AnswerT]]:
    """Return a question of the document store that does not wait longer than so many seconds."""

    async def asked(about: str) -> AnswerT:
        with answered_within(timeout_s):
            return await ask(about)

    return asked


class StoreDeadline:
    """ASGI middleware: every question of one request together has so much time; then it is answered with 503.

    A store that hangs keeps its connections, and the driver waits for those much longer than people do.
    """

    def __init__(self, app: ASGIApp, *, timeout_s: float) -> None:
        self._app = app
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with answered_within(self._timeout_s):
            await self._app(scope, receive, send)
