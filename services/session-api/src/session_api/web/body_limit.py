"""No request body beyond its route's limit is taken in, whether its size is announced or not."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datalab.errors import TransientError
from session_api.web.access import rules_for
from session_api.web.budget import ByteBudget
from session_api.web.replies import detail_reply, transient_reply
from session_api.web.user import User

#: A connection closed while the client still sends is reset, and many clients then never see the answer. So what comes
#: after the limit is thrown away for a while, as web servers do: long enough for the usual mistake, a file of some MB.
_LINGER_S = 5.0
_CLOSE = {"Connection": "close"}
_LINGER_BYTES = 64 * 1024**2


class BodyLimit:
    """ASGI middleware: hands bodies over complete, or answers 413 or 408. Routes that stream them count themselves."""

    def __init__(self, app: ASGIApp, *, budget: ByteBudget, max_bytes: int, timeout_s: float) -> None:
        self._app = app
        self._budget = budget
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        announced = headers.get("content-length", "0")
        if "transfer-encoding" not in headers and announced == "0":
            await self._app(scope, receive, send)
            return
        rules = rules_for(scope)
        max_bytes = self._max_bytes if rules.max_body_bytes is None else rules.max_body_bytes
        if len(announced) > 18 or int(announced) > max_bytes:
            await _refuse(max_bytes, scope, receive, send)
            return
        if rules.streams_body:
            await RequestBodyLimitMiddleware(self._app, max_body_size=max_bytes)(scope, receive, send)
            return
        await self._with_whole_body(max_bytes, scope, receive, send)

    async def _with_whole_body(self, max_bytes: int, scope: Scope, receive: Receive, send: Send) -> None:
        user: User | None = scope["state"].get("user")
        body = _Body(self._budget, user.username if user else "", max_bytes)
        try:
            async with asyncio.timeout(self._timeout_s):
                await body.read(receive)
        except TimeoutError:
            late = f"The request body did not arrive within {self._timeout_s:g} s."
            await detail_reply(408, late, _CLOSE)(scope, receive, send)
            return
        except _BodyTooLargeError:
            await _refuse(max_bytes, scope, receive, send)
            return
        except TransientError as error:
            await transient_reply(error)(scope, receive, send)
            return
        else:
            if body.whole:
                await self._app(scope, _replayed(bytes(body.content), receive), send)
        finally:
            body.release()


class _BodyTooLargeError(Exception):
    """More came than a route takes in."""


class _Body:
    """What a client sends, as far as there is room for it."""

    def __init__(self, budget: ByteBudget, user: str, max_bytes: int) -> None:
        self._budget = budget
        self._user = user
        self._max_bytes = max_bytes
        self._held = 0
        self.content = bytearray()
        self.whole = False

    async def read(self, receive: Receive) -> None:
        """Read it to its end, or until the client leaves. Raises `_BodyTooLargeError`, `TransientError`."""
        while not self.whole:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            part: bytes = message.get("body", b"")
            if len(self.content) + len(part) > self._max_bytes:
                raise _BodyTooLargeError
            if not self._budget.try_take(self._user, len(part)):
                raise TransientError("too many large requests are under way, send those first")
            self._held += len(part)
            self.content += part
            self.whole = not message.get("more_body", False)

    def release(self) -> None:
        self._budget.give_back(self._user, self._held)


async def _refuse(max_bytes: int, scope: Scope, receive: Receive, send: Send) -> None:
    detail = f"Request body is too large: at most {max_bytes} bytes are accepted."

    async def lingering(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        await send({**message, "more_body": True})
        await _discard(receive)
        await send({"type": "http.response.body", "body": b""})

    await detail_reply(413, detail, _CLOSE)(scope, receive, lingering)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the whole body first."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _discard(receive: Receive) -> None:
    discarded = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            while discarded < _LINGER_BYTES:
                message = await receive()
                discarded += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
