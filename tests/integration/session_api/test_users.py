"""Users and their tokens."""

import hashlib
import re

import pytest

from session_api.accounts.repository import AccountRepository
from support.session_api import BEGINNING, body_of

USERS = "/api/users/"
RIGHT_NAME = "This has to be a letter, a digit or _ first, then letters, digits and _ . @ + -; 150 characters at most."


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
    ("username", "fault"),
    [
        ("ADMIN", "A user exists whose name looks the same: admin"),
        ("аdmin", "A user exists whose name looks the same: admin"),  # noqa: RUF001 - the first letter is Cyrillic
        ("ａdmin", "Write it in plain characters: admin"),  # noqa: RUF001 - of full width
        ("Bob", "A user exists whose name looks the same: bob"),
        ("bοb", "A user exists whose name looks the same: bob"),  # noqa: RUF001 - Greek in the middle
        (".", RIGHT_NAME),
        ("..", RIGHT_NAME),
        ("-superuser", RIGHT_NAME),
        ("@", RIGHT_NAME),
        ("zero\u200bwidth", RIGHT_NAME),
    ],
)
async def test_a_name_looks_like_nobody_elses(root, username, fault):
    reply = await root.post(USERS, json={"username": username})
    assert (reply.status_code, body_of(reply)) == (400, {"username": [fault]})


async def test_accounts_of_earlier_versions_get_their_canonical_names(world, root):
    for username in ("Old.User", "OLD.user"):
        account = {"_id": username, "active": True, "superuser": False, "proposals": [], "created": BEGINNING}
        await world.database["users"].insert_one(account)
    repository = AccountRepository(world.database)
    for _ in range(2):
        await repository.ensure_indexes()
    rows = world.database["users"].find({"_id": {"$in": ["Old.User", "OLD.user"]}})
    names = [row["canonical"] async for row in rows if "canonical" in row]
    assert names == ["old.user"]  # the other one was told apart before, and stays so
    assert (await root.post(USERS, json={"username": "old.user"})).status_code == 400
    for username in ("Old.User", "OLD.user"):
        assert body_of(await root.get(f"{USERS}{username}/"))["username"] == username


async def test_a_deleted_user_is_gone_at_once_and_all_that_was_theirs_before_the_name_is_free(world, root):
    await world.add_user("gail")
    async with world.client("gail") as client:
        session = await world.session(client)
        operation = await world.operation(client, session)
        reply = await root.delete(f"{USERS}gail/")
        assert (reply.status_code, reply.content) == (204, b"")
        assert (await client.get("/api/datasessions/")).status_code == 401
    for again in (
        await root.delete(f"{USERS}gail/"),
        await root.get(f"{USERS}gail/"),
        await root.patch(f"{USERS}gail/", json={"active": True}),
        await root.post(f"{USERS}gail/tokens/"),
    ):
        assert again.status_code == 404
    listed = body_of(await root.get(USERS, params={"limit": 1000}))
    assert "gail" not in [user["username"] for user in listed["results"]]
    assert listed["count"] == len(listed["results"])
    being_deleted = {"username": ["The user of that name is still being deleted: try again in a minute."]}
    for _ in range(2):
        assert body_of(await root.post(USERS, json={"username": "gail"})) == being_deleted
        await world.work("deleted users", "deleted sessions")
    assert not await world.database["sessions"].find_one({"_id": session, "deleted": False})
    assert not await world.database["operations"].find_one({"_id": operation, "deleted": False})
    # Kept for a minute: a request of theirs may have been under way.
    await world.database["users"].update_one({"_id": "gail"}, {"$set": {"deleted_at": BEGINNING}})
    await world.work("deleted users")
    await world.add_user("gail")
    async with world.client("gail") as client:
        assert body_of(await client.get("/api/datasessions/"))["count"] == 0


async def test_a_deleted_user_is_kept_as_long_as_anything_of_theirs_is(world, root):
    await world.add_user("hugh")
    async with world.client("hugh") as client:
        operation = await world.operation(client, await world.session(client))
    await root.delete(f"{USERS}hugh/")
    await world.database["users"].update_one({"_id": "hugh"}, {"$set": {"deleted_at": BEGINNING}})
    await world.work("deleted users")  # the session goes
    await world.work("deleted users")  # its operation is there still: interrupted, say
    assert await world.database["operations"].find_one({"_id": operation, "deleted": False})
    assert await world.database["users"].find_one({"_id": "hugh"})
    await world.work("deleted sessions", "deleted users")
    assert await world.database["users"].find_one({"_id": "hugh"}) is None


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"username": ["This field is required."]}),
        ({"username": "a b"}, {"username": [RIGHT_NAME]}),
        ({"username": ""}, {"username": [RIGHT_NAME]}),
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
    assert list(dave) == [
        *("username", "active", "superuser", "operator", "proposals", "ingests", "observatories", "origin", "created")
    ]
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


async def test_the_sites_somebody_may_add_files_of_are_sites(world, root):
    await world.add_user("heidi", ingests=["tst"])
    assert body_of(await root.get(f"{USERS}heidi/"))["ingests"] == ["tst"]
    assert body_of(await root.patch(f"{USERS}heidi/", json={"ingests": ["*", "coj"]}))["ingests"] == ["*", "coj"]
    assert body_of(await root.patch(f"{USERS}heidi/", json={"active": True}))["ingests"] == ["*", "coj"]
    for wrong in (["t.t"], ["**"], [""], "tst", [1]):
        reply = await root.patch(f"{USERS}heidi/", json={"ingests": wrong})
        assert (reply.status_code, list(body_of(reply))) == (400, ["ingests"])
    assert body_of(await root.patch(f"{USERS}heidi/", json={"ingests": []}))["ingests"] == []


async def test_a_user_speaks_for_the_sites_whose_files_they_add_unless_said(world, root):
    await world.add_user("ivan", ingests=["tst"])
    assert body_of(await root.get(f"{USERS}ivan/"))["observatories"] == ["tst"]
    for observatories, status in (([], 403), (["mrc"], 403), (["tst"], 200), (["*"], 200)):
        changed = body_of(await root.patch(f"{USERS}ivan/", json={"observatories": observatories}))
        assert (changed["ingests"], changed["observatories"]) == (["tst"], observatories)
        async with world.client("ivan") as client:
            assert (await client.put("/tst/config", json={"site": "tst"})).status_code == status
            assert (await client.post("/upload", json={"object_name": "tst-a-20261120-00000001-EX00.txt"})).is_success


async def test_an_operator_lists_users_and_changes_none(world):
    await world.add_user("opal", operator=True)
    async with world.client("opal") as client:
        listed = body_of(await client.get(USERS, params={"limit": 1000}))["results"]
        assert [user["username"] for user in listed if user["operator"]] == ["opal"]
        assert (await client.get(f"{USERS}opal/")).status_code == 200
        for reply in (
            await client.post(USERS, json={"username": "friend"}),
            await client.patch(f"{USERS}opal/", json={"superuser": True}),
            await client.delete(f"{USERS}alice/"),
            await client.post(f"{USERS}alice/tokens/"),
            await client.delete(f"{USERS}alice/tokens/"),
        ):
            assert reply.status_code == 403


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


async def test_tokens_are_made_up_where_others_reach_the_system(root):
    reply = await root.post(f"{USERS}bob/tokens/", json={"token": "123456789abcdefg"})
    said = "Tokens are not chosen here: a system that others reach makes them up."
    assert (reply.status_code, body_of(reply)) == (403, {"detail": said})


async def test_unknown_users(root):
    for reply in (
        await root.get(f"{USERS}nobody/"),
        await root.delete(f"{USERS}nobody/"),
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
