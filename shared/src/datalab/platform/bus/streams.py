"""Streams, read from where one wants."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy

from datalab.errors import TransientError
from datalab.events.topology import Stream
from datalab.platform.bus.errors import BUS_ERRORS
from datalab.platform.logging import get_logger

_log = get_logger(__name__)

_RECONNECT_WAIT_S = 0.25


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as a stream keeps it."""

    sequence: int
    subject: str
    body: bytes


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """The ends of a stream. Another epoch is another stream: its sequences say nothing about the former one."""

    epoch: str
    first: int
    last: int


class StreamFollower:
    """Hands over every message of a stream, in order and once, across lost connections."""

    def __init__(
        self,
        *,
        jetstream: Callable[[], JetStreamContext],
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
        try:
            async with self._turn:
                await self._subscribe()
        except BUS_ERRORS as error:
            raise TransientError(f"the stream {self._stream.name} cannot be followed: {error}") from error

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
                    _log.warning("bus.follow_retry", stream=self._stream.name, reason=str(error))
                    await asyncio.sleep(_RECONNECT_WAIT_S)
                else:
                    return

    async def _subscribe(self) -> None:
        self._subscription = await self._jetstream().subscribe(
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
        sequence = message.metadata.sequence.stream
        if self._stopped or sequence <= self.sequence:
            return
        await self._on_message(StoredMessage(sequence, message.subject, message.data))
        self.sequence = sequence
