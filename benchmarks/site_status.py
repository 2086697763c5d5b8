"""What a status of a site costs: the processor's time of the API, of MongoDB and of the bus, for each of many.

Thirty sites say how their devices are, 20 KB each, as fast as their turns come; two people listen to each site. Time of
processors, not on the clock: what else the machine does does not count.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from datalab.local.ports import free_port
from datalab.local.reach import Reach
from datalab.local.system import running_system
from support import cpu_seconds, report

SITES = 30
STATUSES = 3000
VALUES = 500
LISTENERS_PER_SITE = 2


def status(number: int) -> bytes:
    """Return what a site says: 500 values of ten devices, and 20 KB as it is kept."""
    devices: dict[str, Any] = {}
    for value in range(VALUES):
        devices.setdefault(f"device_{value % 10}", {})[f"reading_{value}"] = number + value / 8
    return json.dumps({"statusType": "device", "status": {"mount": devices}}).encode()


async def say(url: str) -> float:
    """Say everything; return the seconds on the clock."""
    turns = iter(range(STATUSES))
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:

        async def take_turns() -> None:
            for number in turns:
                reply = await client.post(f"/status/s{number % SITES}/status/", content=status(number))
                reply.raise_for_status()

        began = time.perf_counter()
        await asyncio.gather(*(take_turns() for _ in range(8)))
        return time.perf_counter() - began


async def hear(listener: ClientConnection, heard: Counter[str]) -> None:
    async for _ in listener:
        heard["statuses"] += 1


async def measure() -> dict[str, Any]:
    environ = {
        "DATALAB_OPEN_UPLOAD_SITES": '["*"]',
        "DATALAB_SITE_STATUS_PER_MINUTE": "1000000",
        "DATALAB_SITE_STATUS_ADDRESS_PER_MINUTE": "1000000",
    }
    with tempfile.TemporaryDirectory() as folder:
        async with running_system(Path(folder), reach=Reach(api_port=free_port()), environ=environ) as system:
            heard: Counter[str] = Counter()
            async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
                hearing = []
                for number in range(SITES * LISTENERS_PER_SITE):
                    url = f"{system.api_url.replace('http', 'ws', 1)}/dev?site=s{number % SITES}"
                    listener = await stack.enter_async_context(connect(url, proxy=None))
                    hearing.append(group.create_task(hear(listener, heard)))
                before = cpu_seconds()
                seconds = await say(system.api_url)
                used = {name: after - before.get(name, 0.0) for name, after in cpu_seconds().items()}
                for each in hearing:
                    each.cancel()
            async with httpx.AsyncClient(base_url=system.api_url, timeout=60) as client:
                kept = (await client.get("/status/s0/device/")).content
    return {
        "status_kib": round(len(kept) / 1024, 1),
        "api_cpu_ms": round(1000 * used["session_api"] / STATUSES, 2),
        "mongod_cpu_ms": round(1000 * used["mongod"] / STATUSES, 2),
        "nats_cpu_ms": round(1000 * used["nats-server"] / STATUSES, 2),
        "told_per_status": round(heard["statuses"] / LISTENERS_PER_SITE / STATUSES, 2),
        "statuses_per_s": round(STATUSES / seconds, 1),
    }


if __name__ == "__main__":
    report("site_status", asyncio.run(measure()))
