"""What PIPE machines say of themselves."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from support.session_api import body_of, running_world


@pytest.fixture(scope="module")
async def world(module_settings_environment):
    async with running_world(module_settings_environment, open_upload_sites=["*"]) as world:
        yield world


@pytest.fixture
async def machine(world):
    await world.database["pipe_statuses"].delete_many({})
    async with world.client() as client:
        yield client


async def say(client, pipe_id="pipe-1", status="online", **more):
    return await client.post("/pipe/status", json={"pipe_id": pipe_id, "status": status, **more})


async def test_a_status_is_kept_as_it_was_said_and_replaced_as_a_whole(machine):
    before = datetime.now(UTC).timestamp() * 1000 - 1
    details = {"cpu.usage": "25%", "$n": [20.5, None], "text": "Ü"}
    said = body_of(await say(machine, details=details))
    assert list(said) == ["pipe_id", "status", "last_updated", "details"]
    assert said == {**said, "pipe_id": "pipe-1", "status": "online", "details": details}
    assert isinstance(said["last_updated"], int)
    assert said["last_updated"] >= before
    assert body_of(await machine.get("/pipe/status/pipe-1")) == said
    for details in ("a text", None, 7, []):
        assert body_of(await say(machine, status="busy", details=details))["details"] == details
    assert body_of(await say(machine, status="busy"))["details"] == {}
    assert body_of(await machine.get("/pipe/statuses"))[0]["status"] == "busy"


async def test_all_are_listed_whatever_they_are_called(machine):
    names = ["pipe-1", "a#1", "a#2", "Ü b"]
    for name in names:
        assert (await say(machine, name)).status_code == 200
    assert sorted(each["pipe_id"] for each in body_of(await machine.get("/pipe/statuses"))) == sorted(names)


async def test_a_machine_is_forgotten_also_one_nobody_knows(machine):
    await say(machine)
    for _ in range(2):
        reply = await machine.delete("/pipe/status/pipe-1")
        assert body_of(reply) == {"message": "Status deleted for PIPE: pipe-1"}
    reply = await machine.get("/pipe/status/pipe-1")
    assert (reply.status_code, reply.text) == (404, "PIPE machine not found: pipe-1")


async def test_who_asks_is_told_which_machines_have_been_silent(world, machine):
    await say(machine, "silent")
    await say(machine, "awake")
    ago = datetime.now(UTC) - timedelta(seconds=700)
    await world.database["pipe_statuses"].update_one({"_id": "silent"}, {"$set": {"last_updated": ago}})
    told = {each["pipe_id"]: each["stale"] for each in body_of(await machine.get("/pipe/statuses?stale_after_s=600"))}
    assert told == {"silent": True, "awake": False}
    assert body_of(await machine.get("/pipe/status/silent?stale_after_s=800"))["stale"] is False
    assert "stale" not in body_of(await machine.get("/pipe/status/silent"))
    assert all("stale" not in each for each in body_of(await machine.get("/pipe/statuses")))


@pytest.mark.parametrize("query", ["0", "-5", "x", "nan"])
async def test_a_silence_that_is_none_is_told_of(machine, query):
    assert (await machine.get(f"/pipe/statuses?stale_after_s={query}")).status_code == 400


@pytest.mark.parametrize("body", [{}, {"pipe_id": "p"}, {"status": "online"}, {"pipe_id": "", "status": "x"}])
async def test_what_is_missing_is_told_in_the_words_clients_know(machine, body):
    reply = await machine.post("/pipe/status", json=body)
    assert (reply.status_code, reply.text) == (400, "Missing required fields: pipe_id and status")


@pytest.mark.parametrize(
    "more", [{"pipe_id": "a/b"}, {"pipe_id": 7}, {"status": ["x"]}, {"status": "x" * 257}, {"pipe_id": "x" * 257}]
)
async def test_what_cannot_be_kept_is_told_of(machine, more):
    reply = await machine.post("/pipe/status", json={"pipe_id": "p", "status": "online", **more})
    assert reply.status_code == 400
    assert body_of(await machine.get("/pipe/statuses")) == []


async def test_details_have_a_limit_and_so_have_machines(machine, monkeypatch):
    assert (await say(machine, details="x" * (16 * 1024 - 2))).status_code == 200
    reply = await say(machine, details="x" * (16 * 1024))
    assert (reply.status_code, "too large" in reply.text) == (413, True)
    monkeypatch.setattr("session_api.pipe_statuses.service.MOST_MACHINES", 2)
    statuses = [(await say(machine, name)).status_code for name in ("pipe-1", "pipe-2", "pipe-3", "pipe-1")]
    assert statuses == [200, 200, 403, 200]


async def test_one_machine_that_speaks_many_times_at_once_is_one(machine):
    replies = await asyncio.gather(*(say(machine, status=f"s{number}") for number in range(20)))
    assert {reply.status_code for reply in replies} == {200}
    assert len(body_of(await machine.get("/pipe/statuses"))) == 1
