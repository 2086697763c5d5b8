"""What waits for one client of the feed: never more than so many events and bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Set as AbstractSet

from session_api.feed.metrics import FeedMetrics
from session_api.feed.model import CloseCode, FeedClosedError, FeedItem, LiveStatus


class ClientQueue:
    """The queue the hub fills and the client's conversation empties.

    A client that hears events as they happen and lets the queue overflow is ended. One that is still being sent the
    stored feed is not to blame for what arrives meanwhile: the queue forgets everything, notes the loss, and the
    conversation reads on from the stored feed.
    """

    def __init__(self, *, max_events: int, max_bytes: int, metrics: FeedMetrics) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._metrics = metrics
        #: Subscribed subjects; events up to the number are not wanted: the client has them.
        self.floors: dict[str, int] = {}
        self._waiting: deque[FeedItem] = deque()
        self._waiting_bytes = 0
        self._catching_up = False
        self.lost = False
        #: How sites are: of each kind only the newest waits, so that a slow client never has too many.
        self._statuses: dict[tuple[str, str], LiveStatus] = {}
        self.wake = asyncio.Event()
        self._closing: FeedClosedError | None = None
        self._ended = asyncio.Event()

    def offer(self, item: FeedItem) -> None:
        """Put an event into the queue. Never waits."""
        floor = self.floors.get(item.subject)
        if floor is None or item.sequence <= floor or self.lost or self._closing is not None:
            return
        if len(self._waiting) >= self._max_events or self._waiting_bytes + item.size_bytes > self._max_bytes:
            self._overflow()
            return
        self._waiting.append(item)
        self._waiting_bytes += item.size_bytes
        self._metrics.waiting(len(self._waiting))
        self.wake.set()

    def pop(self, *, up_to: int | None = None) -> FeedItem | None:
        """Return the oldest waiting event, or None if there is none (up to a sequence)."""
        if not self._waiting:
            if not self.lost:
                self._catching_up = False
            return None
        if up_to is not None and self._waiting[0].sequence > up_to:
            return None
        item = self._waiting.popleft()
        self._waiting_bytes -= item.size_bytes
        return item

    def offer_status(self, status: LiveStatus) -> None:
        """Have a status wait in the place of an older one of its site and kind. Never waits."""
        if self._closing is None:
            self._statuses[status.key] = status
            self.wake.set()

    def pop_status(self) -> LiveStatus | None:
        """Return the status whose kind has waited longest, or None if none waits."""
        return self._statuses.pop(next(iter(self._statuses))) if self._statuses else None

    def drop_statuses(self, site: str) -> None:
        """Forget the statuses of a site."""
        self._statuses = {key: status for key, status in self._statuses.items() if key[0] != site}

    def drop(self, subjects: AbstractSet[str]) -> None:
        """Forget subjects and their events: should they be subscribed to again, the past is read from the store."""
        for subject in subjects:
            del self.floors[subject]
        kept = [item for item in self._waiting if item.subject not in subjects]
        self._forget()
        self._waiting.extend(kept)
        self._waiting_bytes = sum(item.size_bytes for item in kept)

    def begin_catching_up(self) -> None:
        """The client is sent the stored feed, from now until it has emptied the queue once."""
        self._catching_up = True

    def recover(self) -> None:
        """Take in events again: the client is about to be sent from the stored feed what was forgotten."""
        self.lost = False

    def end(self, closing: FeedClosedError) -> None:
        """End the conversation, whatever it is waiting for."""
        self._forget()
        self._statuses.clear()
        self._closing = self._closing or closing
        self._ended.set()

    async def ended(self) -> FeedClosedError:
        """Wait until the hub ends the conversation; return why."""
        await self._ended.wait()
        assert self._closing is not None
        return self._closing

    @property
    def has_work(self) -> bool:
        """Whether there is anything to send."""
        return bool(self._waiting) or bool(self._statuses) or self.lost

    def _overflow(self) -> None:
        if self._catching_up:
            self._forget()
            self.lost = True
            self.wake.set()
        else:
            self.end(FeedClosedError(CloseCode.TOO_SLOW, "too many events are waiting"))

    def _forget(self) -> None:
        self._waiting.clear()
        self._waiting_bytes = 0
