"""No request body beyond its route's limit is taken in, whether its size is announced or not."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from session_api.web.access import rules_for
from session_api.web.replies import detail_reply

#: A connection closed while the client still sends is reset, and many clients then never see the answer. So what comes
#: after the limit is thrown away for a while, as web servers do: long enough for the usual mistake, a file of some MB.
_LINGER_S = 5.0
_CLOSE = {"Connection": "close"}
_LINGER_BYTES = 64 * 1024**2


class BodyLimit:
    """ASGI middleware: hands bodies over complete, or answers 413 or 408. Routes that stream them count themselves."""

    def __init__(self, app: ASGIApp, *, max_bytes: int, timeout_s: float) -> None:
        self._app = app
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
        try:
            async with asyncio.timeout(self._timeout_s):
                body = await _whole_body(receive, max_bytes)
        except TimeoutError:
            late = f"The request body did not arrive within {self._timeout_s:g} s."
            await detail_reply(408, late, _CLOSE)(scope, receive, send)
            return
        except _BodyTooLargeError:
            await _refuse(max_bytes, scope, receive, send)
            return
        if body is not None:
            await self._app(scope, _replayed(body, receive), send)


class _BodyTooLargeError(Exception):
    """More came than a route takes in."""


async def _whole_body(receive: Receive, max_bytes: int) -> bytes | None:
    """Return a body; None if the client leaves before its end. Raises `_BodyTooLargeError`."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > max_bytes:
            raise _BodyTooLargeError
    return bytes(body)


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
