"""The way to one client: what is said to it, and whether the connection still takes anything."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from session_api.feed.model import CloseCode, FeedChannel, FeedClosedError


class Outlet:
    """Sends to one client. To be made on the event loop that sends."""

    def __init__(self, channel: FeedChannel, *, time_limit_s: float) -> None:
        """`time_limit_s` is how long the connection may take to accept one text."""
        self._channel = channel
        self._time_limit_s = time_limit_s
        self._clock = asyncio.get_running_loop().time
        self._sending_since: float | None = None
        #: By the loop's clock: when the latest text was begun.
        self.spoke_at = self._clock()

    async def send(self, text: str, frame: bytes | None = None) -> None:
        """Send a text, as `FeedChannel.send` does. Raises `ClientGoneError`."""
        self._sending_since = self.spoke_at = self._clock()
        await self._channel.send(text, frame)
        self._sending_since = None

    async def watch(self) -> NoReturn:
        """Raise `FeedClosedError` once a text is not accepted in time.

        One look now and then costs less than a timeout for every text (a sixth of the work of sending one).
        """
        while True:
            since = self._sending_since
            if since is not None and self._clock() >= since + self._time_limit_s:
                raise FeedClosedError(CloseCode.TOO_SLOW, "a frame was not accepted in time")
            await asyncio.sleep(self._time_limit_s if since is None else since + self._time_limit_s - self._clock())
