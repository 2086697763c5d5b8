"""Questions on the bus: asked of whoever is there, answered at once or not at all, with answers of any size.

Plain NATS, so nothing is stored and nothing is tried again: somebody waits, and can ask again.

An answer is a head, an encoded event, and a body in parts. A NATS server cuts the connection of a client that leaves
more than 64 MiB unread (its default `max_pending`), and with it everything else that client does. So each part is
acknowledged before the next one is sent, which also tells the sender when nobody waits any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Generic, Protocol, TypeVar

import nats.js.api
from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription
from pydantic import ValidationError

from datalab.errors import UNKNOWN_ERROR_MESSAGE, TransientError, UsageError, explain_validation
from datalab.events.envelope import Event
from datalab.events.operations import FailureKind
from datalab.events.topology import QueueGroup
from datalab.platform.bus.errors import BUS_ERRORS, bus_errors, reason_of
from datalab.platform.logging import bind_correlation, get_logger
from datalab.platform.metrics import BusMetrics
from datalab.platform.tasks import end_tasks

_log = get_logger(__name__)

#: In the head: how many bytes of body follow.
BODY_BYTES_HEADER = "Datalab-Body-Bytes"
#: Half of what NATS takes by default, a quarter of what ours take; the cost of a message is nothing beside it.
PART_BYTES = 512 * 1024
#: Whoever asked takes a part within this, or is gone.
_PART_TIMEOUT_S = 5.0
_FLUSH_TIMEOUT_S = 5
_NO_RESPONDERS = "503"  # the status with which a server answers for a subject nobody listens to


class Request(Protocol):
    """What is asked, decoded."""

    @property
    def correlation_id(self) -> str: ...


class Head(Protocol):
    """What an answer begins with: an event, or what a foreign client reads."""

    def encode(self) -> bytes: ...


RequestT = TypeVar("RequestT", bound=Request)


class NobodyThereError(TransientError):
    """Nobody listens to the subject."""


class NoAnswerError(TransientError):
    """The time ran out before the answer was there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered: a head, and the body as it is."""

    head: Head
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer as it arrived."""

    head: bytes
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Responder(Generic[RequestT]):
    """How a queue group's requests on one subject are answered.

    `decode` gets subject and body, and `answer` raises, as in a `Subscription`; `refuse` makes the head of an answer
    from the kind of failure and a text. More than `concurrency` requests at once are refused as transient: whoever
    asks waits for no queue.
    """

    group: QueueGroup
    subject: str
    decode: Callable[[str, bytes], RequestT]
    answer: Callable[[RequestT], Awaitable[Answer]]
    refuse: Callable[[FailureKind, str], Head]
    concurrency: int


class RunningResponder:
    """A responder at work."""

    def __init__(self, *, broker: NatsBroker, responder: Responder[Any], metrics: BusMetrics) -> None:
        self._broker = broker
        self._responder = responder
        self._consumer = responder.group.name
        self._metrics = metrics
        self._in_hand: set[asyncio.Task[None]] = set()
        self._subscription: NatsSubscription | None = None

    async def start(self) -> None:
        """Listen, from the moment this returns. The client library subscribes again after a lost connection.

        Raises `TransientError`.
        """
        client, subject = self._broker.connection, self._responder.subject
        with bus_errors(f"{subject} cannot be listened to"):
            self._subscription = await client.subscribe(subject, queue=self._consumer, cb=self._receive)
            for _ in range(2):  # the first ping of nats-py 2.16 overtakes a subscription that waits to be written
                await client.flush(_FLUSH_TIMEOUT_S)

    async def stop(self, *, grace_s: float) -> None:
        """Listen no more, give requests in hand some time, end them."""
        if self._subscription is not None:
            with suppress(*BUS_ERRORS):
                await self._subscription.unsubscribe()
        if self._in_hand:
            await asyncio.wait(self._in_hand, timeout=grace_s)
        await end_tasks(*self._in_hand)

    async def _receive(self, message: Msg) -> None:
        task = asyncio.create_task(self._respond(message, crowded=len(self._in_hand) >= self._responder.concurrency))
        self._in_hand.add(task)
        task.add_done_callback(self._in_hand.discard)

    async def _respond(self, message: Msg, *, crowded: bool) -> None:
        began = perf_counter()
        answer, outcome = await self._answer(message, crowded=crowded)
        try:
            if message.reply:  # else nobody wants to know
                await self._send(answer, message.reply)
        except BUS_ERRORS as error:  # whoever asked does not wait any more, or asks again
            _log.info("bus.answer_not_taken", consumer=self._consumer, subject=message.subject, reason=reason_of(error))
            outcome = "not taken"
        self._metrics.handled(self._consumer, outcome, perf_counter() - began)

    async def _answer(self, message: Msg, *, crowded: bool) -> tuple[Answer, str]:
        responder = self._responder
        try:
            request = responder.decode(message.subject, message.data)
        except Exception as error:  # noqa: BLE001 - whoever asks is answered, also for what no decoder foresaw
            reason = explain_validation(error) if isinstance(error, ValidationError) else type(error).__name__
            _log.error("bus.unreadable_request", consumer=self._consumer, subject=message.subject, reason=reason)
            return self._refused(FailureKind.FATAL, UNKNOWN_ERROR_MESSAGE)
        if crowded:
            return self._refused(FailureKind.TRANSIENT, "too many requests at once")
        with bind_correlation(correlation_id=request.correlation_id, consumer=self._consumer):
            try:
                return await responder.answer(request), "done"
            except UsageError as error:
                return self._refused(FailureKind.USAGE, error.message)
            except TransientError as error:
                return self._refused(FailureKind.TRANSIENT, error.message)
            except Exception:  # noqa: BLE001 - whatever was not foreseen is our bug, and ends here
                _log.exception("bus.responder_failed", subject=message.subject)
                return self._refused(FailureKind.FATAL, UNKNOWN_ERROR_MESSAGE)

    def _refused(self, kind: FailureKind, message: str) -> tuple[Answer, str]:
        return Answer(self._responder.refuse(kind, message)), str(kind)

    async def _send(self, answer: Answer, inbox: str) -> None:
        client, size = self._broker.connection, len(answer.body)
        await client.publish(inbox, answer.head.encode(), headers={BODY_BYTES_HEADER: str(size)})
        for start in range(0, size, PART_BYTES):
            await client.request(inbox, answer.body[start : start + PART_BYTES], timeout=_PART_TIMEOUT_S)


async def ask(client: Client, event: Event, *, within_s: float, max_bytes: int) -> RawAnswer:
    """Publish a question on the event's subject, and return the answer.

    Raises:
        NobodyThereError: nobody listens to the subject.
        NoAnswerError: the answer was not complete in time.
        TransientError: the server is away, or the answer has more than `max_bytes`.
    """
    try:
        async with asyncio.timeout(within_s), _inbox(client) as (inbox, subscription):
            await client.publish(event.subject, event.encode(), reply=inbox)
            head = await subscription.next_msg(timeout=None)
            if (head.headers or {}).get(nats.js.api.Header.STATUS) == _NO_RESPONDERS:
                raise NobodyThereError(f"nobody listens to {event.subject}")
            return RawAnswer(head.data, await _body(head, subscription, max_bytes))
    except TimeoutError as error:
        raise NoAnswerError(f"no answer to {event.subject} within {within_s:g} s") from error
    except BUS_ERRORS as error:
        raise TransientError(f"asking {event.subject} failed: {reason_of(error)}") from error


async def _body(head: Msg, subscription: NatsSubscription, max_bytes: int) -> bytes:
    size = int((head.headers or {}).get(BODY_BYTES_HEADER, 0))
    if size > max_bytes:
        raise TransientError(f"an answer of {size} bytes: at most {max_bytes} are taken")
    body = bytearray()
    while len(body) < size:
        part = await subscription.next_msg(timeout=None)
        body += part.data
        await part.respond(b"")
    return bytes(body)


@asynccontextmanager
async def _inbox(client: Client) -> AsyncIterator[tuple[str, NatsSubscription]]:
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox)
    try:
        yield inbox, subscription
    finally:
        with suppress(*BUS_ERRORS):
            await subscription.unsubscribe()
