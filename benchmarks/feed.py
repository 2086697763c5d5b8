"""What the feed costs: events to many clients at once, and a client that does not read.

All clients hear the same session. Latency is from before an event is published on the bus to a client having it; the
clients are one process beside the API, so both cores of a small machine are busy. Compared with a fifth of the clients
in the same run. Then as many events as the API can deliver, and last a client that stops reading: when it is cut off,
and what it cost.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import statistics
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from datalab.client.rest import Datalab
from datalab.events.feed import OperationChanged
from datalab.local.system import System, running_system
from datalab.platform.bus.connection import Bus
from datalab.platform.metrics import BusMetrics, create_registry
from support import report

CLIENTS = 500
EVENTS_PER_S = 20.0
SECONDS = 15.0
BURST = 100
_SENT_AT = b'"message":"'


class Client(asyncio.Protocol):
    """As little of a websocket client as can subscribe and take the time of what it hears."""

    def __init__(self, latencies_ms: list[float], handshake: bytes, subscription: bytes) -> None:
        self._latencies_ms = latencies_ms
        self._handshake = handshake
        self._subscription = subscription
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self.subscribed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._handshake)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self.subscribed.done():
            if self._subscription and b"\r\n\r\n" in self._buffer:
                self._transport.write(self._subscription)
                self._subscription = b""
            elif b'"subscribed"' in self._buffer:
                self.subscribed.set_result(None)
                self._buffer.clear()
            return
        now, position, buffer = time.time(), 0, self._buffer
        while True:
            size, head = _frame(buffer, position)
            if head < 0 or len(buffer) < position + head + size:
                break
            start = buffer.find(_SENT_AT, position + head, position + head + size)
            if start >= 0:
                sent_at = float(buffer[start + len(_SENT_AT) : buffer.index(b'"', start + len(_SENT_AT))])
                self._latencies_ms.append(1000 * (now - sent_at))
            position += head + size
        del buffer[:position]


def _frame(buffer: bytearray, position: int) -> tuple[int, int]:
    """Return size and length of the head of the frame at a position; a negative length if it is not all there."""
    if len(buffer) < position + 2:
        return 0, -1
    size, head = buffer[position + 1] & 127, 2
    if size == 126 and len(buffer) >= position + 4:
        return struct.unpack_from(">H", buffer, position + 2)[0], 4
    return (size, head) if size < 126 else (0, -1)


def handshake(address: str, token: str) -> bytes:
    """Return what a client sends first."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET /api/feed HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nAuthorization: Token {token}\r\n\r\n"
    ).encode()


def subscription(session: int) -> bytes:
    """Return a client's frame that subscribes, masked with nothing."""
    text = json.dumps({"action": "subscribe", "sessions": [session]}).encode()
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


async def listen(host: str, port: int, token: str, session: int, clients: int) -> None:
    """Be the process of the clients: connect, and answer each line of standard input with what was heard since."""
    latencies_ms: list[float] = []
    loop = asyncio.get_running_loop()
    for _ in range(clients):
        first = handshake(f"{host}:{port}", token)
        _, client = await loop.create_connection(
            lambda first=first: Client(latencies_ms, first, subscription(session)), host, port
        )
        await client.subscribed
    print("ready", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        heard, count = sorted(latencies_ms), len(latencies_ms)
        latencies_ms.clear()
        figures = {"heard": count}
        if count > 100:
            figures |= {"p50": statistics.median(heard), "p99": heard[int(0.99 * count)]}
        print(json.dumps(figures), flush=True)


class Listeners:
    """The process of the clients, as seen from here."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, *options: str) -> Listeners:
        arguments = (sys.executable, __file__, *options)
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        return cls(process)

    async def heard(self) -> dict[str, float]:
        """Return what was heard since this was asked last."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        figures: dict[str, float] = json.loads(await self._process.stdout.readline())
        return figures

    async def stop(self) -> None:
        self._process.kill()
        await self._process.wait()


class Stage:
    """A session that is told of, and the process that tells."""

    def __init__(self, system: System, bus: Bus, token: str, session: int) -> None:
        self._bus = bus
        self._number = 0
        self.address = urlsplit(system.api_url)
        self.token, self.session = token, session
        (self.api,) = (psutil.Process(each.pid) for each in system.supervisor.statuses if each.name == "session-api")

    async def listeners(self, clients: int) -> Listeners:
        host, port = str(self.address.hostname), str(self.address.port)
        return await Listeners.start(host, port, self.token, str(self.session), str(clients))

    async def tell(self, message: str = "") -> None:
        self._number += 1
        await self._bus.publish(
            OperationChanged(
                session_id=self.session,
                owner="bench",
                operation_id=self._number,
                attempt=1,
                name="Median",
                status="IN_PROGRESS",
                operation_progress=0.5,
                message=message or repr(time.time()),
            )
        )

    def api_mb(self) -> float:
        return round(self.api.memory_full_info().pss / 1e6, 1)


async def steady(stage: Stage, clients: int) -> dict[str, float]:
    """Return latencies at a steady rate, and the memory of the API while it serves so many."""
    listeners = await stage.listeners(clients)
    began = time.perf_counter()
    for number in range(int(EVENTS_PER_S * SECONDS)):
        await asyncio.sleep(max(0.0, began + number / EVENTS_PER_S - time.perf_counter()))
        await stage.tell()
    await asyncio.sleep(2.0)
    heard = await listeners.heard()
    assert heard["heard"] == clients * int(EVENTS_PER_S * SECONDS), heard
    figures = {"p50_ms": round(heard["p50"], 1), "p99_ms": round(heard["p99"], 1), "api_mb": stage.api_mb()}
    if clients == CLIENTS:
        began = time.perf_counter()
        await asyncio.gather(*(stage.tell() for _ in range(BURST)))
        left = clients * BURST
        while left:
            await asyncio.sleep(0.02)
            left -= int((await listeners.heard())["heard"])
        figures["deliveries_per_s"] = round(clients * BURST / (time.perf_counter() - began))
    await listeners.stop()
    return figures


async def deaf(stage: Stage) -> dict[str, float]:
    """Return after how long a client that does not read is cut off, and how much the API had grown by then."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((stage.address.hostname, stage.address.port))
        client.sendall(handshake(stage.address.netloc, stage.token))
        await asyncio.sleep(1.0)
        client.sendall(subscription(stage.session))
        await asyncio.sleep(1.0)
        before = stage.api_mb()
        most, began = before, time.perf_counter()
        while any(each.raddr and each.raddr.port == client.getsockname()[1] for each in stage.api.net_connections()):
            await asyncio.gather(*(stage.tell("x" * 4000) for _ in range(50)))
            most = max(most, stage.api_mb())
            assert time.perf_counter() - began < 60, "it was never cut off"
        return {
            "deaf_client_cut_off_after_s": round(time.perf_counter() - began, 1),
            "deaf_client_mb": round(most - before, 1),
        }


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="datalab-bench-", ignore_cleanup_errors=True) as root:
        async with running_system(Path(root)) as system, Datalab(system.api_url, system.admin_token) as admin:
            token = await admin.add_user("bench")
            async with admin.as_user(token) as api:
                session: dict[str, Any] = await api.call("POST", "datasessions/", json={"name": "bench"})
            bus = Bus(settings=system.nats_settings, service="bench", metrics=BusMetrics(create_registry()))
            await bus.connect()
            stage = Stage(system, bus, token, session["id"])
            few = await steady(stage, CLIENTS // 5)
            many = await steady(stage, CLIENTS)
            cut_off = await deaf(stage)
            await bus.close()
    for clients, figures in ((CLIENTS // 5, few), (CLIENTS, many)):
        latencies = f"p50 {figures['p50_ms']} ms, p99 {figures['p99_ms']} ms"
        print(f"{clients:4} clients, {EVENTS_PER_S:g} events/s: {latencies}, API {figures['api_mb']} MB")
    print(f"at most {many['deliveries_per_s']} deliveries/s")
    print("a client that does not read: cut off after {} s, {} MB".format(*cut_off.values()))
    compared = {"fewer_clients": CLIENTS // 5, "fewer_p50_ms": few["p50_ms"], "fewer_p99_ms": few["p99_ms"]}
    report("feed", {"clients": CLIENTS, **many, **cut_off, **compared})


if __name__ == "__main__":
    if len(sys.argv) > 1:
        where, door, secret, number, count = sys.argv[1:]
        asyncio.run(listen(where, int(door), secret, int(number), int(count)))
    else:
        asyncio.run(main())
