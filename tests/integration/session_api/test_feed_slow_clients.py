"""Clients of the feed that do not read: dropped in time, at a bounded price, and nobody else notices."""

import asyncio
import socket
import tracemalloc

import pytest

from datalab.client.feed import FeedClient
from session_api.feed import server as websocket_protocol
from session_api.feed import websocket as ws_feed
from support.feed import feed_servers, operation_changed, raw, take, three_accounts
from support.waiting import PATIENCE_S, until

LARGE = "x" * 100_000
MIB = 1024**2


@pytest.fixture
async def start(nats_server):
    async with feed_servers(nats_server, three_accounts()) as start_server:
        yield start_server


@pytest.fixture
def hurried(monkeypatch):
    """Cut connections sooner than in production."""
    monkeypatch.setattr(ws_feed, "_CLOSE_TIMEOUT_S", 0.2)
    monkeypatch.setattr(websocket_protocol, "_LINGER_S", 0.2)


@pytest.fixture
def patient(monkeypatch):
    """Wait for clients to take what they are told at the end, however long a busy machine needs for it."""
    monkeypatch.setattr(ws_feed, "_CLOSE_TIMEOUT_S", PATIENCE_S)
    monkeypatch.setattr(websocket_protocol, "_LINGER_S", PATIENCE_S)


def narrow(server):
    """Return a socket that takes little more than what its owner reads."""
    narrow_socket = socket.socket()
    narrow_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow_socket.connect(server.address)
    return narrow_socket


def large_events(count):
    return [operation_changed(number, message=LARGE) for number in range(1, count + 1)]


async def test_a_client_that_stops_reading_is_told_to_resume_and_others_hear_everything(start, patient):
    server = await start(feed_queue_events=50)
    token = "token-ada"
    async with (
        raw(server, "ada", sock=narrow(server), max_queue=1) as slow,
        FeedClient(server.url, token=token) as brisk,
    ):
        await slow.hear()
        await slow.say(action="subscribe", sessions=[1])
        epoch = (await slow.hear())["epoch"]
        await brisk.subscribe(sessions=[1])
        slow.connection.transport.pause_reading()
        publishing = asyncio.create_task(server.publish(large_events(300), in_flight=4))
        heard = await take(brisk, 300)
        await publishing
        await until(lambda: server.metric("feed_clients_closed_total", reason="too_slow") == 1)
        slow.connection.transport.resume_reading()
        received = []
        code, reason = await slow.end(received)
    assert [item.sequence for item in heard] == list(range(1, 301))
    assert code == 4408
    last = received[-1]["sequence"]
    assert reason == f"too many events are waiting; resume from sequence {last}"
    assert [frame["sequence"] for frame in received] == list(range(1, last + 1))
    assert last < 300
    async with FeedClient(server.url, token=token) as again:
        await again.subscribe(sessions=[1], after=(epoch, last))
        assert [item.sequence for item in await take(again, 300 - last)] == list(range(last + 1, 301))


async def test_a_client_that_never_reads_is_cut_off_and_costs_little(start, hurried):
    server = await start(feed_queue_bytes=MIB)
    async with raw(server, "ada", sock=narrow(server)) as slow:
        await slow.hear()
        await slow.say(action="subscribe", sessions=[1])
        await slow.hear()
        slow.connection.transport.pause_reading()
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            await server.publish((operation_changed(n, message=LARGE) for n in range(1, 401)), in_flight=2)
            await until(lambda: not server.connections)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        slow.connection.transport.resume_reading()
    # 40 MB were published. The queue holds 1 MiB; the rest is what the bus and the connection have in hand.
    assert peak - before < 8 * MIB
    assert server.metric("feed_clients") == 0
    assert server.metric("feed_queue_high_water") <= MIB // len(LARGE)


async def test_a_client_that_does_not_read_what_is_replayed_is_cut_off(start, hurried):
    server = await start(feed_send_timeout_s=0.2)
    await server.publish(large_events(300), in_flight=4)
    async with raw(server, "ada", sock=narrow(server)) as slow:
        epoch = (await slow.hear())["epoch"]
        slow.connection.transport.pause_reading()
        await slow.say(action="subscribe", sessions=[1], resume={"epoch": epoch, "sequence": 0})
        await until(lambda: server.metric("feed_clients_closed_total", reason="too_slow") == 1)
        await until(lambda: not server.connections)
        slow.connection.transport.resume_reading()


async def test_a_client_that_does_not_read_does_not_hold_up_a_stopping_server(start, hurried):
    server = await start()
    async with raw(server, "ada", sock=narrow(server)) as slow:
        await slow.hear()
        await slow.say(action="subscribe", sessions=[1])
        await slow.hear()
        slow.connection.transport.pause_reading()
        (protocol,) = server.connections
        publishing = asyncio.create_task(server.publish(large_events(100), in_flight=4))
        await until(lambda: protocol.transport.get_write_buffer_size() > 0)
        await publishing
        server.uvicorn.should_exit = True
        await until(lambda: not server.connections)
        slow.connection.transport.resume_reading()


async def test_what_arrives_during_a_long_replay_does_not_count_against_the_client(start):
    """The queue overflows while the stored feed is sent; the client gets everything all the same."""
    server = await start(feed_queue_events=10)
    await server.publish(large_events(60), in_flight=4)
    async with raw(server, "ada", sock=narrow(server), max_queue=1) as client:
        epoch = (await client.hear())["epoch"]
        await client.say(action="subscribe", sessions=[1, 2], resume={"epoch": epoch, "sequence": 0})
        assert (await client.hear())["type"] == "subscribed"
        sequences = [(await client.hear())["sequence"]]
        await server.publish([operation_changed(number, session_id=2) for number in range(1, 201)])
        while sequences[-1] < 260:
            sequences.append((await client.hear())["sequence"])
    assert sequences == list(range(1, 261))
    assert server.metric("feed_queue_high_water") == 10


async def test_a_flood_of_pings_whose_answers_are_not_read_is_cut_off(start):
    server = await start()
    masked_ping = bytes([0x89, 0x80 | 125, 0, 0, 0, 0]) + b"p" * 125
    async with raw(server, "ada", sock=narrow(server)) as client:
        await client.hear()
        client.connection.transport.pause_reading()
        (protocol,) = server.connections
        most_unsent = 0
        async with asyncio.timeout(PATIENCE_S):
            while server.connections:
                client.connection.transport.write(masked_ping * 1000)
                await asyncio.sleep(0)
                most_unsent = max(most_unsent, protocol.transport.get_write_buffer_size())
    assert most_unsent < 2 * MIB
