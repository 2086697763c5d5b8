"""Asking again: what may be repeated is, while the other side is away, busy or restarting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

import httpx

#: Long enough for a connection that was lost, and a person who waits at a prompt.
BRIEF_S: Final = 2.0
#: Long enough for a server that is started anew.
LONG_S: Final = 120.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 10.0
#: What is said where the same request may work later.
_PASSING: Final = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)

#: Is told, before each pause, why there is one.
OnPause = Callable[[str], None]


async def patient(
    send: Callable[[], Awaitable[httpx.Response]], *, patience_s: float, on_pause: OnPause = lambda _: None
) -> httpx.Response:
    """Return the answer to a request that may be repeated, which is sent again until it has one that lasts.

    When pauses of `patience_s` in all have not helped, the last answer is returned, or `httpx.TransportError` raised.
    """
    pause_s, left_s = _FIRST_PAUSE_S, patience_s
    while True:
        try:
            reply = await send()
        except httpx.UnsupportedProtocol:
            raise
        except httpx.TransportError as error:
            if pause_s > left_s:
                raise
            asked_s, reason = 0.0, str(error) or type(error).__name__
        else:
            asked_s = _asked_pause_s(reply)
            if reply.status_code not in _PASSING or max(pause_s, asked_s) > left_s:
                return reply
            reason = f"HTTP status {reply.status_code}"
        on_pause(reason)
        slept_s = max(pause_s, asked_s)
        await asyncio.sleep(slept_s)
        left_s -= slept_s
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _asked_pause_s(reply: httpx.Response) -> float:
    """Return how long somebody who asks too often is to wait. Servers that are away do not know when they are back."""
    if reply.status_code != HTTPStatus.TOO_MANY_REQUESTS:
        return 0.0
    text = reply.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0.0
