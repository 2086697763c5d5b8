"""The bus: publishing that is acknowledged, consuming that settles every message by one set of rules.

A handler raises, and the rule follows from what it raised (house plan, section 5):

==================  =========================================================================
returns             acknowledge
`UsageError`        `on_failure(kind=usage)`, acknowledge: trying again cannot help
`TransientError`    redeliver after `retry_base_s` x 2^n; on the last delivery as above, kind=transient
anything else       log the traceback, `on_failure(kind=fatal)` without internals, acknowledge
unreadable          copy to the dead letters, terminate
cancelled           hand the message back at once (the process is stopping)
==================  =========================================================================
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from time import perf_counter
from typing import Any

import nats.errors
import nats.js.errors
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PubAck, PullSub
from faststream.security import SASLPlaintext
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy as JsAckPolicy
from nats.js.api import ConsumerConfig, DeliverPolicy
from nats.js.kv import KeyValue
from pydantic import ValidationError

from datalab.errors import UNKNOWN_ERROR_MESSAGE, TransientError, UsageError, explain_validation
from datalab.events.envelope import Event
from datalab.events.operations import FailureKind
from datalab.events.topology import Bucket, Consumer, Stream, dead_letter_subject, stream_for
from datalab.platform.bus.consuming import ContentT, Failure, Subscription, UnreadableMessageError
from datalab.platform.bus.errors import BUS_ERRORS
from datalab.platform.bus.requests import RawAnswer, Responder, RunningResponder, ask
from datalab.platform.bus.streams import _RECONNECT_WAIT_S, StoredMessage, StreamFollower, StreamPosition
from datalab.platform.logging import bind_correlation, get_logger
from datalab.platform.metrics import BusMetrics
from datalab.platform.settings import NatsSettings
from datalab.platform.tasks import end_tasks

_log = get_logger(__name__)

#: A fetch that finds nothing asks again after this; it bounds how long a fetch survives a server restart unnoticed.
_FETCH_TIMEOUT_S = 2.0
_PUBLISH_TIMEOUT_S = 2.0  # a publish lost with its connection is repeated, under the same id, after this
_REQUEST_TIMEOUT_S = 5.0
_CONNECT_TIMEOUT_S = 5.0
_LONGEST_RETRY_DELAY_S = 60.0
#: A cancelled handler has to end its processes and give up its leases; a server that is away must not keep us longer.
_HAND_BACK_TIMEOUT_S = 5.0
#: How many stored messages a replay asks for at once.
_REPLAY_BATCH = 256


class Bus:
    """One process's connection to the bus."""

    def __init__(
        self, *, settings: NatsSettings, service: str, metrics: BusMetrics, graceful_timeout_s: float = 15.0
    ) -> None:
        self._service = service
        self._metrics = metrics
        self._subscriptions: list[Subscription[Any]] = []
        self._in_hand: set[asyncio.Task[None]] = set()
        self._on_reconnect: list[Callable[[], Awaitable[None]]] = []
        self._responders: list[RunningResponder] = []
        self._grace_s = graceful_timeout_s
        security = None
        if settings.nats_user and settings.nats_password:
            security = SASLPlaintext(settings.nats_user, settings.nats_password.get_secret_value(), use_ssl=False)
        self._broker = NatsBroker(
            [url.strip() for url in settings.nats_url.split(",")],
            name=f"datalab-{service}",
            security=security,
            max_reconnect_attempts=-1,  # the default of 60 gives up for good
            reconnect_time_wait=_RECONNECT_WAIT_S,  # type: ignore[arg-type]  # handed to nats-py, which takes a float
            reconnected_cb=self._reconnected,
            graceful_timeout=graceful_timeout_s,
            ack_policy=AckPolicy.MANUAL,
            logger=None,
        )
        # FastStream logs a settled failure again; ours is the one record of it.
        logging.getLogger("faststream").setLevel(logging.CRITICAL)

    # --- life -------------------------------------------------------------------------------------------------

    def subscribe(self, subscription: Subscription[Any]) -> None:
        """Handle a consumer's messages from `start()` on."""
        self._subscriptions.append(subscription)
        for _ in range(subscription.concurrency):
            self._attach(subscription)

    async def connect(self) -> None:
        """Connect, without consuming. Raises `TransientError` when no server answers."""
        try:
            # The client would wait for a first server as patiently as for a lost one: for ever.
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await self._broker.connect()
        except BUS_ERRORS as error:
            raise TransientError(f"the bus does not answer: {error or type(error).__name__}") from error

    async def start(self) -> None:
        """Begin to consume. `connect()` comes first."""
        await self._broker.start()

    async def stop(self) -> None:
        """Stop pulling, let messages in hand finish or go back, close."""
        await asyncio.gather(
            *(responder.stop(grace_s=self._grace_s) for responder in self._responders),
            *(subscriber.stop() for subscriber in self._broker.subscribers),
        )
        if self._in_hand:
            for task in self._in_hand:
                task.cancel()
            await asyncio.wait(self._in_hand, timeout=_HAND_BACK_TIMEOUT_S)
        await self._broker.stop()

    async def check(self) -> None:
        """Raise `TransientError` unless the server answers and every consumer this process serves exists."""
        if not await self._broker.ping(timeout=1.0):
            raise TransientError("the bus does not answer")
        for subscription in self._subscriptions:
            consumer = subscription.consumer
            try:
                await self.jetstream.consumer_info(consumer.stream, consumer.name, timeout=1.0)
            except nats.js.errors.NotFoundError as error:
                raise TransientError(f"consumer {consumer.name} is missing: run `datalab topology apply`") from error
            except BUS_ERRORS as error:
                raise TransientError("the bus does not answer") from error

    @property
    def jetstream(self) -> JetStreamContext:
        """The JetStream context, for what this class does not offer."""
        stream_context: JetStreamContext = self._client.jetstream(timeout=_REQUEST_TIMEOUT_S)
        return stream_context

    @property
    def _client(self) -> Client:
        client: Client = self._broker.config.connection_state.connection
        return client

    async def key_value(self, bucket: Bucket) -> KeyValue:
        """Return a declared key-value bucket. Raises `TransientError` when it cannot be reached."""
        try:
            return await self.jetstream.key_value(bucket.name)
        except BUS_ERRORS as error:
            raise TransientError(f"the bucket {bucket.name} cannot be reached: {error}") from error

    # --- publishing -------------------------------------------------------------------------------------------

    async def publish(self, event: Event) -> None:
        """Publish an event and wait until the server has stored it. Raises `TransientError`."""
        await self.publish_encoded(subject=event.subject, body=event.encode(), event_id=event.event_id)

    async def publish_encoded(
        self, *, subject: str, body: bytes, event_id: str, headers: dict[str, str] | None = None
    ) -> None:
        """Publish a body that was encoded before, for example into an outbox. Raises `TransientError`."""
        stream = stream_for(subject).name
        try:
            acknowledgement: PubAck = await self._broker.publish(
                body,
                subject,
                stream=stream,
                headers={"Nats-Msg-Id": event_id, **(headers or {})},
                timeout=_PUBLISH_TIMEOUT_S,
            )
        except BUS_ERRORS as error:
            raise TransientError(f"publishing on {subject} failed: {error or type(error).__name__}") from error
        self._metrics.published(stream, duplicate=bool(acknowledgement.duplicate))

    # --- questions --------------------------------------------------------------------------------------------

    async def ask(self, event: Event, *, within_s: float, max_bytes: int) -> RawAnswer:
        """Ask whoever listens to the event's subject; see `request_reply.ask` for what is raised."""
        return await ask(self._client, event, within_s=within_s, max_bytes=max_bytes)

    async def respond(self, responder: Responder[Any]) -> None:
        """Answer questions from now on until `stop`. Raises `TransientError`."""
        running = RunningResponder(client=lambda: self._client, responder=responder, metrics=self._metrics)
        try:
            await running.start()
        except BUS_ERRORS as error:
            raise TransientError(f"{responder.subject} cannot be listened to: {error}") from error
        self._responders.append(running)

    # --- reading streams ---------------------------------------------------------------------------------------

    async def stream_position(self, stream: Stream) -> StreamPosition:
        """Return where a stream begins and ends now. Raises `TransientError`."""
        try:
            info = await self.jetstream.stream_info(stream.name)
        except BUS_ERRORS as error:
            raise TransientError(f"the stream {stream.name} cannot be read: {error}") from error
        return StreamPosition(epoch=str(info.created), first=info.state.first_seq, last=info.state.last_seq)

    async def replay(
        self, stream: Stream, *, after: int, filter_subjects: tuple[str, ...]
    ) -> AsyncGenerator[StoredMessage, None]:
        """Yield what a stream holds after a sequence, in order, up to the end it has when the last batch is read.

        Raises `TransientError`.
        """
        consumer = None
        try:
            info = await self.jetstream.add_consumer(
                stream.name,
                ConsumerConfig(
                    deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                    opt_start_seq=after + 1,
                    ack_policy=JsAckPolicy.NONE,
                    filter_subjects=list(filter_subjects),
                    inactive_threshold=30.0,
                    mem_storage=True,
                ),
            )
            consumer = info.name
            puller = await self.jetstream.pull_subscribe_bind(consumer=consumer, stream=stream.name)
            try:
                pending = info.num_pending or 0
                while pending:
                    for message in await puller.fetch(min(pending, _REPLAY_BATCH), timeout=_REQUEST_TIMEOUT_S):
                        yield StoredMessage(message.metadata.sequence.stream, message.subject, message.data)
                        pending = message.metadata.num_pending
            finally:
                with suppress(*BUS_ERRORS):
                    await puller.unsubscribe()
        except BUS_ERRORS as error:
            raise TransientError(f"the stream {stream.name} cannot be read: {error or type(error).__name__}") from error
        finally:
            if consumer is not None:
                with suppress(*BUS_ERRORS):
                    await self.jetstream.delete_consumer(stream.name, consumer)

    async def stored_message(self, stream: str, sequence: int) -> StoredMessage | None:
        """Return one message of a stream, or None if it is gone. Raises `TransientError`."""
        try:
            raw = await self.jetstream.get_msg(stream, sequence, direct=True)
        except nats.js.errors.NotFoundError:
            return None
        except BUS_ERRORS as error:
            raise TransientError(f"the stream {stream} cannot be read: {error}") from error
        return StoredMessage(sequence, raw.subject or "", raw.data or b"")

    def follow(
        self, stream: Stream, *, after: int, on_message: Callable[[StoredMessage], Awaitable[None]]
    ) -> StreamFollower:
        """Return a follower that hands over every message after a sequence, in order, once it is started."""
        follower = StreamFollower(jetstream=lambda: self.jetstream, stream=stream, after=after, on_message=on_message)
        self._on_reconnect.append(follower.resume)
        return follower

    async def _reconnected(self) -> None:
        _log.info("bus.reconnected", service=self._service)
        await asyncio.gather(*(resume() for resume in self._on_reconnect))

    # --- settling ---------------------------------------------------------------------------------------------

    def _attach(self, subscription: Subscription[Any]) -> None:
        consumer = subscription.consumer

        # One subject only names the subscriber here: what is delivered is decided by the durable's own filter.
        @self._broker.subscriber(
            consumer.filter_subjects[0] if len(consumer.filter_subjects) == 1 else "",
            stream=JStream(consumer.stream, declare=False),
            durable=consumer.name,
            config=ConsumerConfig(filter_subjects=list(consumer.filter_subjects))
            if len(consumer.filter_subjects) > 1
            else None,
            pull_sub=PullSub(batch_size=1, timeout=_FETCH_TIMEOUT_S),
            ack_policy=AckPolicy.MANUAL,
            decoder=_undecoded,
        )
        async def receive(message: NatsMessage) -> None:
            # FastStream cancels a handler again and again until it is gone, and does not wait for it: nothing could be
            # cleaned up or handed back. In a task of our own it is cancelled once, by `stop`, while we are connected.
            task = asyncio.create_task(self._settle(subscription, message.raw_message))
            self._in_hand.add(task)
            task.add_done_callback(self._in_hand.discard)
            await asyncio.shield(task)

    async def _settle(self, subscription: Subscription[ContentT], message: Msg) -> None:
        consumer = subscription.consumer
        began = perf_counter()
        deliveries = message.metadata.num_delivered
        if deliveries > 1:
            self._metrics.redelivered(consumer.name)
        try:
            content = subscription.decode(message.subject, message.data)
        except (ValidationError, UnreadableMessageError) as error:
            reason = explain_validation(error) if isinstance(error, ValidationError) else str(error)
            await self._bury(consumer, message, f"unreadable: {reason}")
            await message.term()
            self._metrics.handled(consumer.name, "unreadable", perf_counter() - began)
            return
        correlation_id = (
            getattr(content, "correlation_id", None) or f"{consumer.stream}-{message.metadata.sequence.stream}"
        )
        with bind_correlation(correlation_id=correlation_id, consumer=consumer.name):
            async with _heartbeat(message, every_s=consumer.ack_wait_s / 3):
                outcome = await self._handle(subscription, content, message, deliveries)
        self._metrics.handled(consumer.name, outcome, perf_counter() - began)

    async def _handle(
        self, subscription: Subscription[ContentT], content: ContentT, message: Msg, deliveries: int
    ) -> str:
        consumer = subscription.consumer
        try:
            await subscription.handle(content)
        except asyncio.CancelledError:
            with suppress(*BUS_ERRORS):
                await message.nak()
            raise
        except UsageError as error:
            failure = Failure(FailureKind.USAGE, error.message)
        except TransientError as error:
            if deliveries < consumer.max_deliver:
                return await self._retry(consumer, message, deliveries, error)
            failure = Failure(FailureKind.TRANSIENT, error.message)
        except Exception:  # noqa: BLE001 - whatever was not foreseen is our bug, and ends here
            _log.exception("bus.handler_failed", subject=message.subject)
            failure = Failure(FailureKind.FATAL, UNKNOWN_ERROR_MESSAGE)
        else:
            await message.ack()
            return "done"
        try:
            if subscription.on_failure is not None:
                await subscription.on_failure(content, failure)
            if subscription.on_failure is None or subscription.keep_failed:
                await self._bury(consumer, message, f"{failure.kind}: {failure.message}")
        except TransientError as error:
            return await self._retry(consumer, message, deliveries, error)
        await message.ack()
        return str(failure.kind)

    async def _retry(self, consumer: Consumer, message: Msg, deliveries: int, error: TransientError) -> str:
        delay_s = min(consumer.retry_base_s * 2 ** (deliveries - 1), _LONGEST_RETRY_DELAY_S)
        _log.warning("bus.retry", reason=error.message, delivery=deliveries, delay_s=delay_s)
        # If the server is away, the message comes back by itself when its ack_wait ends.
        with suppress(*BUS_ERRORS):
            await message.nak(delay=delay_s)
        return "retry"

    async def _bury(self, consumer: Consumer, message: Msg, reason: str) -> None:
        sequence = message.metadata.sequence.stream
        await self.bury(consumer, message.data, subject=message.subject, sequence=sequence, reason=reason)

    async def bury(self, consumer: Consumer, body: bytes, *, subject: str, sequence: int, reason: str) -> None:
        """Keep a message nobody could handle among the dead letters, with the reason. Raises `TransientError`."""
        _log.error("bus.dead_letter", consumer=consumer.name, subject=subject, sequence=sequence, reason=reason)
        await self.publish_encoded(
            subject=dead_letter_subject(consumer),
            body=body,
            event_id=f"dead-{consumer.name}-{consumer.stream}-{sequence}",
            headers={
                "Datalab-Reason": _header_text(reason),
                "Datalab-Subject": subject,
                "Datalab-Stream": consumer.stream,
                "Datalab-Sequence": str(sequence),
            },
        )
        self._metrics.dead_letter(consumer.name)


@asynccontextmanager
async def _heartbeat(message: Msg, *, every_s: float) -> AsyncIterator[None]:
    """Tell the server regularly that the message is still in hand."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(every_s)
            with suppress(*BUS_ERRORS):  # a lost connection comes back; if too late, the message is redelivered
                await message.in_progress()

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        await end_tasks(task)


async def _undecoded(message: NatsMessage) -> bytes:
    """Leave decoding to the settle rules: an unreadable message must not be an exception in the framework."""
    return message.body


def _header_text(text: str) -> str:
    """NATS headers are single lines of ASCII."""
    return text.encode("ascii", "replace").decode().replace("\r", " ").replace("\n", " ")[:1000]
