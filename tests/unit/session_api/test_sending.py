"""A place among the files that are sent comes back, whatever becomes of the client."""

import asyncio

import pytest
from starlette.requests import ClientDisconnect

from session_api.web.sending import StreamedResponse

SCOPE = {"type": "http", "asgi": {"spec_version": "2.3"}}


class Sent:
    """A file that holds a place while it is sent, whose first piece is there."""

    def __init__(self):
        self.places = asyncio.Semaphore(1)

    async def pieces(self):
        async with self.places:
            for piece in (b"a", b"b", b"c"):
                yield piece

    async def response(self, *, piece_s):
        content = self.pieces()
        first = await anext(content)
        assert self.places.locked()
        return StreamedResponse(first, content, media_type="application/zip", headers={}, piece_s=piece_s)


async def nothing():
    await asyncio.Event().wait()


async def test_a_file_is_sent_whole():
    sent, messages = Sent(), []
    response = await sent.response(piece_s=60)

    async def send(message):
        messages.append(message)

    await response(SCOPE, nothing, send)
    assert b"".join(message.get("body", b"") for message in messages) == b"abc"
    assert [message.get("more_body") for message in messages] == [None, True, True, True, False]
    assert not sent.places.locked()


@pytest.mark.parametrize("taken", [0, 1, 2])
async def test_a_client_that_takes_nothing_more_gives_its_place_back(taken):
    sent, messages = Sent(), []
    response = await sent.response(piece_s=0.02)

    async def send(message):
        if len(messages) == taken:
            await asyncio.Event().wait()
        messages.append(message)

    with pytest.raises(ClientDisconnect):
        await response(SCOPE, nothing, send)
    assert not sent.places.locked()


@pytest.mark.parametrize("taken", [0, 1, 2])
async def test_a_client_that_leaves_gives_its_place_back(taken):
    sent, messages, left = Sent(), [], asyncio.Event()
    response = await sent.response(piece_s=60)

    async def send(message):
        if len(messages) == taken:
            left.set()
            await asyncio.Event().wait()
        messages.append(message)

    async def receive():
        await left.wait()
        return {"type": "http.disconnect"}

    await response(SCOPE, receive, send)
    assert not sent.places.locked()
