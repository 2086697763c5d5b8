"""Bytes that come piece by piece on the event loop, as the driver reads them in its thread."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYetError
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

#: How often a thread that waits for a client looks whether anybody still waits for it.
_LOOK_S = 0.5


class AbandonedTransferError(Exception):
    """The awaiting task was cancelled: nobody sees this, it only ends the thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """Content that has come to its end; the digests in lower-case hexadecimal. MD5 is what stores make ETags of."""

    size_bytes: int
    sha256: str
    md5: str


class Incoming:
    """What an asynchronous iterator yields, to be read by one thread. Made on the event loop, which it is read from."""

    def __init__(
        self,
        content: AsyncIterator[bytes],
        *,
        before_it_counts: Callable[[Received], Awaitable[None]],
        abandoned: threading.Event,
    ) -> None:
        self.size_bytes = 0
        self._content = content
        self._before_it_counts = before_it_counts
        self._abandoned = abandoned
        self._loop = asyncio.get_running_loop()
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._held = b""
        self._ended = False

    @property
    def sha256(self) -> str:
        """The checksum of what was read so far."""
        return self._sha256.hexdigest()

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end, once what is to be done before it counts is done."""
        while not self._held and not self._ended:
            self._held = self._from_loop(self._next())
            self._sha256.update(self._held)
            self._md5.update(self._held)
            self.size_bytes += len(self._held)
        given, self._held = self._held[:size], self._held[size:]
        return given

    async def _next(self) -> bytes:
        """Return the next piece; nothing when there is none, which is settled by then."""
        async for piece in self._content:
            if piece:
                return piece
        self._ended = True
        received = Received(size_bytes=self.size_bytes, sha256=self.sha256, md5=self._md5.hexdigest())
        await self._before_it_counts(received)
        return b""

    def _from_loop(self, work: Coroutine[Any, Any, T]) -> T:
        asked: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        while True:
            try:
                return asked.result(timeout=_LOOK_S)
            except NotYetError:
                if asked.done():
                    raise  # the content itself took too long
                if self._abandoned.is_set():
                    asked.cancel()
                    raise AbandonedTransferError from None
