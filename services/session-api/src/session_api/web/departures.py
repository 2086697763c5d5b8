"""Clients that leave before they are answered: what would be lost with the answer is not begun for them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from starlette.requests import Request

from datalab.errors import TransientError

#: What takes no longer is done before anybody looks.
_LOOK_EVERY_S: Final = 0.5

T = TypeVar("T")


async def while_there(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return what work returns; it is cancelled once whoever asks for it has left.

    Raises `TransientError` then, which nobody reads.
    """
    working = asyncio.create_task(work)
    try:
        while not (await asyncio.wait({working}, timeout=_LOOK_EVERY_S))[0]:
            if await request.is_disconnected():
                raise TransientError("the client has left")
        return working.result()
    finally:
        working.cancel()
