"""The one connection of a process to the bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime
from typing import Any
from weakref import WeakSet

from faststream import AckPolicy
from faststream.nats import NatsBroker, PubAck
from faststream.security import SASLPlaintext
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.kv import KeyValue

from datalab.errors import OutageError
from datalab.events.envelope import Event
from datalab.events.processes import WorkInHand
from datalab.events.topology import HEALTH, Bucket, Consumer, Stream
from datalab.platform.bus import streams
from datalab.platform.bus.consuming import Consumers, Subscription
from datalab.platform.bus.errors import bus_errors
from datalab.platform.bus.publishing import Publisher
from datalab.platform.bus.requests import RawAnswer, Responder, RunningResponder, ask
from datalab.platform.bus.streams import StoredMessage, StreamFollower, StreamPosition
from datalab.platform.logging import get_logger
from datalab.platform.metrics import BusMetrics
from datalab.platform.settings import NatsSettings

_log = get_logger(__name__)

_CONNECT_TIMEOUT_S = 5.0
_CHECK_TIMEOUT_S = 1.0
_RECONNECT_WAIT_S = 0.25


class Bus:
    """One process's connection to the bus: the one object services hold.

    It consists of a `Publisher`, `Consumers`, responders and what `streams` reads, over one FastStream broker; its
    methods hand on to them, and what they raise is said there.
    """

    def __init__(
        self, *, settings: NatsSettings, service: str, metrics: BusMetrics, graceful_timeout_s: float = 15.0
    ) -> None:
        self._service = service
        self._metrics = metrics
        self._grace_s = graceful_timeout_s
        security = None
        if settings.nats_user and settings.nats_password:
            security = SASLPlaintext(settings.nats_user, settings.nats_password.get_secret_value(), use_ssl=False)
        self._broker = NatsBroker(
            [url.strip() for url in settings.nats_url.split(",")],
            name=f"datalab-{service}",
            security=security,
            inbox_prefix=settings.inbox_prefix,
            max_reconnect_attempts=-1,  # the default of 60 gives up for good
            reconnect_time_wait=_RECONNECT_WAIT_S,  # type: ignore[arg-type]  # handed to nats-py, which takes a float
            reconnected_cb=self._reconnected,
            graceful_timeout=graceful_timeout_s,
            ack_policy=AckPolicy.MANUAL,
            apply_types=False,  # contents are decoded once, by their subscription
            logger=None,  # it would log a settled failure again; ours is the one record of it
        )
        self._publisher = Publisher(broker=self._broker, metrics=metrics)
        self._consumers = Consumers(broker=self._broker, publisher=self._publisher, metrics=metrics)
        self._responders: list[RunningResponder] = []
        self._followers: WeakSet[StreamFollower] = WeakSet()

    # --- life -------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Connect, without consuming. Raises `TransientError` when no server answers."""
        with bus_errors("the bus does not answer"):
            # The client would wait for a first server as patiently as for a lost one: for ever.
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await self._broker.connect()

    async def start(self) -> None:
        """Begin to consume. `connect()` comes first."""
        await self._broker.start()

    async def stop_consuming(self) -> None:
        """Take no message and no question any more; what is in hand finishes or goes back. Publishing still works."""
        responders, self._responders = self._responders, []
        await asyncio.gather(self._consumers.stop(), *(each.stop(grace_s=self._grace_s) for each in responders))

    async def close(self) -> None:
        """Stop consuming, unless that is done, and disconnect."""
        await self.stop_consuming()
        await self._broker.stop()

    async def check(self) -> None:
        """Raise `TransientError` unless the server answers, stores, and has every consumer this process serves."""
        if not await self._broker.ping(timeout=_CHECK_TIMEOUT_S):
            raise OutageError("the bus does not answer")
        # A server that ran out of disk answers everything and stores nothing.
        with bus_errors("the bus does not store messages"):
            await self.jetstream.publish(f"$KV.{HEALTH.name}.{self._service}", timeout=_CHECK_TIMEOUT_S)
        await self._consumers.check(self.jetstream, timeout_s=_CHECK_TIMEOUT_S)

    async def _reconnected(self) -> None:
        _log.info("bus.reconnected", service=self._service)
        await asyncio.gather(*(follower.resume() for follower in self._followers))

    @property
    def slots(self) -> dict[str, int]:
        """How many messages are handled at once here, by consumer."""
        return dict(self._consumers.slots)

    @property
    def work_in_hand(self) -> tuple[WorkInHand, ...]:
        """The messages that are being handled here."""
        return tuple(self._consumers.work.values())

    # --- messages ---------------------------------------------------------------------------------------------

    def subscribe(self, subscription: Subscription[Any]) -> None:
        """Handle a consumer's messages from `start()` on; `connect()` may have been before."""
        self._consumers.add(subscription)

    async def publish(self, event: Event) -> None:
        await self._publisher.publish(event)

    async def publish_acknowledged(self, event: Event) -> PubAck:
        return await self._publisher.publish_acknowledged(event)

    async def publish_encoded(self, *, subject: str, body: bytes, event_id: str) -> None:
        await self._publisher.publish_encoded(subject=subject, body=body, event_id=event_id)

    async def bury(self, consumer: Consumer, body: bytes, *, subject: str, sequence: int, reason: str) -> None:
        await self._publisher.bury(consumer, body, subject=subject, sequence=sequence, reason=reason)

    async def broadcast(self, *, subject: str, body: bytes) -> None:
        """Send an encoded event to whoever listens now. It is not stored, and nobody is told whether it was heard.

        Raises `TransientError` when there is no connection, and too much waits for one.
        """
        with bus_errors(f"broadcasting on {subject} failed"):
            await self._broker.connection.publish(subject, body)

    async def listen(self, subject: str, on_message: Callable[[str, bytes], Awaitable[None]]) -> None:
        """Hand over subject and body of whatever is published on a subject from now on, until the connection is closed.

        What comes while the connection is lost is not heard: for somebody who waits, and for broadcasts.
        Raises `TransientError`.
        """

        async def receive(message: Msg) -> None:
            await on_message(message.subject, message.data)

        with bus_errors(f"{subject} cannot be listened to"):
            await self._broker.connection.subscribe(subject, cb=receive)

    # --- questions --------------------------------------------------------------------------------------------

    async def ask(self, event: Event, *, within_s: float, max_bytes: int) -> RawAnswer:
        return await ask(self._broker.connection, event, within_s=within_s, max_bytes=max_bytes)

    async def respond(self, responder: Responder[Any]) -> None:
        """Answer questions from now on."""
        running = RunningResponder(broker=self._broker, responder=responder, metrics=self._metrics)
        await running.start()
        self._responders.append(running)

    # --- what is stored ---------------------------------------------------------------------------------------

    @property
    def jetstream(self) -> JetStreamContext:
        """The JetStream context, for what this class does not offer."""
        return streams.jetstream_of(self._broker)

    async def key_value(self, bucket: Bucket) -> KeyValue:
        """Return a declared key-value bucket. Raises `TransientError` when it cannot be reached."""
        with bus_errors(f"the bucket {bucket.name} cannot be reached"):
            return await self.jetstream.key_value(bucket.name)

    async def stream_position(self, stream: Stream) -> StreamPosition:
        return await streams.stream_position(self.jetstream, stream)

    async def stored_message(self, stream: str, sequence: int) -> StoredMessage | None:
        return await streams.stored_message(self.jetstream, stream, sequence)

    def replay(
        self, stream: Stream, *, after: int | datetime, filter_subjects: tuple[str, ...]
    ) -> AsyncGenerator[StoredMessage, None]:
        return streams.replay(self.jetstream, stream, after=after, filter_subjects=filter_subjects)

    def follow(
        self, stream: Stream, *, after: int, on_message: Callable[[StoredMessage], Awaitable[None]]
    ) -> StreamFollower:
        """Return a follower that hands over every message after a sequence, in order, once it is started."""
        follower = StreamFollower(jetstream=self.jetstream, stream=stream, after=after, on_message=on_message)
        self._followers.add(follower)
        return follower
