"""What waits on the bus."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from nats.js.errors import NotFoundError

from datalab.errors import TransientError
from datalab.events.topology import CONSUMERS, Consumer
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.errors import bus_errors


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """How many messages wait for a consumer, how many it has in hand, and how many of those were tried before."""

    consumer: str
    description: str
    waiting: int
    in_hand: int
    redelivered: int


async def queue_states(bus: Bus) -> list[QueueState]:
    """Return the state of every declared consumer. Raises `TransientError`."""
    return await asyncio.gather(*(_state(bus, consumer) for consumer in CONSUMERS))


async def _state(bus: Bus, consumer: Consumer) -> QueueState:
    with bus_errors(f"the consumer {consumer.name} cannot be read"):
        try:
            info = await bus.jetstream.consumer_info(consumer.stream, consumer.name)
        except NotFoundError as error:
            raise TransientError(f"the consumer {consumer.name} is missing: run `datalab topology apply`") from error
    return QueueState(
        consumer=consumer.name,
        description=consumer.description,
        waiting=info.num_pending or 0,
        in_hand=info.num_ack_pending or 0,
        redelivered=info.num_redelivered or 0,
    )
