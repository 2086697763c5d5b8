"""What the system adds to a computation: from the request to COMPLETED on the feed, through REST, bus and websocket.

A tiny Median (two frames of 64 x 64) is requested, one after the other; the time its process spent computing is taken
off. Then the same requests again, whose results exist. Then 500 at once. The comparison of the same run is the bare
computation in a fresh Python process, which is what a script started for each request would cost.

Whoever asks is on the same cores as the system: it takes as little of them as it can, and is told apart.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from datalab.client.feed import FeedClient
from datalab.events.feed import OperationChanged
from datalab.events.frames import FileStored
from datalab.events.object_keys import data_key
from datalab.events.topology import REPORTS
from datalab.local.system import System, running_system
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.streams import StoredMessage
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.store import ObjectStore
from support import FITS_TYPE, cpu_seconds, report, write_frames

FRAMES = 36  # enough for 630 different pairs
SIDE = 64
SINGLE = 100
AT_ONCE = 500
SITE = "sim"
#: What 500 requests at once share.
CONNECTIONS = 100
#: Far less than uvicorn keeps a connection that says nothing (5 s).
MOST_IDLE_S = 1.0

SCRIPT = """
import sys
import numpy as np
from astropy.io import fits
np.median([fits.getdata(path, "SCI") for path in sys.argv[1:]], axis=0)
"""


class LeanClient:
    """Posts JSON over a few connections, in a tenth of the time a full HTTP client takes.

    A connection is opened when it is needed, and used again at once or not at all: the API cuts off those it has heard
    nothing of for a while.
    """

    def __init__(self, url: str, *, token: str) -> None:
        self._address = urlsplit(url)
        self._head = f"Host: {self._address.netloc}\r\nAuthorization: Token {token}\r\n"
        self._places = asyncio.Semaphore(CONNECTIONS)
        self._idle: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, path: str, content: Any) -> Any:
        """Return the decoded answer of what was made."""
        body = json.dumps(content)
        async with self._places:
            reader, writer = await self._connection()
            writer.write(f"POST {path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            status, *headers = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
            (length,) = (header.partition(":")[2] for header in headers if header.startswith("content-length:"))
            answer = await reader.readexactly(int(length))
            self._idle.append((time.monotonic(), reader, writer))
        if " 201 " not in status:
            raise RuntimeError(f"{status}: {answer.decode()}")
        return json.loads(answer)

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            idle_since, reader, writer = self._idle.pop()
            if time.monotonic() - idle_since < MOST_IDLE_S:
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._address.hostname, self._address.port)

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[2].close()


class Measurement:
    """One user with one session, and what the runner reports about their operations."""

    def __init__(self, *, asking: LeanClient, session: int, names: list[str]) -> None:
        self._asking = asking
        self._path = f"/api/datasessions/{session}/operations/"
        self._pairs = itertools.combinations(names, 2)
        self.completed: dict[int, asyncio.Future[float]] = {}
        self._successes: dict[int, asyncio.Future[dict[str, Any]]] = {}

    def next_pair(self) -> tuple[str, str]:
        return next(self._pairs)

    async def watch(self, feed: FeedClient) -> None:
        async for heard in feed:
            event = heard.event
            if isinstance(event, OperationChanged) and event.status in ("COMPLETED", "FAILED", "CANCELLED"):
                end = self._end_of(event.operation_id)
                if event.status == "COMPLETED":
                    end.set_result(time.perf_counter())
                else:
                    end.set_exception(RuntimeError(event.message))

    async def hear_report(self, message: StoredMessage) -> None:
        event = json.loads(message.body)
        if event["type"] == "operation.succeeded.v1" and not self._success_of(event["operation_id"]).done():
            self._success_of(event["operation_id"]).set_result(event)

    async def request(self, pair: tuple[str, str]) -> tuple[int, float]:
        """Return the operation's id and when it was requested."""
        files = [{"source": "archive", "basename": name} for name in pair]
        began = time.perf_counter()
        made = await self._asking.post(self._path, {"name": "Median", "input_data": {"input_files": files}})
        return made["id"], began

    async def run(self, pair: tuple[str, str]) -> float:
        """Return the seconds from request to COMPLETED, less the time spent computing."""
        operation, began = await self.request(pair)
        seconds = await self._end_of(operation) - began
        return seconds - float((await self.success(operation))["compute_s"])

    async def wait(self, operation: int) -> float:
        return await self._end_of(operation)

    async def success(self, operation: int) -> dict[str, Any]:
        """Return what the runner reported about an operation."""
        return await self._success_of(operation)

    def _success_of(self, operation: int) -> asyncio.Future[dict[str, Any]]:
        return self._successes.setdefault(operation, asyncio.get_running_loop().create_future())

    def _end_of(self, operation: int) -> asyncio.Future[float]:
        return self.completed.setdefault(operation, asyncio.get_running_loop().create_future())


async def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="datalab-bench-", ignore_cleanup_errors=True) as root,
        tempfile.TemporaryDirectory(prefix="datalab-frames-") as folder,
    ):
        paths = write_frames(Path(folder), FRAMES, SIDE)
        script_s = [run_script(paths[:2]) for _ in range(5)]
        async with running_system(Path(root)) as system:
            figures = await measure(system, paths)
    script_ms = 1000 * statistics.median(script_s)
    print(f"a Python script per request     {script_ms:7.1f} ms")
    print(f"overhead, result to be computed {figures['p50_ms']:7.1f} ms (p99 {figures['p99_ms']} ms)")
    print(f"overhead, result exists         {figures['cached_p50_ms']:7.1f} ms")
    print(f"{AT_ONCE} at once: {figures['operations_per_s']} operations/s, computed twice: {figures['computed_twice']}")
    print(f"CPU of an operation: {figures['cpu_ms']} ms, of it {figures['cpu_ms_of']}")
    print(f"CPU of who asks for it: {figures['client_cpu_ms']} ms")
    report("overhead", {**figures, "script_ratio": round(script_ms / float(figures["p50_ms"]), 2)})


async def measure(system: System, paths: list[Path]) -> dict[str, float]:
    admin = {"Authorization": f"Token {system.admin_token}"}
    async with (
        httpx.AsyncClient(base_url=f"{system.api_url}/api/", headers=admin, timeout=60.0) as api,
        ObjectStore(system.s3_settings) as store,
    ):
        user = (await api.post("users/", json={"username": "bench", "superuser": True})).raise_for_status().json()
        api.headers["Authorization"] = f"Token {user['token']}"
        bus = Bus(settings=system.nats_settings, service="bench", metrics=BusMetrics(create_registry()))
        await bus.connect()
        url = f"{system.api_url.replace('http', 'ws', 1)}/api/feed"
        names = [path.name.removesuffix("-EX00.fits.fz") for path in paths]
        async with FeedClient(url, token=user["token"]) as feed:
            await feed.subscribe(sites=[SITE])
            await announce(paths, store=store, bus=bus)
            missing = set(names)
            async for heard in feed:
                missing.discard(getattr(heard.event, "basename", ""))
                if not missing:
                    break
        session = (await api.post("datasessions/", json={"name": "bench"})).raise_for_status().json()["id"]
        asking = LeanClient(system.api_url, token=user["token"])
        measurement = Measurement(asking=asking, session=session, names=names)
        await bus.follow(REPORTS, after=0, on_message=measurement.hear_report).start()
        async with FeedClient(url, token=user["token"]) as feed:
            await feed.subscribe(sessions=[session])
            watching = asyncio.create_task(measurement.watch(feed))
            figures = await run_all(measurement)
            watching.cancel()
        asking.close()
        await bus.close()
    return figures


async def run_all(measurement: Measurement) -> dict[str, float]:
    await measurement.run(measurement.next_pair())  # the first one warms caches nobody would measure
    pairs = [measurement.next_pair() for _ in range(SINGLE)]
    fresh_ms = [1000 * await measurement.run(pair) for pair in pairs]
    cached_ms = [1000 * await measurement.run(pair) for pair in pairs]
    many = [measurement.next_pair() for _ in range(AT_ONCE)]
    cpu, of_client = cpu_seconds(), time.process_time()
    began = time.perf_counter()
    requested = await asyncio.gather(*(measurement.request(pair) for pair in many))
    ends = await asyncio.gather(*(measurement.wait(operation) for operation, _ in requested))
    successes = [await measurement.success(operation) for operation, _ in requested]
    cpu_ms = {name: 1000 * (total - cpu[name]) / AT_ONCE for name, total in cpu_seconds().items()}
    client_cpu_ms = 1000 * (time.process_time() - of_client) / AT_ONCE
    computed = Counter(event["result"]["result_key"] for event in successes if not event["reused"])
    return {
        "p50_ms": round(statistics.median(fresh_ms), 1),
        "p99_ms": round(statistics.quantiles(fresh_ms, n=100)[98], 1),
        "cached_p50_ms": round(statistics.median(cached_ms), 1),
        "operations_per_s": round(AT_ONCE / (max(ends) - began), 1),
        "finished": len(ends),
        "computed_twice": sum(count - 1 for count in computed.values()),
        "cpu_ms": round(sum(cpu_ms.values()), 1),
        "cpu_ms_of": {name: round(each, 1) for name, each in cpu_ms.items()},
        "client_cpu_ms": round(client_cpu_ms, 1),
    }


async def announce(paths: list[Path], *, store: ObjectStore, bus: Bus) -> None:
    for path in paths:
        stored = await store.put_file(data_key(path.name), path, content_type=FITS_TYPE)
        await bus.publish(FileStored(site=SITE, key=stored.key, size_bytes=stored.size_bytes, sha256=stored.sha256))


def run_script(paths: list[Path]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", SCRIPT, *map(str, paths)], check=True)
    return time.perf_counter() - began


asyncio.run(main())
