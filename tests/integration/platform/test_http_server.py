"""Clients that never finish what they begin: let go in time, at a bounded price, and nobody else notices."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest
import uvicorn

from datalab.platform import http_server
from datalab.platform.http_server import HTTP_OPTIONS
from support.waiting import until

LARGE = b"x" * 8 * 1024**2
WHOLE = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = LARGE if scope["path"] == "/large" else b"hello"
    headers = [(b"content-length", str(len(body)).encode())]
    if scope["method"] == "POST":
        while (await receive()).get("more_body"):
            pass
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def server():
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, lifespan="off", log_config=None, access_log=False, **HTTP_OPTIONS
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    server.address = server.servers[0].sockets[0].getsockname()
    yield server
    server.should_exit = True
    await serving


@asynccontextmanager
async def connected(server, *, receive_buffer=None):
    plain = socket.socket()
    if receive_buffer:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    plain.setblocking(False)  # noqa: FBT003
    await asyncio.get_running_loop().sock_connect(plain, server.address)
    reader, writer = await asyncio.open_connection(sock=plain)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def ended(reader):
    """Read until the server ends the connection, however it does; return what came."""
    received = b""
    try:
        while part := await reader.read(65536):
            received += part
    except ConnectionError:
        pass
    return received


async def asked(reader, writer):
    """Send a whole request, and return whether it was answered."""
    writer.write(WHOLE)
    return (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: here\r\nX-More: ", b"\r\n\r\n"])
async def test_a_head_that_does_not_end_is_not_waited_for(server, monkeypatch, begun):
    monkeypatch.setattr(http_server, "HEAD_TIMEOUT_S", 0.1)
    async with connected(server) as (reader, writer):
        writer.write(begun)
        assert await ended(reader) == b""


async def test_a_second_head_that_does_not_end_is_not_waited_for(server, monkeypatch):
    async with connected(server) as (reader, writer):
        assert await asked(reader, writer)
        monkeypatch.setattr(http_server, "HEAD_TIMEOUT_S", 0.1)
        writer.write(b"GET / HTTP/1.1\r\n")
        assert await ended(reader) == b""


@pytest.mark.parametrize(
    "endless",
    [
        b"GET /" + b"a" * 50_000_000,
        b"GET / HTTP/1.1\r\nX-Long: " + b"a" * 50_000_000,
        b"GET / HTTP/1.1\r\n" + b"X-Many: 1\r\n" * 3_000_000,
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X-Many: 1\r\n" * 3_000_000,
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"a" * 50_000_000,
    ],
    ids=["url", "value", "many", "trailers", "chunk extension"],
)
async def test_a_head_beyond_all_measure_is_refused_before_its_end(server, endless):
    async with connected(server) as (reader, writer):
        sent = 0
        reading = asyncio.create_task(ended(reader))
        try:
            while sent < len(endless) and not reading.done():
                writer.write(endless[sent : sent + 65536])
                await writer.drain()
                sent += 65536
        except ConnectionError:
            pass
        answer = await reading
        assert answer.startswith(b"HTTP/1.1 400") or answer == b""
        assert sent < len(endless) / 2


async def test_a_body_in_small_chunks_is_no_head(server):
    async with connected(server) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(100):
            writer.write(b"1\r\nx\r\n" * 1000)
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")


async def test_many_that_say_nothing_cost_only_each_other(server, monkeypatch):
    monkeypatch.setattr(http_server, "MAX_AWAITED_PER_ADDRESS", 5)
    async with connected(server) as honest:
        assert await asked(*honest)
        silent = [connected(server) for _ in range(20)]
        opened = [await each.__aenter__() for each in silent]
        await until(lambda: len(server.server_state.connections) <= 6)
        async with connected(server) as newcomer:
            assert await asked(*newcomer)
        assert await asked(*honest)
        for reader, _ in opened[:14]:
            assert await ended(reader) == b""
        for each in silent:
            await each.__aexit__(None, None, None)


async def test_a_client_that_does_not_read_its_answer_is_cut_off(server, monkeypatch):
    monkeypatch.setattr(http_server, "STALL_S", 0.1)
    async with connected(server, receive_buffer=4096) as (_, writer):
        writer.transport.pause_reading()
        writer.write(b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n")
        await until(lambda: server.server_state.total_requests == 1)
        await until(lambda: not server.server_state.connections)


async def test_a_client_that_reads_slowly_gets_everything(server, monkeypatch):
    monkeypatch.setattr(http_server, "STALL_BYTES", 1)
    monkeypatch.setattr(http_server, "STALL_S", 0.2)
    async with connected(server, receive_buffer=65536) as (reader, writer):
        writer.write(b"GET /large HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        await until(lambda: server.server_state.total_requests == 1)
        assert (await ended(reader)).endswith(LARGE)
