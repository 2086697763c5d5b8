"""The hub of the feed: one follower of the stored feed per process, many clients."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from datalab.errors import TransientError
from datalab.platform.bus.streams import StoredMessage, StreamPosition
from datalab.platform.logging import get_logger
from datalab.platform.tasks import end_tasks
from session_api.feed.client_queue import ClientQueue
from session_api.feed.metrics import FeedMetrics
from session_api.feed.model import (
    CloseCode,
    FeedClosedError,
    FeedFollower,
    FeedItem,
    FeedStream,
)
from session_api.feed.settings import FeedSettings

_log = get_logger(__name__)

#: How many stored events are read before the reader is let go, so that a slow client holds up nobody else's reading.
_PAGE_EVENTS = 256
#: A process normally hears of an event within a millisecond; this long behind, the client is better off elsewhere.
_LONGEST_LAG_S = 5.0


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Some stored events in order; every wanted one up to `complete_to` is among them."""

    items: tuple[FeedItem, ...]
    complete_to: int


class FeedHub:
    """Hands every new event to the clients subscribed to its subject, and reads back older ones."""

    def __init__(self, *, stream: FeedStream, settings: FeedSettings, metrics: FeedMetrics) -> None:
        self._stream = stream
        self._settings = settings
        self._metrics = metrics
        self._follower: FeedFollower | None = None
        self._watching: asyncio.Task[None] | None = None
        self._queues: set[ClientQueue] = set()
        self._by_subject: dict[str, set[ClientQueue]] = defaultdict(set)
        self._reading = asyncio.Semaphore(settings.feed_replays)
        #: The stream's identity, and the newest event handed to the clients of this process.
        self.epoch = ""
        self.sequence = 0
        self._advanced = asyncio.Event()

    # --- life -------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Follow the stored feed from its end. Raises `TransientError`."""
        await self._begin(await self._stream.position())
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """End every conversation: the clients come back, here or elsewhere, with their sequence."""
        if self._watching is not None:
            await end_tasks(self._watching)
        if self._follower is not None:
            await self._follower.stop()
        self._end_all("the service restarts")

    # --- clients ----------------------------------------------------------------------------------------------

    def admit(self) -> ClientQueue:
        """Return a queue for a new client."""
        queue = ClientQueue(
            max_events=self._settings.feed_queue_events,
            max_bytes=self._settings.feed_queue_bytes,
            metrics=self._metrics,
        )
        self._queues.add(queue)
        return queue

    def remove(self, queue: ClientQueue) -> None:
        """Forget a client."""
        self.detach(queue, tuple(queue.floors))
        self._queues.discard(queue)

    def attach(self, queue: ClientQueue, subjects: Iterable[str], *, after: int | None = None) -> int:
        """Put events on `subjects` into the queue from the next one on; return the sequence of the last one before.

        `after`, if given, is the newest event the client has: all later ones are for it, stored or new.
        """
        for subject in subjects:
            queue.floors[subject] = self.sequence if after is None else after
            self._by_subject[subject].add(queue)
        return self.sequence

    def detach(self, queue: ClientQueue, subjects: Iterable[str]) -> None:
        """Put no more events on `subjects` into the queue, and take out those that wait there."""
        dropped = set(subjects) & set(queue.floors)
        queue.drop(dropped)
        for subject in dropped:
            self._by_subject[subject].discard(queue)
            if not self._by_subject[subject]:
                del self._by_subject[subject]

    # --- the stored feed --------------------------------------------------------------------------------------

    async def position(self) -> StreamPosition:
        """Return the ends of the stored feed. Raises `TransientError`."""
        position = await self._stream.position()
        if position.epoch != self.epoch:
            raise TransientError("the feed begins anew")  # the watch notices too, and follows the new stream
        return position

    async def reached(self, sequence: int) -> None:
        """Wait until this process is as far as the client is: another one may have been ahead of it.

        Raises `TransientError` if that takes too long.
        """
        try:
            async with asyncio.timeout(_LONGEST_LAG_S):
                while self.sequence < sequence:
                    self._advanced.clear()
                    await self._advanced.wait()
        except TimeoutError:
            raise TransientError("this server is behind with the feed") from None

    async def read(self, subjects: Iterable[str], *, after: int | datetime, up_to: int) -> FeedPage:
        """Return stored events after one sequence, or since a moment, up to a sequence. Raises `TransientError`."""
        items: list[FeedItem] = []
        read = 0
        async with self._reading, aclosing(self._stream.replay(after=after, subjects=subjects)) as messages:
            async for message in messages:
                if message.sequence > up_to:
                    break
                item = self._item(message)
                if item is not None:
                    items.append(item)
                read += 1
                if read == _PAGE_EVENTS:
                    return FeedPage(tuple(items), message.sequence)
        return FeedPage(tuple(items), up_to)

    # --- following --------------------------------------------------------------------------------------------

    async def _begin(self, position: StreamPosition) -> None:
        self.sequence = position.last
        follower = self._stream.follow(after=position.last, on_message=self._distribute)
        await follower.start()
        # Only now: should the start fail, the watch finds the former epoch and tries again.
        self._follower, self.epoch = follower, position.epoch

    async def _distribute(self, message: StoredMessage) -> None:
        queues = self._by_subject.get(message.subject)
        item = self._item(message) if queues else None
        self.sequence = message.sequence
        self._advanced.set()
        if queues and item:
            for queue in queues:
                queue.offer(item)
            # Messages come in bursts without a pause in between; let the clients' senders keep up with them.
            await asyncio.sleep(0)

    def _item(self, message: StoredMessage) -> FeedItem | None:
        try:
            return FeedItem.read(message)
        except ValidationError:
            self._metrics.unreadable()
            _log.exception("feed.unreadable_event", sequence=message.sequence, subject=message.subject)
            return None

    async def _watch(self) -> None:
        """Look, beside listening: a recreated stream or a lost consumer would otherwise be silence for ever."""
        last_seen = self.sequence
        while True:
            await asyncio.sleep(self._settings.feed_watch_interval_s)
            try:
                last_seen = await self._look(last_seen)
            except TransientError as error:
                _log.warning("feed.watch_failed", reason=error.message)

    async def _look(self, last_seen: int) -> int:
        heard = self.sequence  # of before the question: events go on arriving while the answer is on its way
        position = await self._stream.position()
        assert self._follower is not None
        if position.epoch != self.epoch or position.last < heard:
            _log.warning("feed.began_anew", former=self.epoch, present=position.epoch)
            await self._follower.stop()
            await self._begin(position)
            self._end_all("the feed begins anew")
        elif position.last > self.sequence == last_seen:
            _log.warning("feed.behind", sequence=self.sequence, last=position.last)
            await self._follower.resume()
        return self.sequence

    def _end_all(self, reason: str) -> None:
        for queue in tuple(self._queues):
            queue.end(FeedClosedError(CloseCode.SERVICE_RESTART, reason))
