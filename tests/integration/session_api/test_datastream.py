"""The datastream on a real bus: what clients of Photon Ranch's datastreamer say and hear, unchanged."""

import asyncio
import contextlib
import json
import socket
import time
from datetime import timedelta

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from datalab.client.feed import FeedClient
from datalab.events.envelope import utc_now
from datalab.events.feed import FileRefused, InfoImageChanged
from datalab.platform.bus.topology import apply_topology
from session_api.feed import server as websocket_protocol
from session_api.feed import websocket as ws_feed
from support.feed import feed_servers, frame_changed, three_accounts
from support.servers import delete_streams
from support.waiting import PATIENCE_S, until


@pytest.fixture
async def start(nats_server):
    async with feed_servers(nats_server, three_accounts()) as start_server:
        yield start_server


@pytest.fixture
async def server(start):
    return await start()


def listening(server, path="/dev", *, query="?site=tst", **options):
    url = server.url.removesuffix("/api/feed") + path + query
    return connect(url, proxy=None, close_timeout=0.2, **options)


async def heard(client):
    async with asyncio.timeout(PATIENCE_S):
        return await client.recv()


def image(number, site="tst", **fields):
    return frame_changed(number, site=site, image_changed=True, **fields)


def notice(number, site="tst"):
    """The very text: clients know three keys, in whatever order, and nothing else."""
    data = {"s3_directory": "data", "base_filename": f"tst-{number}", "site": site}
    return json.dumps({"site": site, "topic": "imagedata", "data": data})


async def listeners(server, count):
    await until(lambda: server.metric("datastream_clients") == count)


@pytest.mark.parametrize("path", ["/dev", "/prod", "/datastream/dev", "/datastream/prod"])
async def test_a_site_is_listened_to_without_a_token(server, path):
    async with listening(server, path) as client:
        await server.publish([image(1)])
        assert await heard(client) == notice(1)


async def test_only_what_everybody_may_see_and_only_images_that_changed_are_told(server):
    closed = {"public_date": utc_now() + timedelta(days=1), "proposal_id": "P1"}
    told_nothing = [
        image(1, **closed),
        image(2, public_date=None),
        frame_changed(3),  # another file of it, which no image shows
        FileRefused(site="tst", key="data/tst-4.fits", reason="truncated"),
        image(5, site="abc"),
    ]
    shown = InfoImageChanged(site="tst", channel=2, basename="tst-6", roles=("jpg_10",))
    async with listening(server) as client:
        for event in (*told_nothing, shown, image(7)):
            await server.publish([event])
        assert json.loads(await heard(client)) == {
            "site": "tst",
            "topic": "imagedata",
            "data": {"s3_directory": "info-images", "base_filename": "tst-6", "site": "tst", "channel": 2},
        }
        assert await heard(client) == notice(7)


async def test_a_frame_that_becomes_public_while_it_waits_is_judged_when_it_is_told(server):
    async with listening(server) as client:
        await server.publish([image(1, public_date=utc_now())])
        assert await heard(client) == notice(1)


async def test_a_client_listens_to_the_site_it_chose_last(server):
    async with listening(server) as client:
        await client.send('{"action": "updatesubscribersite", "site": "mrc2"}')
        await until(lambda: server.hub._by_subject.keys() == {"datalab.feed.v1.site.mrc2"})
        for number, site in enumerate(["tst", "mrc2", "tst", "mrc2"], start=1):
            await server.publish([image(number, site=site)])
        assert [await heard(client) for _ in range(2)] == [notice(2, "mrc2"), notice(4, "mrc2")]


@pytest.mark.parametrize(
    "message",
    [
        *("hello", "", "[]", "null", "{}", '{"action": "ping"}', '{"action": "updatesubscribersite"}'),
        '{"action": "updatesubscribersite", "site": "datalab.>"}',
        '{"action": "updatesubscribersite", "site": ["mrc2"]}',
        '{"action": "subscribe", "sites": ["mrc2"], "sessions": [1]}',
        b"\xff\x00",
    ],
)
async def test_what_is_not_understood_changes_nothing_and_is_not_answered(server, message):
    async with listening(server) as client:
        await client.send(message)
        await client.send('{"action": "updatesubscribersite", "site": "tst", "token": "x"}')
        await server.publish([image(1)])
        assert await heard(client) == notice(1)


@pytest.mark.parametrize("query", ["", "?site=", "?site=a.b", "?site=%3E", "?sites=tst", f"?site={'x' * 65}"])
async def test_without_a_site_the_handshake_is_refused(server, query):
    with pytest.raises(InvalidStatus) as refused:
        async with listening(server, query=query):
            pass
    response = refused.value.response
    assert response.status_code == 400
    assert b"?site=" in response.body
    assert server.metric("datastream_clients") == 0


@pytest.mark.parametrize("since", ["yesterday", "nan", "1e400", "-1e18", "2026-11-29"])
async def test_a_moment_that_is_none_is_refused(server, since):
    with pytest.raises(InvalidStatus) as refused:
        async with listening(server, query=f"?site=tst&since={since}"):
            pass
    assert refused.value.response.status_code == 400
    assert b"since=" in refused.value.response.body


async def test_who_was_away_hears_what_was_missed_then_what_is_new(server):
    await server.publish([image(1)])
    since = time.time()
    missed = [image(number) for number in range(2, 302)]  # more than are read from the store at once
    await server.publish([*missed, image(302, public_date=None), image(303, site="abc"), frame_changed(304)])
    async with listening(server, query=f"?site=tst&since={since:.6f}") as client:
        await server.publish([image(305)])
        texts = [await heard(client) for _ in range(len(missed) + 1)]
    assert sorted(texts[:-1]) == sorted(notice(number) for number in range(2, 302))
    assert texts[-1] == notice(305)
    async with listening(server, query=f"?site=tst&since={since + 10_000}") as client:
        await server.publish([image(306)])
        assert await heard(client) == notice(306)


async def test_too_many_of_one_address_are_refused_and_those_with_a_token_have_their_places(start):
    server = await start(datastream_max_per_address=2, feed_max_clients=1)
    async with listening(server), listening(server, "/prod"):
        await listeners(server, 2)
        with pytest.raises(InvalidStatus) as refused:
            async with listening(server):
                pass
        assert refused.value.response.status_code == 429
        async with FeedClient(server.url, token="token-ada") as feed:
            await feed.subscribe(sites=["tst"])
    await listeners(server, 0)
    async with listening(server) as client:
        await server.publish([image(1)])
        assert await heard(client) == notice(1)


async def test_a_proxy_that_says_for_whom_it_asks_is_not_one_client(start):
    server = await start(datastream_max_per_address=1)
    here, there = ({"additional_headers": {"X-Forwarded-For": address}} for address in ("192.0.2.1", "192.0.2.2"))
    async with listening(server, **here), listening(server, **there):
        await listeners(server, 2)
        with pytest.raises(InvalidStatus):
            async with listening(server, **here):
                pass


async def test_a_message_that_is_too_large_ends_the_connection(server):
    async with listening(server) as client:
        await client.send("x" * 65 * 1024)
        await client.wait_closed()
    assert client.close_code == 1009
    await listeners(server, 0)


async def test_one_frame_is_made_for_all_who_listen(server, monkeypatch):
    made = []
    encode = websocket_protocol.BoundedWebSocketProtocol.send

    async def send(protocol, message):
        if message["type"] == "websocket.send":
            made.append(message[websocket_protocol.FRAME])
        await encode(protocol, message)

    monkeypatch.setattr(websocket_protocol.BoundedWebSocketProtocol, "send", send)
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(listening(server)) for _ in range(5)]
        await server.publish([image(1)])
        assert {await heard(client) for client in clients} == {notice(1)}
    assert len(made) == 5
    assert len({id(frame) for frame in made}) == 1


async def test_who_does_not_read_is_cut_off(start, monkeypatch):
    monkeypatch.setattr(ws_feed, "_CLOSE_TIMEOUT_S", 0.2)
    monkeypatch.setattr(websocket_protocol, "_LINGER_S", 0.2)
    server = await start(feed_queue_events=50)
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect(server.address)
    large = [image(number).model_copy(update={"basename": f"{number}-{'x' * 100_000}"}) for number in range(1, 301)]
    async with listening(server, sock=narrow, max_queue=1) as slow, listening(server) as brisk:
        await listeners(server, 2)
        slow.transport.pause_reading()
        publishing = asyncio.create_task(server.publish(large, in_flight=4))
        names = [json.loads(await heard(brisk))["data"]["base_filename"] for _ in large]
        await publishing
        assert sorted(names) == sorted(event.basename for event in large)
        await until(lambda: server.metric("feed_clients_closed_total", reason="too_slow") == 1)
        await listeners(server, 1)
        slow.transport.resume_reading()


async def test_who_does_not_answer_the_heartbeat_is_cut_off(server):
    server.uvicorn.config.ws_ping_interval = server.uvicorn.config.ws_ping_timeout = 0.1
    async with listening(server) as client:
        client.transport.pause_reading()
        await listeners(server, 0)
        client.transport.resume_reading()


async def test_a_stream_that_begins_anew_ends_connections_so_that_clients_come_back(start, nats_server):
    server = await start(feed_watch_interval_s=0.05)
    async with listening(server) as client:
        await listeners(server, 1)
        await delete_streams(nats_server.settings)
        await apply_topology(server.bus.jetstream)
        async with asyncio.timeout(PATIENCE_S):
            await client.wait_closed()
    assert client.close_code == 1012
