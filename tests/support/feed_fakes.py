"""A stored feed, a connection and metrics in memory, each under the control of the test."""

import asyncio
import json
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from datalab.errors import TransientError
from datalab.events.feed import OperationChanged
from datalab.platform.bus.streams import StreamPosition
from session_api.feed.metrics import FeedMetrics
from session_api.feed.model import ClientGoneError


@dataclass(frozen=True)
class Stored:
    """Like `StoredMessage`."""

    sequence: int
    subject: str
    body: bytes


def stored(sequence, subject):
    """Return a stored event of user ada."""
    event = OperationChanged(
        session_id=int(subject.rpartition(".")[2]),
        owner="ada",
        operation_id=sequence,
        attempt=1,
        name="Median",
        status="COMPLETED",
        operation_progress=1,
        message="",
    )
    return Stored(sequence, subject, event.encode())


class MemoryStream:
    """Implements `FeedStream` and `FeedFollower`: the hub hears what `pump` gives it."""

    def __init__(self):
        self.messages = []
        self.epoch = "first"
        self.first = 1
        self.away = False
        self.resumed = asyncio.Event()
        self.failing_starts = 0
        self.positions_told = 0
        self._refused = asyncio.Semaphore(0)
        self._heard = 0
        self._on_message = None

    def store(self, subject):
        self.messages.append(stored(len(self.messages) + 1, subject))

    def say(self, event):
        """Store an event of a session that is no operation's."""
        self.messages.append(Stored(len(self.messages) + 1, event.subject, event.encode()))

    async def pump(self, count=None):
        """Hand the hub the next `count` messages, or all."""
        end = len(self.messages) if count is None else self._heard + count
        for message in self.messages[self._heard : end]:
            self._heard = message.sequence
            await self._on_message(message)

    async def refusals(self, count):
        """Wait until the stream has been asked in vain so often."""
        async with asyncio.timeout(5):
            for _ in range(count):
                await self._refused.acquire()

    async def position(self):
        if self.away:
            self._refused.release()
            raise TransientError("the bus does not answer")
        position = StreamPosition(
            epoch=self.epoch, first=self.first, last=len(self.messages), messages=len(self.messages)
        )
        await self.while_position_travels()
        self.positions_told += 1
        return position

    async def while_position_travels(self):
        """What happens between the server's answer and its arrival; a test may have something happen."""

    async def replay(self, *, after, subjects):
        if self.away:
            raise TransientError("the bus does not answer")
        wanted = set(subjects)
        for message in self.messages[after : len(self.messages)]:
            await asyncio.sleep(0)
            if message.subject in wanted:
                yield message

    def follow(self, *, after, on_message):
        self._heard = after
        self._on_message = on_message
        return self

    async def start(self):
        if self.failing_starts:
            self.failing_starts -= 1
            raise TransientError("the bus does not answer")

    async def stop(self):
        self._on_message = None

    async def resume(self):
        self.resumed.set()


class MemoryChannel:
    """Implements `FeedChannel`; `reading` cleared means that the client does not read."""

    def __init__(self):
        self.reading = asyncio.Event()
        self.reading.set()
        self.frames = []
        self.grown = asyncio.Condition()
        self._from_client = asyncio.Queue()

    async def receive(self):
        text = await self._from_client.get()
        if text is None:
            raise ClientGoneError
        return text

    async def send(self, text, frame=None):
        assert frame is None or frame.endswith(text.encode())
        await self.reading.wait()
        self.frames.append(json.loads(text))
        async with self.grown:
            self.grown.notify_all()

    def say(self, **frame):
        self._from_client.put_nowait(json.dumps(frame))

    def leave(self):
        self._from_client.put_nowait(None)

    async def heard(self, condition):
        """Wait until the frames meet a condition; return them."""
        async with asyncio.timeout(5), self.grown:
            await self.grown.wait_for(lambda: condition(self.frames))
        return self.frames


class Metrics(FeedMetrics):
    """The real ones, to be read."""

    def __init__(self):
        self._registry = CollectorRegistry()
        super().__init__(self._registry)

    def value(self, name):
        return self._registry.get_sample_value(f"datalab_feed_{name}")
