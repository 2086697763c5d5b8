"""The stored feed on the bus."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from datetime import datetime

from datalab.events.topology import FEED
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.streams import StoredMessage, StreamFollower, StreamPosition


class BusFeedStream:
    """Implements `FeedStream`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def position(self) -> StreamPosition:
        """Return the ends of the stored feed. Raises `TransientError`."""
        return await self._bus.stream_position(FEED)

    def replay(self, *, after: int | datetime, subjects: Iterable[str]) -> AsyncGenerator[StoredMessage, None]:
        """Yield the stored messages on `subjects` after a sequence, or since a moment. Raises `TransientError`."""
        return self._bus.replay(FEED, after=after, filter_subjects=tuple(subjects))

    def follow(self, *, after: int, on_message: Callable[[StoredMessage], Awaitable[None]]) -> StreamFollower:
        """Return a follower of what is published after a sequence; it waits to be started."""
        return self._bus.follow(FEED, after=after, on_message=on_message)
