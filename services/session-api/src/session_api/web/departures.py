"""Clients that leave before they are answered: what would be lost with the answer is not begun for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from starlette.requests import Request

from datalab.errors import TransientError
from datalab.platform.tasks import end_tasks

#: What takes no longer is done before anybody looks, and costs no task.
_LOOK_AFTER_S: Final = 0.5

T = TypeVar("T")


async def while_there(request: Request, work: Awaitable[T]) -> T:
    """Return what work returns; it is cancelled once whoever asks for it has left.

    Raises `TransientError` then, which nobody reads.
    """
    loop = asyncio.get_running_loop()
    looking: list[asyncio.Task[None]] = []
    try:
        async with asyncio.timeout(None) as stay:
            first = loop.call_later(_LOOK_AFTER_S, lambda: looking.append(loop.create_task(_look(request, stay))))
            try:
                return await work
            finally:
                first.cancel()
    except TimeoutError:
        if not stay.expired():
            raise
        raise TransientError("the client has left") from None
    finally:
        if looking:
            await end_tasks(*looking)


async def _look(request: Request, stay: asyncio.Timeout) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    stay.reschedule(asyncio.get_running_loop().time())
