"""Bodies in pieces that tell their size (`aws-chunked`), as S3 clients send them over TLS, with a checksum behind.

Each piece: its size in hexadecimal, a line end, its bytes, a line end. One of size 0 is the last; lines follow with
checksums, which nobody needs here: the ingester compares the MD5 of what was stored.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from datalab.errors import UsageError

_LONGEST_LINE: Final = 1024
_END: Final = b"\r\n"


async def content_of(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield what is inside. Raises `UsageError` for a body that is not in this form, or ends too early."""
    reader = _Reader(body)
    while size := _size(await reader.line()):
        async for piece in reader.take(size):
            yield piece
        if await reader.line():
            raise UsageError("a piece of the body is longer than it says")
    while not reader.ended and await reader.line():
        pass


def _size(line: bytes) -> int:
    digits = line.partition(b";")[0].decode("ascii", "replace")
    if not 1 <= len(digits) <= 12 or not set(digits.lower()) <= set("0123456789abcdef"):
        raise UsageError("the body is not in pieces that tell their size, as its headers say")
    return int(digits, 16)


class _Reader:
    """Lines and bytes out of what comes in pieces of any size."""

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self._held = b""
        self.ended = False

    async def line(self) -> bytes:
        """Return a line without its end; at the end of the body what is left of it."""
        while _END not in self._held:
            if len(self._held) > _LONGEST_LINE:
                raise UsageError("the body is not in pieces that tell their size, as its headers say")
            if not await self._more():
                line, self._held = self._held, b""
                return line
        line, _, self._held = self._held.partition(_END)
        return line

    async def take(self, size: int) -> AsyncIterator[bytes]:
        """Yield the next bytes, so many in all."""
        while size:
            if not self._held and not await self._more():
                raise UsageError("the body ends in the middle of a piece")
            given, self._held = self._held[:size], self._held[size:]
            size -= len(given)
            yield given

    async def _more(self) -> bool:
        async for piece in self._body:
            if piece:
                self._held += piece
                return True
        self.ended = True
        return False
