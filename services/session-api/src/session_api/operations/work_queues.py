"""The runners' queues, and what became of messages they could not take."""

from __future__ import annotations

from datalab.errors import TransientError
from datalab.events.operations import Lane
from datalab.events.topology import PROJECTOR, RUNNERS, Consumer
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.errors import BUS_ERRORS


class WorkQueues:
    """Asks the bus. Every method raises `TransientError` when it does not answer."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def idle(self, lane: Lane) -> bool:
        """Tell whether no request of the lane waits or is in hand, and no report waits to be taken in."""
        return await self._empty(RUNNERS[lane]) and await self._empty(PROJECTOR)

    async def stored_body(self, stream: str, sequence: int) -> bytes | None:
        message = await self._bus.stored_message(stream, sequence)
        return None if message is None else message.body

    async def bury(self, consumer: Consumer, body: bytes, *, sequence: int, reason: str) -> None:
        await self._bus.bury(consumer, body, subject=consumer.filter_subjects[0], sequence=sequence, reason=reason)

    async def _empty(self, consumer: Consumer) -> bool:
        try:
            info = await self._bus.jetstream.consumer_info(consumer.stream, consumer.name)
        except BUS_ERRORS as error:
            raise TransientError(f"the consumer {consumer.name} cannot be asked: {error}") from error
        return not info.num_pending and not info.num_ack_pending
