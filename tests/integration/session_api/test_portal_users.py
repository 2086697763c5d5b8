"""Users of an observation portal: whoever it knows is let in, and whoever it tells of is known."""

import asyncio
import json

import pytest
import requests

from support.portal import running_portal
from support.session_api import body_of, running_world
from support.waiting import until

SERVER_KEY = "the-key-the-portal-shows-us"
AWAY = "Temporarily unavailable: the observation portal, which would know the token, does not answer."


def token_of(name):
    return f"portal-token-of-{name}"


@pytest.fixture(scope="module")
def portal():
    with running_portal() as portal:
        yield portal


@pytest.fixture(scope="module")
async def world(module_settings_environment, portal):
    changes = {"portal_url": portal.url, "portal_server_key": SERVER_KEY, "identity_timeout_s": 20}
    async with running_world(module_settings_environment, **changes) as world:
        await world.add_user("alice", proposals=["P1"])
        await world.add_user("root", superuser=True)
        yield world


async def profile(world, token):
    async with world.client() as client:
        return await client.get("/api/profile/", headers={"Authorization": f"Token {token}"})


async def test_whoever_the_portal_knows_is_let_in_and_it_is_asked_once(world, portal):
    token = token_of("paula")
    portal.add(token, "paula", proposals=["P7", "P3"], is_staff=True, is_superuser=True)
    portal.gate.clear()
    asking = [asyncio.create_task(profile(world, token)) for _ in range(10)]
    await until(lambda: portal.asked)
    portal.gate.set()
    for reply in await asyncio.gather(*asking):
        assert reply.status_code == 200
    assert body_of(await profile(world, token)) == {
        "username": "paula",
        "proposals": [{"id": each, "title": each, "current": True} for each in ("P3", "P7")],
        "is_staff": False,  # what the portal's superusers may here is a setting
        "is_superuser": False,
        "is_operator": False,
        "ingested_sites": [],
    }
    assert portal.asked.count(token) == 1
    stored = await world.database["users"].find_one({"_id": "paula"})
    assert (stored["origin"], stored["proposals"], stored["superuser"]) == ("portal", ["P3", "P7"], False)
    assert await world.database["tokens"].find_one({"username": "paula"}) is None


async def test_nobody_is_let_in_whom_it_does_not_know_and_it_is_asked_once(world, portal):
    for _ in range(3):
        reply = await profile(world, token_of("nobody"))
        assert (reply.status_code, body_of(reply)) == (401, {"detail": "Invalid token."})
    assert portal.asked.count(token_of("nobody")) == 1


@pytest.mark.parametrize("token", ["short", "x" * 201, "with-ümläut-in-it-somewhere"])
async def test_what_is_no_token_is_not_shown_to_it(world, portal, token):
    asked = len(portal.asked)
    async with world.client() as client:
        reply = await client.get("/api/profile/", headers={"Authorization": f"Token {token}".encode()})
    assert (reply.status_code, len(portal.asked)) == (401, asked)


async def test_a_password_is_not_shown_to_it(world, portal):
    asked = len(portal.asked)
    async with world.client() as client:
        said = {"username": "alice", "password": "a-password-long-enough-for-a-token"}
        assert (await client.post("/api/api-token-auth/", json=said)).status_code == 401
    assert len(portal.asked) == asked


@pytest.mark.parametrize("name", ["alice", "Alice", "admin", "аlice"])  # noqa: RUF001 - the last one is Cyrillic
async def test_nobody_of_the_portal_becomes_somebody_of_ours(world, portal, name):
    token = f"{token_of('impostor')}-{name.encode().hex()}"
    portal.add(token, name, proposals=["P9"], is_superuser=True)
    reply = await profile(world, token)
    assert (reply.status_code, list(body_of(reply))) == (401, ["detail"])
    alice = await world.database["users"].find_one({"_id": "alice"})
    assert (alice["origin"], alice["proposals"], alice["superuser"]) == ("here", ["P1"], False)
    assert (await profile(world, world.tokens["alice"])).status_code == 200


BAD_DAYS = {
    "failing": (500, None),
    "elsewhere": (302, None),
    "a page": (200, b"<html>"),
    "a list": (200, b"[]"),
    "nobody's": (200, b"{}"),
    "a strange name": (200, b'{"username": "../admin"}'),
    "endless": (200, b" " * (2 * 1024**2 + 1)),
    "deep": (200, b"[" * 100_000),
}


@pytest.mark.parametrize("day", BAD_DAYS)
async def test_a_silent_portal_is_said_to_be_and_only_to_whom_it_would_know(world, portal, day):
    token = token_of(f"somebody-{day.replace(' ', '-')}")
    portal.status, portal.body = BAD_DAYS[day]
    try:
        reply = await profile(world, token)
        assert (reply.status_code, body_of(reply)) == (503, {"detail": AWAY})
        assert (await profile(world, world.tokens["alice"])).status_code == 200
    finally:
        portal.status = portal.body = None
    portal.add(token, "sam")
    assert (await profile(world, token)).status_code == 200  # that it did not answer is not remembered


async def test_somebody_of_the_portal_can_be_shut_out_here(world, portal):
    token = token_of("leaver")
    portal.add(token, "leaver")
    assert (await profile(world, token)).status_code == 200
    async with world.client("root") as root:
        assert (await root.patch("/api/users/leaver/", json={"active": False})).status_code == 200
        refused = await root.put("/api/users/leaver/password/", json={"password": "long enough"})
    assert (refused.status_code, body_of(refused)) == (
        403,
        {"detail": "leaver logs in elsewhere, and has no password here."},
    )
    assert body_of(await profile(world, token)) == {"detail": "User inactive or deleted."}


async def tell(world, user, *, key=f"Server {SERVER_KEY}"):
    """Tell as the portal does: JSON without a content type."""
    headers = {} if key is None else {"Authorization": key}

    def post():
        return requests.post(
            f"{world.url}/authprofile/addupdateuser/",
            data=user if isinstance(user, bytes) else json.dumps(user),
            headers=headers,
            timeout=60,
        )

    return await asyncio.to_thread(post)


async def test_a_user_is_known_from_the_moment_the_portal_tells(world, portal):
    user = portal.add(token_of("tina"), "tina", proposals=["P5"])
    del portal.profiles[token_of("tina")]
    reply = await tell(world, user)
    assert (reply.status_code, reply.json()) == (200, {"message": "User account updated"})
    shown = body_of(await profile(world, token_of("tina")))
    assert (shown["username"], [each["id"] for each in shown["proposals"]]) == ("tina", ["P5"])
    assert token_of("tina") not in portal.asked
    # Another token makes the former one invalid; what is not told stays.
    bare = {"username": "tina", "tokens": {"api_token": token_of("tina-again")}}
    for _ in range(2):
        assert (await tell(world, bare)).status_code == 200
    assert (await profile(world, token_of("tina"))).status_code == 401
    assert len(body_of(await profile(world, token_of("tina-again")))["proposals"]) == 1


@pytest.mark.parametrize("key", [None, "", "Server", "Server ", "Server wrong", f"Token {SERVER_KEY}", SERVER_KEY])
async def test_nobody_else_tells(world, key):
    reply = await tell(world, {"username": "mallory"}, key=key)
    assert (reply.status_code, reply.json()) == (403, {"detail": "Invalid or missing API Key."})
    assert await world.database["users"].find_one({"_id": "mallory"}) is None


async def test_what_the_portal_tells_changes_nobody_of_ours(world):
    for user, status in (
        ({"username": "alice", "tokens": {"api_token": token_of("alice")}, "is_superuser": True}, 409),
        ({"username": "ALICE"}, 409),
        ({"username": "thief", "tokens": {"api_token": world.tokens["alice"]}}, 409),
        ({"username": "admin"}, 400),
        ({"username": "a b"}, 400),
        ({"username": "short", "tokens": {"api_token": "short"}}, 400),
        ({}, 400),
        (b"{", 400),
        ({"username": "many", "proposals": [{"id": str(number)} for number in range(10_001)]}, 400),
    ):
        reply = await tell(world, user)
        assert reply.status_code == status, user
    assert body_of(await profile(world, world.tokens["alice"]))["username"] == "alice"
    assert (await profile(world, token_of("alice"))).status_code == 401


async def test_without_a_key_the_portal_tells_nothing(module_settings_environment):
    async with running_world(module_settings_environment) as world:
        for key in ("Server ", "Server None", "Server"):
            assert (await tell(world, {"username": "eve"}, key=key)).status_code == 403
