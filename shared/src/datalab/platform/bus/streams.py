"""Streams, read from where one wants, without a durable consumer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import nats.js.errors
from faststream.nats import NatsBroker
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from datalab.events.topology import Stream
from datalab.platform.bus.errors import BUS_ERRORS, bus_errors, reason_of
from datalab.platform.logging import get_logger

_log = get_logger(__name__)

_FETCH_TIMEOUT_S = 5.0
#: How many stored messages a replay asks for at once.
_REPLAY_BATCH = 256
_FOLLOW_AGAIN_S = 0.25
_REQUEST_TIMEOUT_S = 5.0


def jetstream_of(broker: NatsBroker) -> JetStreamContext:
    """Return the JetStream context of a connected broker."""
    stream_context: JetStreamContext = broker.connection.jetstream(timeout=_REQUEST_TIMEOUT_S)
    return stream_context


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as a stream keeps it."""

    sequence: int
    subject: str
    body: bytes
    stored_at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """The ends of a stream, and how many messages it has: some between the ends may be gone.

    Another epoch is another stream: its sequences say nothing about the former one.
    """

    epoch: str
    first: int
    last: int
    messages: int


async def stream_position(jetstream: JetStreamContext, stream: Stream) -> StreamPosition:
    """Return where a stream begins and ends now. Raises `TransientError`."""
    with bus_errors(f"the stream {stream.name} cannot be read"):
        info = await jetstream.stream_info(stream.name)
    state = info.state
    return StreamPosition(epoch=str(info.created), first=state.first_seq, last=state.last_seq, messages=state.messages)


async def stored_message(jetstream: JetStreamContext, stream: str, sequence: int) -> StoredMessage | None:
    """Return one message of a stream, or None if it is gone. Raises `TransientError`."""
    with bus_errors(f"the stream {stream} cannot be read"), suppress(nats.js.errors.NotFoundError):
        raw = await jetstream.get_msg(stream, sequence, direct=True)
        assert raw.time is not None  # a server says it with each message it is asked for
        return StoredMessage(sequence, raw.subject or "", raw.data or b"", raw.time, raw.headers or {})
    return None


async def replay(
    jetstream: JetStreamContext, stream: Stream, *, after: int | datetime, filter_subjects: tuple[str, ...]
) -> AsyncGenerator[StoredMessage, None]:
    """Yield what a stream holds after a sequence, or has taken since a moment, in order.

    It ends with the end the stream has when the last batch is read. Raises `TransientError`.
    """
    if isinstance(after, datetime):
        start = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_TIME, opt_start_time=after)
    else:
        start = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=after + 1)
    config = start.evolve(
        ack_policy=AckPolicy.NONE,
        filter_subjects=list(filter_subjects),
        inactive_threshold=30.0,
        mem_storage=True,
    )
    with bus_errors(f"the stream {stream.name} cannot be read"):
        consumer = await jetstream.add_consumer(stream.name, config)
        puller = await jetstream.pull_subscribe_bind(consumer=consumer.name, stream=stream.name)
        try:
            pending = consumer.num_pending or 0
            while pending:
                for message in await puller.fetch(min(pending, _REPLAY_BATCH), timeout=_FETCH_TIMEOUT_S):
                    yield _stored(message)
                    pending = message.metadata.num_pending
        finally:
            with suppress(*BUS_ERRORS):
                await puller.unsubscribe()
            with suppress(*BUS_ERRORS):
                await jetstream.delete_consumer(stream.name, consumer.name)


class StreamFollower:
    """Hands over every message of a stream, in order and once, across lost connections."""

    def __init__(
        self,
        *,
        jetstream: JetStreamContext,
        stream: Stream,
        after: int,
        on_message: Callable[[StoredMessage], Awaitable[None]],
    ) -> None:
        self._jetstream = jetstream
        self._stream = stream
        self._on_message = on_message
        self._subscription: JetStreamContext.PushSubscription | None = None
        self._stopped = False
        self._turn = asyncio.Lock()
        self.sequence = after

    async def start(self) -> None:
        """Begin. Raises `TransientError`."""
        with bus_errors(f"the stream {self._stream.name} cannot be followed"):
            async with self._turn:
                await self._subscribe()

    async def stop(self) -> None:
        """End; nothing is handed over afterwards."""
        self._stopped = True
        async with self._turn:
            await self._unsubscribe()

    async def resume(self) -> None:
        """Go on after the last message handed over; left alone, the client library needs up to 20 s to notice."""
        async with self._turn:
            while not self._stopped and self._subscription is not None:
                try:
                    await self._unsubscribe()
                    await self._subscribe()
                except BUS_ERRORS as error:
                    _log.warning("bus.follow_retry", stream=self._stream.name, reason=reason_of(error))
                    await asyncio.sleep(_FOLLOW_AGAIN_S)
                else:
                    return

    async def _subscribe(self) -> None:
        self._subscription = await self._jetstream.subscribe(
            ">" if len(self._stream.subjects) > 1 else self._stream.subjects[0],
            stream=self._stream.name,
            cb=self._receive,
            ordered_consumer=True,
            config=ConsumerConfig(
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=self.sequence + 1, inactive_threshold=60.0
            ),
        )

    async def _unsubscribe(self) -> None:
        if self._subscription is not None:
            with suppress(*BUS_ERRORS):
                await self._subscription.unsubscribe()

    async def _receive(self, message: Msg) -> None:
        stored = _stored(message)
        if self._stopped or stored.sequence <= self.sequence:
            return
        await self._on_message(stored)
        self.sequence = stored.sequence


def _stored(message: Msg) -> StoredMessage:
    metadata = message.metadata
    return StoredMessage(
        metadata.sequence.stream, message.subject, message.data, metadata.timestamp, message.headers or {}
    )
