"""Sixteen machines that empty one queue: items taken for good in a second, and taken with a lease and acknowledged.

Each machine asks for the next item when it has the answer to the last one, over a connection that stays open, with the
token of somebody who speaks for the site. All machines are one process beside the API, and ask with as little work as
can be. What the API and the document store need of the processor for one item is told as well: it does not depend on
how fast the disk is.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from datalab.client.rest import Datalab
from datalab.local.system import System, running_system
from support import report

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


def cpu_s(system: System, name: str) -> float:
    """Return the processor time a process of the system has used."""
    (process,) = (psutil.Process(each.pid) for each in system.supervisor.statuses if each.name == name)
    times = process.cpu_times()
    return float(times.user + times.system)


async def measure(system: System, admin: Datalab) -> dict[str, float]:
    """Return the figures of a running system."""
    token = await admin.add_user("pipe", ingests=[QUEUE])
    figures: dict[str, float] = {}
    async with machines(system.api_url, token) as present:
        status, answer = await present[0].post("/pipe/queue", json.dumps({"queue_name": QUEUE}).encode())
        assert status == 200, answer
        for name, take in (("dequeue", Machine.take), ("lease", Machine.borrow)):
            figures["enqueue_per_s"] = round(await fill(present))
            before = {process: cpu_s(system, process) for process in ("session-api", "mongo")}
            figures[f"{name}_per_s"] = round(await empty(present, take))
            for process, seconds in before.items():
                used_ms = 1000 * (cpu_s(system, process) - seconds) / ITEMS
                figures[f"{name}_{process.removeprefix('session-')}_cpu_ms"] = round(used_ms, 2)
    return figures


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="datalab-bench-", ignore_cleanup_errors=True) as root:
        async with running_system(Path(root)) as system, Datalab(system.api_url, system.admin_token) as admin:
            figures = await measure(system, admin)
    print(f"{ITEMS} items, {MACHINES} machines: {figures['enqueue_per_s']} put in a second,")
    print(f"{figures['dequeue_per_s']} taken for good, {figures['lease_per_s']} borrowed and acknowledged")
    report("dequeue", {"items": ITEMS, "machines": MACHINES, **figures})


if __name__ == "__main__":
    asyncio.run(main())
