"""Whoever makes up tokens stands in nobody's way who has one of the portal's."""

import asyncio
import hashlib

import httpx
import pytest

from datalab.errors import TransientError
from session_api.accounts import portal as portal_module
from session_api.accounts.portal import ObservationPortal

KNOWN = "token-of-paula"


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def gate():
    """Shut, the portal answers nothing about tokens it does not know."""
    gate = asyncio.Event()
    gate.set()
    return gate


@pytest.fixture
async def portal(clock, gate):
    async def answer(request):
        if request.headers["Authorization"] == f"Token {KNOWN}":
            return httpx.Response(200, json={"username": "paula"})
        await gate.wait()
        return httpx.Response(401)

    portal = ObservationPortal(
        url="http://portal/api/",
        timeout_s=5,
        keep_s=300,
        keep_unknown_s=30,
        transport=httpx.MockTransport(answer),
        clock=clock,
    )
    yield portal
    await portal.stop()


async def ask(portal, token):
    return await portal.profile_of(token, token_hash=hashlib.sha256(token.encode()).hexdigest())


async def test_who_is_known_is_asked_for_again_while_others_make_up_tokens(portal, clock, gate):
    assert (await ask(portal, KNOWN)).username == "paula"
    clock.now = 301
    gate.clear()
    guesses = [asyncio.create_task(ask(portal, f"made-up-{number}")) for number in range(300)]
    await asyncio.sleep(0)  # all of them have begun
    with pytest.raises(TransientError, match="many unknown tokens"):
        await ask(portal, "one-more-that-is-made-up")
    assert (await asyncio.wait_for(ask(portal, KNOWN), 5)).username == "paula"
    gate.set()
    assert await asyncio.gather(*guesses) == [None] * 300


async def test_made_up_tokens_have_nobody_forgotten(portal, monkeypatch):
    monkeypatch.setattr(portal_module, "_MOST_KNOWN", 5)
    await ask(portal, KNOWN)
    for number in range(10):
        await ask(portal, f"made-up-{number}")
    assert (len(portal._known), len(portal._unknown)) == (1, 5)


async def test_a_token_that_is_known_no_more_is_not_for_good(portal, clock):
    portal._client = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(401)))
    assert await ask(portal, KNOWN) is None
    clock.now = 31
    portal._client = httpx.AsyncClient(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, json={"username": "paula"}))
    )
    assert (await ask(portal, KNOWN)).username == "paula"
    clock.now = 400
    portal._client = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(401)))
    assert await ask(portal, KNOWN) is None
    assert (len(portal._known), len(portal._unknown)) == (0, 1)
