"""What waits on the bus, for `datalab status`."""

from __future__ import annotations

import asyncio
from typing import Any

from nats.js.errors import NotFoundError

from datalab.cli.connection import CommandError
from datalab.cli.work.bus import connected_bus, server_error
from datalab.errors import DatalabError
from datalab.events.topology import CONSUMERS, DEAD, Consumer
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.errors import bus_errors


def queues() -> dict[str, Any]:
    """Return for each consumer how many messages wait and are in hand, and how many dead letters there are.

    Raises `CommandError`.
    """

    async def look() -> dict[str, Any]:
        async with connected_bus() as bus:
            found = [await _queue(bus, consumer) for consumer in CONSUMERS]
            with bus_errors(f"the stream {DEAD.name} cannot be read"):
                dead = await bus.jetstream.stream_info(DEAD.name)
        return {"queues": found, "dead_letters": dead.state.messages}

    try:
        return asyncio.run(look())
    except DatalabError as error:
        raise server_error(error) from error


async def _queue(bus: Bus, consumer: Consumer) -> dict[str, Any]:
    with bus_errors(f"the consumer {consumer.name} cannot be read"):
        try:
            info = await bus.jetstream.consumer_info(consumer.stream, consumer.name)
        except NotFoundError as error:
            raise CommandError(f"the consumer {consumer.name} is missing: run `datalab topology apply`") from error
    return {"consumer": consumer.name, "waiting": info.num_pending or 0, "in_hand": info.num_ack_pending or 0}
