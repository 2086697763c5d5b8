"""The memory of the session API under the worst clients its limits allow, and what others notice of them.

Three users fill sessions to their limit. Then, all at once and for a while, each of them asks for lists of these over
many connections, half of which never read what they asked for, and sends bodies that take as much memory as JSON can;
hundreds of connections say nothing at all. Meanwhile somebody else looks at a session of their own.
"""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil

from datalab.client.rest import Datalab
from datalab.local.system import System, running_system
from support import child_running, peak_memory, report

USERS = 3
SESSIONS = 10
#: Of each user: connections that read their lists, that do not, and that send bodies.
READERS, SLEEPERS, SENDERS = 10, 30, 10
SILENT = 300
SECONDS = 20.0
_ITEMS = [{"source": "archive", "basename": f"frame-{n}", "note": "x" * 4000} for n in range(480)]
#: Every list in it takes 56 bytes and more of memory for three bytes of text.
_BOMB = json.dumps({"name": "x", "input_data": [{"x": [[]] * 500_000}]}, separators=(",", ":")).encode()


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="datalab-bench-", ignore_cleanup_errors=True) as root:
        async with running_system(Path(root)) as system:
            figures = await measure(system)
    for name, value in figures.items():
        print(f"{name:<20} {value}")
    report("api_memory", figures)


async def measure(system: System) -> dict[str, object]:
    api = child_running("session_api")
    async with Datalab(system.api_url, system.admin_token) as admin:
        tokens = [await admin.add_user(f"greedy-{n}") for n in range(USERS)]
        token = await admin.add_user("honest")
        async with admin.as_user(token) as honest:
            await honest.add_session("mine", [{"source": "archive", "basename": "f1"}])
    for greedy in tokens:
        async with client_of(system, greedy) as client:
            for number in range(SESSIONS):
                body = {"name": f"S{number}", "input_data": _ITEMS}
                (await client.post("datasessions/", json=body)).raise_for_status()
    idle = psutil.Process(api).memory_info().rss
    answers: Counter[int] = Counter()
    refusals: Counter[str] = Counter()
    with peak_memory(api) as peak:
        async with client_of(system, token) as client:
            undisturbed_ms = [await look(client, refusals) for _ in range(50)]
            crowd = [asyncio.create_task(each) for each in worst_clients(system, tokens, answers)]
            disturbed_ms = []
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                disturbed_ms.append(await look(client, refusals))
                await asyncio.sleep(0.02)
            for task in crowd:
                task.cancel()
            await asyncio.gather(*crowd, return_exceptions=True)
    return {
        "idle_mb": round(idle / 1e6, 1),
        "peak_mb": round(peak[0] / 1e6, 1),
        "answers": dict(sorted(answers.items())),
        "others_refused": {text: count for text, count in refusals.items() if count},
        "others_asked": len(disturbed_ms),
        "others_p50_ms": round(statistics.median(disturbed_ms), 1),
        "others_max_ms": round(max(disturbed_ms), 1),
        "undisturbed_p50_ms": round(statistics.median(undisturbed_ms), 1),
    }


def client_of(system: System, token: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}
    return httpx.AsyncClient(base_url=f"{system.api_url}/api/", headers=headers, timeout=60.0, trust_env=False)


async def look(client: httpx.AsyncClient, refusals: Counter[str]) -> float:
    """Read a small list, and count a refusal; return the time it took, in ms."""
    began = time.perf_counter()
    while True:
        with suppress(httpx.RemoteProtocolError):  # the connection was just closed after a pause: once more
            reply = await client.get("datasessions/")
            refusals[reply.json().get("detail")] += reply.is_error
            return 1000 * (time.perf_counter() - began)


def worst_clients(system: System, tokens: list[str], answers: Counter[int]) -> list[Coroutine[None, None, None]]:
    crowd = [connect_silently(system) for _ in range(SILENT)]
    for token in tokens:
        crowd += [read_lists(system, token, answers) for _ in range(READERS)]
        crowd += [send_bombs(system, token, answers) for _ in range(SENDERS)]
        crowd += [ask_and_sleep(system, token) for _ in range(SLEEPERS)]
    return crowd


async def repeat(client: httpx.AsyncClient, request: httpx.Request, answers: Counter[int]) -> None:
    async with client:
        while True:
            with suppress(httpx.TransportError):  # cut off: once more
                answers[(await client.send(request)).status_code] += 1


async def read_lists(system: System, token: str, answers: Counter[int]) -> None:
    client = client_of(system, token)
    await repeat(client, client.build_request("GET", "datasessions/?limit=1000"), answers)


async def send_bombs(system: System, token: str, answers: Counter[int]) -> None:
    client = client_of(system, token)
    await repeat(client, client.build_request("POST", "datasessions/", content=_BOMB), answers)


async def ask_and_sleep(system: System, token: str) -> None:
    """Ask for a list and do not read it, on one connection after the other."""
    while True:
        plain = await connected(system)
        request = f"GET /api/datasessions/?limit=1000 HTTP/1.1\r\nHost: x\r\nAuthorization: Token {token}\r\n\r\n"
        try:
            with suppress(OSError):
                await asyncio.get_running_loop().sock_sendall(plain, request.encode())
            await asyncio.sleep(5)
        finally:
            plain.close()


async def connect_silently(system: System) -> None:
    while True:
        plain = await connected(system)
        try:
            await asyncio.sleep(5)
        finally:
            plain.close()


async def connected(system: System) -> socket.socket:
    """Connect from another address than those who want to get on."""
    address = urlsplit(system.api_url)
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.bind(("127.0.0.2", 0))
    plain.setblocking(False)  # noqa: FBT003
    with suppress(OSError):  # the other side may have had enough of us
        await asyncio.get_running_loop().sock_connect(plain, (address.hostname, address.port))
    return plain


asyncio.run(main())
