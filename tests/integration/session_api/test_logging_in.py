"""Clients of OCS portals log in, and ask who they are."""

import pytest

from support.session_api import ADMIN_TOKEN, body_of

LOGIN = "/api/api-token-auth/"


async def test_a_token_is_the_password(world):
    token = world.tokens["alice"]
    said = {"username": "alice", "password": token}
    async with world.client() as nobody:
        for reply in (await nobody.post(LOGIN, data=said), await nobody.post(LOGIN, json=said)):
            assert (reply.status_code, body_of(reply)) == (200, {"token": token})
        reply = await nobody.post(LOGIN, data={"username": "admin", "password": ADMIN_TOKEN})
        assert body_of(reply) == {"token": ADMIN_TOKEN}


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"username": "bob", "password": "alice's"}, "non_field_errors"),
        ({"username": "alice", "password": "wrong"}, "non_field_errors"),
        ({"username": "alice"}, "password"),
        ({"password": "x"}, "username"),
        ({}, "username"),
    ],
)
async def test_wrong_credentials_are_refused_in_the_words_clients_know(world, said, field):
    said = {**said, **({"password": world.tokens["alice"]} if said.get("password") == "alice's" else {})}
    async with world.client() as nobody:
        for reply in (await nobody.post(LOGIN, data=said), await nobody.post(LOGIN, json=said)):
            assert reply.status_code == (401 if field == "non_field_errors" else 400)
            assert field in body_of(reply)


async def test_what_is_no_form_is_refused(world):
    async with world.client() as nobody:
        for content in (b"", b"[]", b"{", b"\xff"):
            assert (await nobody.post(LOGIN, content=content)).status_code == 400


async def test_a_profile_says_who_one_is(alice, root, world):
    assert body_of(await alice.get("/api/profile/")) == {
        "username": "alice",
        "proposals": [{"id": "P1", "title": "P1", "current": True}],
        "is_staff": False,
        "is_superuser": False,
        "is_operator": False,
        "ingested_sites": [],
    }
    assert body_of(await root.get("/api/profile/"))["is_superuser"] is True
    async with world.client() as nobody:
        assert (await nobody.get("/api/profile/")).status_code == 401
