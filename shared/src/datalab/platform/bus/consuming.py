"""Consuming that settles every message by one set of rules.

A handler raises, and the rule follows from what it raised:

==================  =========================================================================
returns             acknowledge
`UsageError`        `on_failure(kind=usage)`, acknowledge: trying again cannot help
`TransientError`    redeliver after `retry_base_s` x 2^n; on the last try as above, kind=transient
`AwaitedError`      the same with few tries, further apart; on the last one the message counts as refused
`PostponedError`    redeliver soon; that was no try. If it is an `OutageError`, tell `on_outage`
anything else       log the traceback, `on_failure(kind=fatal)` without internals, acknowledge
unreadable          copy to the dead letters, terminate
cancelled           hand the message back at once (the process is stopping); that was no try
no end              every try ended its process: `on_failure(kind=transient)` and the dead letters
==================  =========================================================================
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, Generic, TypeVar

import nats.js.errors
from faststream import AckPolicy, BaseMiddleware, ContextRepo
from faststream.nats import JStream, NatsBroker, NatsMessage, NatsRouter, PullSub
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig
from pydantic import ValidationError

from datalab.errors import (
    UNKNOWN_ERROR_MESSAGE,
    AwaitedError,
    OutageError,
    PostponedError,
    TransientError,
    UsageError,
    explain_validation,
)
from datalab.events.envelope import utc_now
from datalab.events.operations import FailureKind
from datalab.events.processes import WorkInHand
from datalab.events.topology import Consumer
from datalab.platform.bus.errors import BUS_ERRORS, bus_errors
from datalab.platform.bus.hand_backs import HandBacks
from datalab.platform.bus.publishing import Publisher
from datalab.platform.logging import bind_correlation, get_logger
from datalab.platform.metrics import BusMetrics
from datalab.platform.tasks import end_tasks

_log = get_logger(__name__)

#: A fetch that finds nothing asks again after this; it bounds how long a fetch survives a server restart unnoticed.
_FETCH_TIMEOUT_S = 2.0
_LONGEST_RETRY_DELAY_S = 60.0
#: What was announced too early comes within minutes; who announces what never comes must cost little.
_MOST_AWAITING_TRIES, _LONGEST_AWAITING_DELAY_S = 6, 150.0
#: An outage's end is found by trying; work that waits for other work comes back sooner.
_LONGEST_OUTAGE_DELAY_S = 15.0
_FIRST_POSTPONEMENT_S, _LONGEST_POSTPONEMENT_S = 0.1, 2.0
_NEVER_ENDED = "The process that worked on it was ended every time it was tried. Please try again with less data."
#: A cancelled handler has to end its processes and give up its leases; a server that is away must not keep us longer.
_HAND_BACK_TIMEOUT_S = 5.0

ContentT = TypeVar("ContentT")


class UnreadableMessageError(Exception):
    """The message is not one of ours; raised by a decoder, with the reason."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message could not be handled, in words for whoever asked; `refused` if that is the sender's business."""

    kind: FailureKind
    message: str
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription(Generic[ContentT]):
    """What to do with the messages of one durable consumer.

    `decode` gets subject and body, and raises `pydantic.ValidationError` or `UnreadableMessageError` for what is not
    ours; `on_unreadable` hears of it, with subject, body and reason. `on_failure` says the outcome to whoever waits
    for it; without it, the message becomes a dead letter. With `keep_failed` it becomes one all the same, for an
    operator to look at. `on_outage` says what is waited for. `describe` says in words what a message is about, to
    whoever looks at what the process does.
    `concurrency` messages are in hand at once, each fetched by itself, so none waits behind another.
    """

    consumer: Consumer
    decode: Callable[[str, bytes], ContentT]
    handle: Callable[[ContentT], Awaitable[None]]
    on_failure: Callable[[ContentT, Failure], Awaitable[None]] | None = None
    on_outage: Callable[[ContentT, str], Awaitable[None]] | None = None
    on_unreadable: Callable[[str, bytes, str], Awaitable[None]] | None = None
    describe: Callable[[ContentT], str] | None = None
    keep_failed: bool = False
    concurrency: int = 1


class Consumers:
    """The durable consumers a process serves, and the messages it has in hand."""

    def __init__(self, *, broker: NatsBroker, publisher: Publisher, metrics: BusMetrics) -> None:
        self.publisher = publisher
        self.metrics = metrics
        self.in_hand: set[asyncio.Task[None]] = set()
        self.hand_backs = HandBacks(broker)
        #: What is being handled, by its delivery.
        self.work: dict[object, WorkInHand] = {}
        #: How many messages are handled at once, by consumer.
        self.slots: dict[str, int] = {}
        self._broker = broker
        self._served: list[Consumer] = []

    def add(self, subscription: Subscription[Any]) -> None:
        """Handle a consumer's messages from the broker's start on."""
        consumer = subscription.consumer
        self._served.append(consumer)
        self.slots[consumer.name] = subscription.concurrency
        self.metrics.serves(consumer.name)

        async def decoded(message: NatsMessage) -> Any:
            return subscription.decode(message.raw_message.subject, message.raw_message.data)

        def delivery(msg: Any, /, *, context: ContextRepo) -> _Delivery:
            return _Delivery(msg, context=context, subscription=subscription, consumers=self)

        router = NatsRouter(middlewares=[delivery])
        for _ in range(subscription.concurrency):
            router.subscriber(
                stream=JStream(consumer.stream, declare=False),
                durable=consumer.name,
                config=ConsumerConfig(filter_subjects=list(consumer.filter_subjects)),
                pull_sub=PullSub(batch_size=1, timeout=_FETCH_TIMEOUT_S),
                ack_policy=AckPolicy.MANUAL,
                decoder=decoded,
                no_reply=True,  # a message from outside may carry a header that asks for one, on any subject
            )(subscription.handle)
        self._broker.include_router(router)

    async def check(self, jetstream: JetStreamContext, *, timeout_s: float) -> None:
        """Raise `TransientError` unless the server knows every consumer."""
        for consumer in self._served:
            with bus_errors("the bus does not answer"):
                try:
                    await jetstream.consumer_info(consumer.stream, consumer.name, timeout=timeout_s)
                except nats.js.errors.NotFoundError as error:
                    raise TransientError(
                        f"consumer {consumer.name} is missing: run `datalab topology apply`"
                    ) from error

    async def stop(self) -> None:
        """Pull no more, let what is in hand finish within the broker's grace, hand back the rest."""
        await asyncio.gather(*(subscriber.stop() for subscriber in self._broker.subscribers))
        if self.in_hand:
            for task in self.in_hand:
                task.cancel()
            await asyncio.wait(self.in_hand, timeout=_HAND_BACK_TIMEOUT_S)


class _Delivery(BaseMiddleware[Any, Any]):
    """One delivery of one message: the middleware between FastStream and a handler, which settles the message."""

    msg: Msg

    def __init__(
        self, msg: Msg, /, *, context: ContextRepo, subscription: Subscription[Any], consumers: Consumers
    ) -> None:
        super().__init__(msg, context=context)
        self._subscription = subscription
        self._consumer = subscription.consumer
        self._publisher = consumers.publisher
        self._metrics = consumers.metrics
        self._in_hand = consumers.in_hand
        self._work = consumers.work
        self._hand_backs = consumers.hand_backs
        self._number = msg.metadata.num_delivered
        self._sequence = msg.metadata.sequence.stream
        self._handed_back = 0

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: Any) -> None:
        # FastStream cancels a handler again and again until it is gone, and does not wait for it: nothing could be
        # cleaned up or handed back. In a task of our own it is cancelled once, by `stop`, while we are connected.
        task = asyncio.create_task(self._settle(msg, partial(call_next, msg)))
        self._in_hand.add(task)
        task.add_done_callback(self._in_hand.discard)
        await asyncio.shield(task)

    async def _settle(self, message: NatsMessage, handle: Callable[[], Awaitable[None]]) -> None:
        began = perf_counter()
        if self._number > 1:
            self._metrics.redelivered(self._consumer.name)
        outcome = await self._outcome(message, handle)
        self._metrics.handled(self._consumer.name, outcome, perf_counter() - began)

    async def _outcome(self, message: NatsMessage, handle: Callable[[], Awaitable[None]]) -> str:
        try:
            content = await message.decode()
        except Exception as error:  # noqa: BLE001 - what no decoder foresaw would be delivered again for ever
            reason = _why_unreadable(error)
            if self._subscription.on_unreadable is not None:
                await self._subscription.on_unreadable(self.msg.subject, self.msg.data, reason)
            await self._bury(f"unreadable: {reason}")
            await self.msg.term()
            return "unreadable"
        correlation_id = getattr(content, "correlation_id", None) or f"{self._consumer.stream}-{self._sequence}"
        with bind_correlation(correlation_id=correlation_id, consumer=self._consumer.name, sequence=self._sequence):
            async with _heartbeat(self.msg, every_s=self._consumer.ack_wait_s / 3):
                self._work[self] = self._in_words(content)
                try:
                    if await self._tries() > self._consumer.max_tries:
                        return await self._fail(content, Failure(FailureKind.TRANSIENT, _NEVER_ENDED), keep=True)
                    return await self._handled(content, handle)
                finally:
                    del self._work[self]

    def _in_words(self, content: Any) -> WorkInHand:
        describe = self._subscription.describe
        what = "" if describe is None else describe(content)
        return WorkInHand(consumer=self._consumer.name, what=what, since=utc_now())

    async def _tries(self) -> int:
        """Return which try of the message this is; where nobody knows, the first."""
        if self._number == 1:
            return 1
        count = await self._hand_backs.count(self._consumer, self._sequence)
        self._handed_back = self._number - 1 if count is None else count
        return self._number - self._handed_back

    async def _handled(self, content: Any, handle: Callable[[], Awaitable[None]]) -> str:
        try:
            await handle()
        except asyncio.CancelledError:
            await self._hand_back(delay_s=None)
            raise
        except UsageError as error:
            failure = Failure(FailureKind.USAGE, error.message, refused=True)
        except OutageError as error:
            return await self._wait_for(error, content)
        except PostponedError:
            await self._hand_back(delay_s=min(_FIRST_POSTPONEMENT_S * 2**self._number, _LONGEST_POSTPONEMENT_S))
            return "postponed"
        except TransientError as error:
            awaited = isinstance(error, AwaitedError)
            most = min(self._consumer.max_tries, _MOST_AWAITING_TRIES) if awaited else self._consumer.max_tries
            if self._number - self._handed_back < most:
                return await self._retry(error)
            failure = Failure(FailureKind.TRANSIENT, error.message, refused=awaited)
        except Exception:  # noqa: BLE001 - whatever was not foreseen is our bug, and ends here
            _log.exception("bus.handler_failed", subject=self.msg.subject)
            failure = Failure(FailureKind.FATAL, UNKNOWN_ERROR_MESSAGE)
        else:
            await self.msg.ack()
            return "done"
        return await self._fail(content, failure, keep=self._subscription.keep_failed)

    async def _fail(self, content: Any, failure: Failure, *, keep: bool) -> str:
        try:
            if self._subscription.on_failure is not None:
                await self._subscription.on_failure(content, failure)
            if self._subscription.on_failure is None or keep:
                await self._bury(f"{failure.kind}: {failure.message}", refused=failure.refused)
        except TransientError as error:
            return await self._retry(error)
        await self.msg.ack()
        return str(failure.kind)

    async def _wait_for(self, error: OutageError, content: Any) -> str:
        """Hand the message back for as long as an outage lasts, however long that is."""
        delay_s = min(self._consumer.retry_base_s * 2 ** min(self._number - 1, 10), _LONGEST_OUTAGE_DELAY_S)
        _log.warning("bus.outage", reason=error.message, delivery=self._number, delay_s=delay_s)
        if self._subscription.on_outage is not None:
            with suppress(TransientError):  # the bus may be what is away
                await self._subscription.on_outage(content, error.message)
        await self._hand_back(delay_s=delay_s)
        return "outage"

    async def _hand_back(self, *, delay_s: float | None) -> None:
        """Have the message delivered again, without a try being counted."""
        await self._hand_backs.set(self._consumer, self._sequence, self._handed_back + 1)
        with suppress(*BUS_ERRORS):
            await self.msg.nak(delay=delay_s)

    async def _retry(self, error: TransientError) -> str:
        tries = self._number - self._handed_back
        if isinstance(error, AwaitedError):
            delay_s = min(self._consumer.retry_base_s * 4 ** (tries - 1), _LONGEST_AWAITING_DELAY_S)
        else:
            delay_s = min(self._consumer.retry_base_s * 2 ** (tries - 1), _LONGEST_RETRY_DELAY_S)
        _log.warning("bus.retry", reason=error.message, attempt=tries, delay_s=delay_s)
        # If the server is away, the message comes back by itself when its ack_wait ends.
        with suppress(*BUS_ERRORS):
            await self.msg.nak(delay=delay_s)
        return "retry"

    async def _bury(self, reason: str, *, refused: bool = False) -> None:
        await self._publisher.bury(
            self._consumer,
            self.msg.data,
            subject=self.msg.subject,
            sequence=self._sequence,
            reason=reason,
            refused=refused,
        )


def _why_unreadable(error: Exception) -> str:
    match error:
        case ValidationError():
            return explain_validation(error)
        case UnreadableMessageError():
            return str(error)
        case _:
            _log.exception("bus.decoder_failed")
            return f"{type(error).__name__} while it was read"


@asynccontextmanager
async def _heartbeat(message: Msg, *, every_s: float) -> AsyncIterator[None]:
    """Tell the server regularly that the message is still in hand. Most messages are not for so long: a timer each."""
    loop = asyncio.get_running_loop()
    beats: set[asyncio.Task[None]] = set()
    timer: asyncio.TimerHandle

    def beat() -> None:
        nonlocal timer
        beats.add(task := loop.create_task(_tell_in_hand(message)))
        task.add_done_callback(beats.discard)
        timer = loop.call_later(every_s, beat)

    timer = loop.call_later(every_s, beat)
    try:
        yield
    finally:
        timer.cancel()
        await end_tasks(*beats)


async def _tell_in_hand(message: Msg) -> None:
    with suppress(*BUS_ERRORS):  # a lost connection comes back; if too late, the message is redelivered
        await message.in_progress()
