"""Content that comes in over a connection: not too much, not too slowly, from not too many at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Final

from datalab.errors import TransientError
from session_api.web.failures import LateError, TooLargeError

#: Whoever sends slower than this on average, after the first minute, holds a place that others need.
_LEAST_BYTES_PER_S: Final = 16 * 1024
_FIRST_S: Final = 60.0
_WAIT_FOR_PLACE_S: Final = 10.0


class Intake:
    """The places for those who send files to this process."""

    def __init__(self, *, at_once: int, idle_s: float) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._idle_s = idle_s

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place. Raises `TransientError` if none becomes free."""
        try:
            async with asyncio.timeout(_WAIT_FOR_PLACE_S):
                await self._places.acquire()
        except TimeoutError:
            raise TransientError("too many files are being uploaded at once") from None
        try:
            yield
        finally:
            self._places.release()

    async def fields(self, awaited: Awaitable[dict[str, str]]) -> dict[str, str]:
        """Return the fields of a form, which nobody needs a place to send. Raises `LateError`."""
        try:
            async with asyncio.timeout(self._idle_s):
                return await awaited
        except TimeoutError:
            raise LateError(f"The fields of the form did not come within {self._idle_s:g} s.") from None

    async def limited(self, content: AsyncIterator[bytes], *, max_bytes: int) -> AsyncIterator[bytes]:
        """Yield the content. Raises `TooLargeError` for more than is allowed, `LateError`."""
        clock = asyncio.get_running_loop().time
        began, size = clock(), 0
        while True:
            try:
                async with asyncio.timeout(self._idle_s):
                    piece = await anext(content)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise LateError(f"Nothing came for {self._idle_s:g} s.") from None
            size += len(piece)
            if size > max_bytes:
                raise TooLargeError(f"The file is too large: at most {max_bytes} bytes are accepted.")
            if clock() - began > _FIRST_S + size / _LEAST_BYTES_PER_S:
                raise LateError(f"The file comes too slowly: {_LEAST_BYTES_PER_S} bytes a second are expected.")
            yield piece
