"""Users and their tokens."""

import hashlib
import re

import pytest

from support.session_api import body_of

USERS = "/api/users/"


async def test_a_new_user_gets_a_token_that_is_kept_as_a_hash_only(world, root):
    reply = await root.post(USERS, json={"username": "new.user", "proposals": ["P7"]})
    assert reply.status_code == 201
    made = body_of(reply)
    assert list(made) == ["username", "token"]
    assert re.fullmatch(r"[0-9a-f]{40}", made["token"])
    stored = await world.database["tokens"].find_one({"username": "new.user"})
    assert stored["_id"] == hashlib.sha256(made["token"].encode()).hexdigest()
    assert made["token"] not in str(stored)
    world.tokens["new.user"] = made["token"]
    async with world.client("new.user") as client:
        assert (await client.get("/api/datasessions/")).status_code == 200
        assert (await client.get(USERS)).status_code == 403


@pytest.mark.parametrize("username", ["bob", "admin"])
async def test_names_are_taken_once(root, username):
    reply = await root.post(USERS, json={"username": username})
    assert (reply.status_code, body_of(reply)) == (
        400,
        {"username": ["A user with that username already exists."]},
    )


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"username": ["This field is required."]}),
        ({"username": "a b"}, {"username": ["Enter a valid value."]}),
        ({"username": ""}, {"username": ["Enter a valid value."]}),
        ({"username": "x" * 151}, {"username": ["Ensure this field has no more than 150 characters."]}),
        ({"username": "y", "proposals": [""]}, {"proposals": ["0: This field may not be blank."]}),
        ({"username": "y", "superuser": "yes"}, {"superuser": ["Must be a valid boolean."]}),
    ],
)
async def test_what_a_user_needs(root, body, fields):
    reply = await root.post(USERS, json=body)
    assert (reply.status_code, body_of(reply)) == (400, fields)


async def test_users_are_listed_and_changed(world, root):
    await world.add_user("dave", proposals=["P1"])
    listed = body_of(await root.get(USERS, params={"limit": 1000}))
    (dave,) = [user for user in listed["results"] if user["username"] == "dave"]
    assert list(dave) == ["username", "active", "superuser", "proposals", "created"]
    assert (dave["active"], dave["superuser"], dave["proposals"]) == (True, False, ["P1"])
    assert [user["username"] for user in listed["results"]] == sorted(user["username"] for user in listed["results"])
    changed = body_of(await root.patch(f"{USERS}dave/", json={"proposals": ["P2", "P3"]}))
    assert changed == {**dave, "proposals": ["P2", "P3"]}
    assert body_of(await root.patch(f"{USERS}dave/", json={})) == changed
    off = body_of(await root.patch(f"{USERS}dave/", json={"active": False}))
    assert off == {**changed, "active": False}
    async with world.client("dave") as client:
        assert (await client.get("/api/datasessions/")).status_code == 401
        await root.patch(f"{USERS}dave/", json={"active": True, "superuser": True})
        assert (await client.get(USERS)).status_code == 200


async def test_tokens_are_added_and_revoked(world, root):
    await world.add_user("erin")
    first = world.tokens["erin"]
    second = body_of(await root.post(f"{USERS}erin/tokens/"))["token"]
    for token in (first, second):
        world.tokens["erin"] = token
        async with world.client("erin") as client:
            assert (await client.get("/api/datasessions/")).status_code == 200
    reply = await root.delete(f"{USERS}erin/tokens/")
    assert (reply.status_code, reply.content) == (204, b"")
    for token in (first, second):
        world.tokens["erin"] = token
        async with world.client("erin") as client:
            assert body_of(await client.get("/api/datasessions/")) == {"detail": "Invalid token."}


async def test_unknown_users(root):
    for reply in (
        await root.patch(f"{USERS}nobody/", json={"active": False}),
        await root.post(f"{USERS}nobody/tokens/"),
        await root.delete(f"{USERS}nobody/tokens/"),
    ):
        assert (reply.status_code, body_of(reply)) == (404, {"detail": "No User matches the given query."})


async def test_a_user_without_an_account_has_no_valid_token(world, root):
    await world.add_user("frank")
    await world.database["users"].delete_one({"_id": "frank"})
    async with world.client("frank") as client:
        assert body_of(await client.get("/api/datasessions/")) == {"detail": "Invalid token."}
