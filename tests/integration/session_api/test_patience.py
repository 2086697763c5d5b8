"""How long a request may take to come, and how long one waits for a store that hangs."""

import asyncio
from urllib.parse import urlsplit

import pytest

from support.hanging_proxy import HangingProxy
from support.session_api import MEDIAN, archive, body_of, frame_document, running_world
from support.waiting import until


@pytest.fixture
async def start(settings_environment):
    """Start the application, behind a way to the document store that can be blocked."""
    address = urlsplit(settings_environment["DATALAB_MONGO_URL"])
    async with HangingProxy(address.hostname, address.port) as proxy:
        url = address._replace(netloc=address.netloc.replace(f":{address.port}", f":{proxy.port}")).geturl()
        # Alone, the driver would wait 36 s, longer than the client.
        async with running_world(
            settings_environment, mongo_url=url, mongo_timeout_s=6, store_timeout_s=0.5, request_body_timeout_s=0.2
        ) as world:
            await world.add_user("alice")
            yield world, proxy
            proxy.open.set()


async def test_a_store_that_hangs_is_answered_with_503_before_it_goes_on(start):
    world, proxy = start
    await world.describe(MEDIAN)
    await world.add_frames(frame_document("f1"), frame_document("f2"))
    async with world.client("alice") as alice:
        session_id = await world.session(alice)
        body = {"name": "Median", "input_data": {"input_files": [archive("f1"), archive("f2")]}}
        path = f"/api/datasessions/{session_id}/operations/"
        proxy.open.clear()
        replies = [
            await alice.post(path, json=body),
            await alice.post("/api/datasessions/", json={"name": "S2"}),
            await alice.get("/api/datasessions/"),
        ]
        assert not proxy.open.is_set()
        for reply in replies:
            assert (reply.status_code, reply.headers["Retry-After"]) == (503, "2")
            assert body_of(reply) == {"detail": "Temporarily unavailable: the document store does not answer."}
        proxy.open.set()

        async def goes_on():  # what was asked before may hold the store up for a moment still
            return (await alice.post(path, json=body)).status_code == 201

        await until(goes_on)


async def test_a_body_that_does_not_come_is_not_waited_for(start):
    world, _ = start
    host, port = urlsplit(world.url).netloc.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST /api/datasessions/ HTTP/1.1\r\nHost: here\r\nAuthorization: Token {world.tokens['alice']}\r\n"
        'Content-Length: 100\r\n\r\n{"name": '.encode()
    )
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.endswith(b'{"detail":"The request body did not arrive within 0.2 s."}')
