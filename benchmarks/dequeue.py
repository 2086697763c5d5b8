"""A part of `services.py`: sixteen machines empty a queue, taking items for good, then with a lease and acknowledged.

Each machine asks for the next item when it has the answer to the last one, over a connection that stays open, with the
token of somebody who speaks for the site. All machines are one process beside the API, and ask with as little work as
can be. What one item needs of the processors is told as well: it does not depend on how fast the disk is.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from datalab.client.rest import Datalab
from datalab.local.system import System
from support import cpu_seconds

#: Items taken in a second, as was asked for.
ASKED_PER_S = 500
ITEMS = 5000
MACHINES = 16
QUEUE = "bench"
_FRAME = "aro1-sq003ms_expose_pl-20250426-00091326-EX00.fits.fz"
_PAYLOAD = {"request": "EVA_process_files", "request_content": [_FRAME]}


class Machine:
    """A connection to the API, and what is asked over it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        self._reader, self._writer, self._head = reader, writer, head

    async def post(self, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Return status and body of the answer."""
        head = f"POST {path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        size = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return int(answer[9:12]), await self._reader.readexactly(size)

    async def take(self) -> int | None:
        """Return the number of the first item, None if there is none."""
        status, body = await self.post(f"/pipe/queue/{QUEUE}/dequeue")
        if status == 404:
            return None
        assert status == 200, body
        number: int = json.loads(body)["payload"]["number"]
        return number

    async def borrow(self) -> int | None:
        """Likewise, with a lease; the item is acknowledged at once."""
        status, body = await self.post(f"/pipe/queue/{QUEUE}/dequeue?lease_s=60")
        if status == 404:
            return None
        assert status == 200, body
        item = json.loads(body)
        done = json.dumps({"id": item["id"], "lease": item["lease"]}).encode()
        status, body = await self.post(f"/pipe/queue/{QUEUE}/acknowledge", done)
        assert status == 200, body
        number: int = item["payload"]["number"]
        return number


@asynccontextmanager
async def machines(api_url: str, token: str) -> AsyncIterator[list[Machine]]:
    address = urlsplit(api_url)
    head = f"Host: {address.netloc}\r\nAuthorization: Token {token}\r\n"
    opened = [await asyncio.open_connection(address.hostname, address.port) for _ in range(MACHINES)]
    yield [Machine(reader, writer, head) for reader, writer in opened]
    for _, writer in opened:
        writer.close()


async def fill(present: list[Machine]) -> float:
    """Put the items into the queue, from all connections; return how many came in a second."""
    numbers = iter(range(ITEMS))

    async def put(machine: Machine) -> None:
        for number in numbers:
            body = {"queue_name": QUEUE, "payload": {**_PAYLOAD, "number": number}, "sender": QUEUE}
            status, answer = await machine.post("/pipe/enqueue", json.dumps(body).encode())
            assert status == 200, answer

    began = time.perf_counter()
    await asyncio.gather(*map(put, present))
    return ITEMS / (time.perf_counter() - began)


async def empty(present: list[Machine], take: Callable[[Machine], Any]) -> float:
    """Take all items; return how many were taken in a second. Each has to come once."""
    taken: list[int] = []

    async def work(machine: Machine) -> None:
        while (number := await take(machine)) is not None:
            taken.append(number)

    began = time.perf_counter()
    await asyncio.gather(*map(work, present))
    seconds = time.perf_counter() - began
    assert sorted(taken) == list(range(ITEMS)), "an item was lost, or came twice"
    return ITEMS / seconds


async def dequeues(system: System) -> dict[str, float]:
    """Return how many items can be taken in a second, and the processor time of one in all services together."""
    async with Datalab(system.api_url, system.admin_token) as admin:
        token = await admin.add_user("pipe", ingests=[QUEUE])
    figures: dict[str, float] = {}
    async with machines(system.api_url, token) as present:
        status, answer = await present[0].post("/pipe/queue", json.dumps({"queue_name": QUEUE}).encode())
        assert status == 200, answer
        for name, take in (("dequeue", Machine.take), ("lease", Machine.borrow)):
            figures["enqueue_per_s"] = round(await fill(present))
            before = sum(cpu_seconds().values())
            figures[f"{name}_per_s"] = round(await empty(present, take))
            figures[f"{name}_cpu_ms"] = round(1000 * (sum(cpu_seconds().values()) - before) / ITEMS, 2)
    print(
        f"{ITEMS} items, {MACHINES} machines: {figures['enqueue_per_s']} put in a second; "
        f"{figures['dequeue_per_s']} taken for good (asked {ASKED_PER_S}), "
        f"{figures['dequeue_cpu_ms']} ms of processors each; "
        f"{figures['lease_per_s']} borrowed and acknowledged, {figures['lease_cpu_ms']} ms",
        flush=True,
    )
    return figures
