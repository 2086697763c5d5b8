"""Passwords: how one gets a token for one, what wrong ones lead to, and who sets them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from datalab.client.feed import FeedClient, FeedRefusedError
from datalab.platform.allowance import Allowance
from session_api.accounts.login import LoginService
from support.session_api import body_of, frame_document, running_world

LOGIN = "/api/api-token-auth/"
PASSWORD = "correct horse battery"
UNABLE = {
    "non_field_errors": ["Unable to log in with provided credentials."],
    "detail": "Unable to log in with provided credentials.",
}
TRIES = 3


@pytest.fixture(scope="module")
async def world(module_settings_environment):
    changes = {"login_tries": TRIES, "login_lock_s": 600, "login_address_tries_per_minute": 100_000}
    changes["chosen_tokens"] = True
    async with running_world(module_settings_environment, **changes) as world:
        await world.add_user("root", superuser=True)
        yield world


@pytest.fixture(scope="module")
async def root(world):
    async with world.client("root") as client:
        yield client


@pytest.fixture
async def client(world):
    async with world.client() as client:
        yield client


async def user_with_password(world, root, name, **fields):
    await world.add_user(name, **fields)
    reply = await root.put(f"/api/users/{name}/password/", json={"password": PASSWORD})
    assert (reply.status_code, reply.content) == (204, b"")


async def log_in(client, username, password):
    return await client.post(LOGIN, json={"username": username, "password": password})


def token(value):
    return {"Authorization": f"Token {value}"}


async def test_the_web_client_logs_in(world, root, client):
    await user_with_password(world, root, "anna", proposals=["P1"])
    reply = await log_in(client, "anna", PASSWORD)
    assert reply.status_code == 200
    first = body_of(reply)["token"]
    second = body_of(await log_in(client, "anna", PASSWORD))["token"]
    assert first != second
    for each in (first, second, world.tokens["anna"]):
        shown = body_of(await client.get("/api/profile/", headers=token(each)))
        assert (shown["username"], shown["proposals"][0]["id"]) == ("anna", "P1")
        assert (await client.get("/api/datasessions/", headers=token(each))).status_code == 200
    stored = await world.database["tokens"].find({"username": "anna", "purpose": "login"}).to_list(None)
    assert all(each["expires_at"] > datetime.now(UTC) + timedelta(days=89) for each in stored)
    kept = await world.database["passwords"].find_one({"_id": "anna"})
    assert kept["hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PASSWORD not in str(kept)


async def test_nobody_learns_whether_there_is_a_name(world, root, client):
    await user_with_password(world, root, "berta")
    await user_with_password(world, root, "off")
    await root.patch("/api/users/off/", json={"active": False})
    await world.add_user("bare")
    for name, password in (
        ("berta", "wrong"),
        ("nobody", PASSWORD),
        ("bare", "wrong"),
        ("off", PASSWORD),
        ("x y", "x"),
    ):
        reply = await log_in(client, name, password)
        assert (reply.status_code, body_of(reply)) == (401, UNABLE), name
        assert reply.headers["WWW-Authenticate"] == "Token"


async def test_a_name_is_locked_after_wrong_passwords_whoever_has_it(world, root, client):
    await user_with_password(world, root, "carl")
    for name in ("carl", "carla"):
        replies = await asyncio.gather(*(log_in(client, name, "wrong") for _ in range(TRIES + 5)))
        said = [body_of(reply)["detail"] for reply in replies]
        assert {reply.status_code for reply in replies} == {401}
        assert said.count(UNABLE["detail"]) == TRIES
        locked = [reply for reply in replies if reply.json() != UNABLE]
        # Who asked a moment before the lock began has to wait for as much longer.
    assert all(1 <= int(reply.headers["Retry-After"]) <= 601 for reply in locked)
    # The right one, too; who is logged in, stays so.
    reply = await log_in(client, "carl", PASSWORD)
    assert (reply.status_code, body_of(reply)["detail"].partition(":")[0]) == (
        401,
        "Too many failed logins under this name",
    )
    assert (await client.get("/api/profile/", headers=token(world.tokens["carl"]))).status_code == 200
    # A lock ends; one more wrong one locks for twice as long.
    tries = world.database["login_tries"]
    past = datetime.now(UTC) - timedelta(seconds=1)
    await tries.update_many({}, {"$set": {"locked_until": past}})
    assert body_of(await log_in(client, "carl", "wrong")) == UNABLE
    assert int((await log_in(client, "carl", PASSWORD)).headers["Retry-After"]) > 601
    await tries.update_many({}, {"$set": {"locked_until": past}})
    assert (await log_in(client, "carl", PASSWORD)).status_code == 200
    assert all("carl" not in str(each) for each in await tries.find().to_list(None))


async def test_a_superuser_unlocks_by_setting_a_password(world, root, client):
    await user_with_password(world, root, "dora")
    for _ in range(TRIES + 1):
        await log_in(client, "dora", "wrong")
    await root.put("/api/users/dora/password/", json={"password": "another one"})
    assert (await log_in(client, "dora", "another one")).status_code == 200


async def test_whoever_owns_an_account_chooses_its_password(world, client):
    await world.add_user("emil")
    emil = token(world.tokens["emil"])

    async def choose(**said):
        return await client.put("/api/profile/password/", json=said, headers=emil)

    assert (await choose(password=PASSWORD)).status_code == 204  # there was none
    login = token(body_of(await log_in(client, "emil", PASSWORD))["token"])
    for said in ({}, {"current_password": "wrong"}):
        reply = await choose(password="another one", **said)
        assert (reply.status_code, list(body_of(reply))) == (400, ["current_password"])
    assert (await client.get("/api/profile/", headers=login)).status_code == 200
    assert (await choose(password="another one", current_password=PASSWORD)).status_code == 204
    assert (await client.get("/api/profile/", headers=login)).status_code == 401
    assert (await log_in(client, "emil", PASSWORD)).status_code == 401
    assert (await log_in(client, "emil", "another one")).status_code == 200


@pytest.mark.parametrize("password", ["", "short", "x" * 257, "frieda12", "FRIEDA12", 12345678, None, ["password"]])
async def test_what_is_no_password(world, root, password):
    if not await world.database["users"].find_one({"_id": "frieda12"}):
        await world.add_user("frieda12")
    reply = await root.put("/api/users/frieda12/password/", json={"password": password})
    assert (reply.status_code, list(body_of(reply))) == (400, ["password"])
    assert await world.database["passwords"].find_one({"_id": "frieda12"}) is None


async def test_a_password_is_the_same_however_it_is_typed(world, root, client):
    await world.add_user("greta")
    await root.put("/api/users/greta/password/", json={"password": "gru\u0308ne Stühle"})
    assert (await log_in(client, "greta", "gr\u00fcne Stühle")).status_code == 200


async def test_the_oldest_of_many_logins_is_given_up(world, root, client):
    await user_with_password(world, root, "hanna")
    tokens = [body_of(await log_in(client, "hanna", PASSWORD))["token"] for _ in range(22)]
    valid = [(await client.get("/api/profile/", headers=token(each))).status_code for each in tokens]
    assert valid == [401, 401, *[200] * 20]
    assert (await client.get("/api/profile/", headers=token(world.tokens["hanna"]))).status_code == 200


async def test_who_is_deleted_has_no_password(world, root, client):
    await user_with_password(world, root, "ines")
    assert (await root.delete("/api/users/ines/")).status_code == 204
    assert (await log_in(client, "ines", PASSWORD)).status_code == 401
    assert await world.database["passwords"].find_one({"_id": "ines"}) is None


async def test_an_address_tries_so_often(world, client, monkeypatch):

    monkeypatch.setattr(world.service(LoginService), "_addresses", Allowance(per_s=1 / 60, burst_s=120))
    replies = [await log_in(client, f"guess{number}", "x") for number in range(3)]
    assert [reply.status_code for reply in replies] == [401, 401, 429]
    assert int(replies[-1].headers["Retry-After"]) >= 1


async def meanwhile(world, monkeypatch, client, name, change):
    """Log in, with something changed right after the password was compared; return the answer."""
    hashes = world.service(LoginService)._hashes
    compare = hashes.is_right

    async def compared(password, known):
        is_right = await compare(password, known)
        monkeypatch.setattr(hashes, "is_right", compare)
        await change()
        return is_right

    monkeypatch.setattr(hashes, "is_right", compared)
    return await log_in(client, name, PASSWORD)


async def test_who_logs_in_while_another_password_is_set_is_not_logged_in(world, root, client, monkeypatch):
    await user_with_password(world, root, "ruth")

    async def set_another():
        assert (await root.put("/api/users/ruth/password/", json={"password": "another one"})).status_code == 204

    reply = await meanwhile(world, monkeypatch, client, "ruth", set_another)
    assert (reply.status_code, body_of(reply)) == (401, UNABLE)
    assert await world.database["tokens"].count_documents({"username": "ruth", "purpose": "login"}) == 0
    assert (await log_in(client, "ruth", "another one")).status_code == 200


async def test_a_dated_hash_is_renewed_and_never_in_the_place_of_another_password(world, root, client, monkeypatch):
    hashes, passwords = world.service(LoginService)._hashes, world.database["passwords"]
    await user_with_password(world, root, "sara")
    first = (await passwords.find_one({"_id": "sara"}))["hash"]
    monkeypatch.setattr(hashes, "is_dated", lambda _: True)
    assert (await log_in(client, "sara", PASSWORD)).status_code == 200
    assert (await passwords.find_one({"_id": "sara"}))["hash"] != first

    async def set_another():
        assert (await root.put("/api/users/sara/password/", json={"password": "another one"})).status_code == 204

    await meanwhile(world, monkeypatch, client, "sara", set_another)
    assert (await log_in(client, "sara", PASSWORD)).status_code == 401
    assert (await log_in(client, "sara", "another one")).status_code == 200


async def test_a_password_that_is_not_compared_counts_as_no_try(world, root, client, monkeypatch):
    await user_with_password(world, root, "tess")
    monkeypatch.setattr("session_api.accounts.passwords._MOST_WAITING", 0)
    replies = [await log_in(client, "tess", PASSWORD) for _ in range(TRIES + 1)]
    assert {reply.status_code for reply in replies} == {429}
    monkeypatch.undo()
    assert (await log_in(client, "tess", PASSWORD)).status_code == 200


async def test_few_passwords_are_compared_at_once(world, root, client):
    await user_with_password(world, root, "jo")
    await world.database["login_tries"].delete_many({})
    replies = await asyncio.gather(*(log_in(client, f"crowd{number}", "x") for number in range(60)))
    assert {reply.status_code for reply in replies} == {401, 429}
    assert (await log_in(client, "jo", PASSWORD)).status_code == 200


@pytest.mark.parametrize(
    ("scopes", "may"),
    [
        (["read"], {"sessions"}),
        (["ingest"], {"config"}),
        ([], set()),
        (["read", "write"], {"sessions", "session"}),
        (["read", "ingest"], {"sessions", "config"}),
        (["admin"], {"users"}),
        (["read", "write", "ingest", "admin"], {"sessions", "session", "config", "users"}),
    ],
)
async def test_a_token_is_good_for_its_scopes(world, root, client, scopes, may):
    if "kim" not in world.tokens:
        await world.add_user("kim", superuser=True, ingests=["tst"])
    made = body_of(await root.post("/api/users/kim/tokens/", json={"scopes": scopes, "lifetime_s": 3600}))
    headers = token(made["token"])
    asked = {
        "sessions": await client.get("/api/datasessions/", headers=headers),
        "session": await client.post("/api/datasessions/", json={"name": "S"}, headers=headers),
        "config": await client.put("/tst/config", json={"site": "tst"}, headers=headers),
        "users": await client.patch("/api/users/kim/", json={"active": True}, headers=headers),
    }
    assert {name for name, reply in asked.items() if reply.is_success} == may
    assert {reply.status_code for name, reply in asked.items() if name not in may} <= {403}


async def test_a_token_of_an_observatory_opens_nothing_of_its_users(world, root, client):
    await world.add_user("lars", proposals=["P1"], ingests=["tst"])
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    await world.add_frames(frame_document("closed", public_date=tomorrow, proposal_id="P1"), frame_document("open"))
    async with world.client("lars") as lars:
        session_id = await world.session(lars)
        made = body_of(await lars.get("/api/frames/"))
        link = body_of(await lars.post(f"/api/datasessions/{session_id}/link/"))["link"]
    assert {each["basename"] for each in made["results"]} == {"closed", "open"}
    limited = body_of(await root.post("/api/users/lars/tokens/", json={"scopes": ["ingest"]}))["token"]
    headers = token(limited)
    session = f"/api/datasessions/{session_id}/"
    for path in (session, f"{session}operations/", f"{session}shares/", "/api/groups/"):
        assert (await client.get(path, headers=headers)).status_code == 403
    for path in ("/api/profile/", "/api/queues/"):
        assert (await client.get(path, headers=headers)).status_code == 200
    shown = body_of(await client.get("/api/frames/", headers=headers))
    assert [each["basename"] for each in shown["results"]] == ["open"]
    async with FeedClient(world.url.replace("http", "ws") + "/api/feed", token=limited) as feed:
        with pytest.raises(FeedRefusedError, match="No DataSession"):
            await feed.subscribe(sessions=[session_id])
    read_only = token(body_of(await root.post("/api/users/lars/tokens/", json={"scopes": ["read"]}))["token"])
    assert (await client.get(session, headers=read_only)).status_code == 200
    assert (await client.get(session, headers={"X-Session-Link": link})).status_code == 200


async def test_a_token_ends_when_it_was_said_to(world, root, client):
    await world.add_user("lea")
    made = body_of(await root.post("/api/users/lea/tokens/", json={"lifetime_s": 3600}))["token"]
    await world.database["tokens"].update_one(
        {"username": "lea", "expires_at": {"$ne": None}}, {"$set": {"expires_at": datetime.now(UTC)}}
    )
    assert (await client.get("/api/profile/", headers=token(made))).status_code == 401


async def test_a_token_that_is_chosen_is_nobodys_else(world, root, client):
    await world.add_user("mia")
    await world.add_user("nils")
    chosen = "123456789abcdefg"
    assert body_of(await root.post("/api/users/mia/tokens/", json={"token": chosen}))["token"] == chosen
    assert body_of(await client.get("/api/profile/", headers=token(chosen)))["username"] == "mia"
    for name, wrong in (("nils", chosen), ("mia", chosen), ("mia", "short"), ("mia", "with blanks in it x")):
        reply = await root.post(f"/api/users/{name}/tokens/", json={"token": wrong})
        assert (reply.status_code, list(body_of(reply))) == (400, ["token"])
