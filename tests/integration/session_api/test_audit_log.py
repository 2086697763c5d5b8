"""Who changed what: kept before it is done, shown to whoever looks after the system, and without what is secret."""

import asyncio

import pytest

from datalab.errors import OutageError
from datalab.platform.allowance import Allowance
from session_api.accounts.audit import AuditService
from session_api.web.failures import TooManyError
from session_api.web.writes import Writes
from support.session_api import body_of, running_world
from support.waiting import until

LOG = "/api/audit-log/"


@pytest.fixture(scope="module")
async def world(module_settings_environment):
    async with running_world(module_settings_environment, open_upload_sites=["tst"]) as world:
        await world.add_user("alice")
        await world.add_user("opal", operator=True)
        await world.add_user("root", superuser=True)
        yield world


@pytest.fixture(scope="module")
async def opal(world):
    async with world.client("opal") as client:
        yield client


@pytest.fixture
async def alice(world):
    async with world.client("alice") as client:
        yield client


async def entry_of(world, reply):
    """Return the entry of a request, once it says how that was answered."""

    async def answered():
        found = await world.database["audit_log"].find_one({"_id": reply.headers["X-Correlation-Id"]})
        return found if found and found["status"] is not None else None

    return await until(answered)


async def test_a_change_is_kept_with_who_what_when_and_from_where(world, alice, opal):
    made = await alice.post("/api/datasessions/", json={"name": "S"})
    session = body_of(made)["id"]
    removed = await alice.delete(f"/api/datasessions/{session}")
    for reply, method, route, about, status in (
        (made, "POST", "/api/datasessions", {}, 201),
        (removed, "DELETE", "/api/datasessions/{session_id}", {"session_id": str(session)}, 204),
    ):
        entry = await entry_of(world, reply)
        assert (entry["method"], entry["route"], entry["about"], entry["status"]) == (method, route, about, status)
        assert (entry["username"], entry["address"]) == ("alice", "127.0.0.1")
    shown = body_of(await opal.get(LOG, params={"username": "alice", "limit": 1}))
    assert shown["results"][0]["request_id"] == removed.headers["X-Correlation-Id"]
    assert list(shown["results"][0]) == [
        *("request_id", "at", "username", "address", "method", "route", "about", "status")
    ]
    assert shown["results"][0]["at"] <= body_of(await opal.get(LOG))["results"][0]["at"]


async def test_what_was_refused_is_kept_and_what_only_asks_is_not(world, alice):
    kept = [
        await alice.post("/api/datasessions/", content=b"{"),
        await alice.patch("/api/datasessions/4711/", json={"name": "S"}),
    ]
    assert [(await entry_of(world, reply))["status"] for reply in kept] == [400, 404]
    async with world.client() as nobody:
        configured = await nobody.put("/dev/tst/config/", json={"site": "tst"})
        other = [
            await alice.get("/api/datasessions/"),
            await alice.get("/api/audit-log/"),
            await alice.post("/api/analysis/wcs/", json={}),
            await alice.post("/api/users/", json={"username": "friend"}),  # forbidden before
            await alice.post("/api/nothing/"),
            await alice.put("/api/datasessions/"),
            await nobody.post("/api/datasessions/", json={"name": "S"}),
            await nobody.post("/upload", json={"object_name": "tst-a-20261120-00000001-EX00.txt"}),
        ]
    entry = await entry_of(world, configured)
    assert (entry["username"], entry["route"], entry["about"]) == ("", "/{site}/config", {"site": "tst"})
    ids = [reply.headers["X-Correlation-Id"] for reply in other]
    assert await world.database["audit_log"].count_documents({"_id": {"$in": ids}}) == 0


async def test_a_change_that_is_asked_for_by_get_is_kept_and_counted_as_well(world, alice, monkeypatch):
    reply = await alice.get("/control_room/tst/restart")
    entry = await entry_of(world, reply)
    assert (entry["route"], entry["about"]) == ("/control_room/{site}/restart", {"site": "tst"})

    def refuse(*_, **__):
        raise TooManyError("too many changes", retry_after_s=9)

    monkeypatch.setattr(Writes, "_take", refuse)
    assert (await alice.get("/control_room/tst/restart")).status_code == 429


async def test_who_may_read_it(world, opal):
    for name, status in (("alice", 403), ("opal", 200), ("root", 200), (None, 401)):
        async with world.client(name) as client:
            assert (await client.get(LOG)).status_code == status
            for method in ("DELETE", "PUT", "POST", "PATCH"):
                assert (await client.request(method, LOG)).status_code == (401 if name is None else 405)
    for name, said in (("since", "yesterday"), ("until", "9999999999")):
        reply = await opal.get(LOG, params={name: said})
        assert (reply.status_code, list(body_of(reply))) == (400, [name])
    assert body_of(await opal.get(LOG, params={"since": "2999-01-01"}))["results"] == []
    assert body_of(await opal.get(LOG, params={"until": "2000-01-01"}))["results"] == []
    assert body_of(await opal.get(LOG, params={"username": "nobody\0"}))["results"] == []


async def test_nothing_is_changed_that_cannot_be_kept(world, alice, monkeypatch):
    async def away(_entry):
        raise OutageError("the document store does not answer")

    audit = world.service(AuditService)
    monkeypatch.setattr(audit._entries, "add", away)
    reply = await alice.post("/api/datasessions/", json={"name": "unkept"})
    said = {"detail": "Temporarily unavailable: the document store does not answer."}
    assert (reply.status_code, body_of(reply)) == (503, said)
    assert await world.database["sessions"].find_one({"name": "unkept"}) is None


async def test_an_answer_is_given_though_it_cannot_be_kept(world, alice, monkeypatch):
    async def away(*_, **__):
        raise OutageError("the document store does not answer")

    monkeypatch.setattr(world.service(AuditService)._entries, "add_answer", away)
    reply = await alice.post("/api/datasessions/", json={"name": "S"})
    assert reply.status_code == 201
    entry = await world.database["audit_log"].find_one({"_id": reply.headers["X-Correlation-Id"]})
    assert entry["status"] is None


async def test_entries_go_when_they_have_had_their_time(world, alice):
    indexes = await world.database["audit_log"].index_information()
    assert indexes["expires"]["expireAfterSeconds"] == 0
    entry = await entry_of(world, await alice.post("/api/datasessions/", json={"name": "S"}))
    assert (entry["expires_at"] - entry["at"]).days == 365


def writes_of(world):
    layer = world.app.middleware_stack
    while not isinstance(layer, Writes):
        layer = getattr(layer, "app", None) or layer._app
    return layer


async def test_who_is_not_known_fills_no_log(world, alice, monkeypatch):
    monkeypatch.setattr(writes_of(world), "_unknown", Allowance(per_s=1 / 60, burst_s=120))
    async with world.client() as nobody:
        # Refused, and kept; a year long.
        refused = [await nobody.put("/abc/config", json={"site": "abc"}) for _ in range(3)]
        assert [reply.status_code for reply in refused] == [403, 403, 429]
        told = await nobody.post("/authprofile/addupdateuser/", json={}, headers={"Authorization": "Server guess"})
        assert told.status_code == 429
        ids = [reply.headers["X-Correlation-Id"] for reply in (*refused, told)]
        assert await world.database["audit_log"].count_documents({"_id": {"$in": ids}}) == 2
        # What is not kept there is counted apart.
        assert (await nobody.post("/api/api-token-auth/", json={})).status_code == 400
    assert (await alice.post("/api/datasessions/", json={"name": "S"})).status_code == 201


async def test_changes_by_one_caller_hold_up_nobody_else(world, alice):
    layer = writes_of(world)
    generous, layer._allowance = layer._allowance, Allowance(per_s=1 / 60, burst_s=180)
    try:
        async with world.client("root") as root:
            replies = await asyncio.gather(*(alice.post("/api/datasessions/", json={"name": "S"}) for _ in range(5)))
            assert sorted(reply.status_code for reply in replies) == [201, 201, 201, 429, 429]
            assert int(next(each for each in replies if each.status_code == 429).headers["Retry-After"]) >= 1
            assert (await alice.get("/api/datasessions/")).status_code == 200
            assert (await root.post("/api/datasessions/", json={"name": "S"})).status_code == 201
    finally:
        layer._allowance = generous
