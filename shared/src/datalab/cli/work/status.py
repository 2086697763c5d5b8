"""What waits on the bus, for `datalab status`."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from datalab.cli.work.bus import connected_bus, server_error
from datalab.errors import DatalabError
from datalab.events.topology import DEAD
from datalab.platform.bus.queues import queue_states


def queues() -> dict[str, Any]:
    """Return for each consumer how many messages wait and are in hand, and how many dead letters there are.

    Raises `CommandError`.
    """

    async def look() -> dict[str, Any]:
        async with connected_bus() as bus:
            found = [asdict(state) for state in await queue_states(bus)]
            return {"queues": found, "dead_letters": (await bus.stream_position(DEAD)).messages}

    try:
        return asyncio.run(look())
    except DatalabError as error:
        raise server_error(error) from error
