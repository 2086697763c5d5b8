"""Files on their way to clients, who may be slow, and may not stand still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Message, Send

#: A piece of 1 MiB is taken within this time, so by whoever reads 35 KB a second.
_PIECE_S = 30.0


class StreamedResponse(StreamingResponse):
    """Sends content of which the first piece is there, and closes it in the end, whatever ended it.

    A client that does not take a piece in time counts as gone: `ClientDisconnect`. Few files are sent at once.
    """

    def __init__(
        self,
        first: bytes,
        content: AsyncGenerator[bytes, None],
        *,
        media_type: str,
        headers: Mapping[str, str],
        piece_s: float = _PIECE_S,
    ) -> None:
        super().__init__(_whole(first, content), media_type=media_type, headers=headers)
        self._content = content
        self._piece_s = piece_s

    async def stream_response(self, send: Send) -> None:
        """Send the file."""

        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(self._piece_s):
                    await send(message)
            except TimeoutError:
                raise ClientDisconnect from None

        async with aclosing(self._content):
            await super().stream_response(send_in_time)


async def _whole(first: bytes, content: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    if first:
        yield first
    async for piece in content:
        yield piece
