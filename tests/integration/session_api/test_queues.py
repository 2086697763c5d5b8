"""PIPE queues: as their clients know them, and with leases for those who come back."""

import asyncio
import itertools
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from typer.testing import CliRunner

from datalab.cli.exit_codes import ExitCode
from datalab.cli.main import app
from datalab.errors import OutageError
from datalab.events.feed import ItemEnqueued
from datalab.events.topology import FEED
from session_api.queues.repository import ItemRepository, QueueRepository
from session_api.queues.service import QueueService
from support.pipe_clients import PipeScript, PipeSender
from support.session_api import ADMIN_TOKEN, body_of, running_world
from support.waiting import until

LEASE = {"lease_s": 3600}


@pytest.fixture(scope="module")
async def world(module_settings_environment):
    limits = {"queue_max_items": 50, "queue_max_bytes": 2_000_000, "queue_max_deliveries": 3}
    async with running_world(module_settings_environment, open_upload_sites=["*"], **limits) as world:
        await world.add_user("ada")
        await world.add_user("pipe", ingests=["q"])
        yield world


@pytest.fixture
async def anybody(world):
    for name in ("queues", "queue_items", "pipe_statuses"):
        await world.database[name].delete_many({})
    world.service(QueueService)._ids.clear()
    world.service(QueueService)._full_until.clear()
    async with world.client() as client:
        yield client


@pytest.fixture
async def queue(anybody):
    """A queue named `q`, and a client of it."""
    assert (await anybody.post("/pipe/queue", json={"queue_name": "q"})).status_code == 200
    return anybody


@pytest.fixture
def shut(world, queue, monkeypatch):
    """There is a queue, and nobody sends without a token."""
    monkeypatch.setattr(world.service(QueueService)._open_sites, "_sites", frozenset())


async def put(client, payload, **more):
    headers = more.pop("headers", None)
    reply = await client.post("/pipe/enqueue", json={"queue_name": "q", "payload": payload, **more}, headers=headers)
    assert reply.status_code == 200, reply.text
    return body_of(reply)


async def take(client, **params):
    reply = await client.post("/pipe/queue/q/dequeue", params=params)
    assert reply.status_code == 200, reply.text
    return body_of(reply)


def lease_of(item):
    return {"id": item["id"], "lease": item["lease"]}


async def end_leases(world):
    """Have every lease end now."""
    await world.database["queue_items"].update_many(
        {"lease": {"$ne": None}}, {"$set": {"free_at": datetime.now(UTC) - timedelta(seconds=1)}}
    )


# --- as clients have always used them ---------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["", "/api", "/dev"])
async def test_the_published_script_passes(world, anybody, stage):
    checks = await asyncio.to_thread(lambda: list(PipeScript(world.url + stage, 1741550137).checks()))
    assert len(checks) == 11
    assert [name for name, passed in checks if not passed] == []
    assert body_of(await anybody.get("/pipe/queues")) == {}
    assert body_of(await anybody.get("/pipe/statuses")) == []


async def test_an_observatory_is_done_with_its_list_once_there_is_a_queue(world, anybody):
    sender = PipeSender(world.url, "aro1")
    names = ["aro1-sq003ms_expose_pl-20250426-00091326-EX00.fits.fz"]
    assert not await asyncio.to_thread(sender.send, names)
    await anybody.post("/pipe/queue", json={"queue_name": "aro1"})
    assert await asyncio.to_thread(sender.send, names)
    item = body_of(await anybody.post("/pipe/queue/aro1/dequeue"))
    assert item["payload"] == {"request": "EVA_process_files", "request_content": names}
    assert item["sender"] == "aro1"


async def test_an_item_has_exactly_what_clients_know(queue):
    before = datetime.now(UTC).timestamp() * 1000
    put_in = await put(queue, {"a.b": [1, 2.5, None, "Ü"], "$x": {}}, sender="aro1")
    assert list(put_in) == ["id", "queue_name", "payload", "created_at", "sender"]
    moment, digits = put_in["id"].split("_")
    assert int(moment) == put_in["created_at"] >= before - 1
    assert len(digits) == 8
    assert int(digits, 16) >= 0
    (peeked,) = body_of(await queue.get("/pipe/queue/q"))
    assert peeked == put_in == await take(queue)
    assert put_in | {"payload": {"a.b": [1, 2.5, None, "Ü"], "$x": {}}, "queue_name": "q", "sender": "aro1"} == put_in


async def test_what_is_not_said_is_what_it_always_was(queue):
    reply = await queue.post("/pipe/enqueue", content=b'{"queue_name": "q"}')
    assert body_of(reply) | {"payload": {}, "sender": "unknown"} == body_of(reply)
    assert (await put(queue, None))["payload"] is None


async def test_items_go_in_the_order_they_came(queue):
    ids = [(await put(queue, number))["id"] for number in range(25)]
    assert [item["id"] for item in body_of(await queue.get("/pipe/queue/q"))] == ids[:10]
    assert [item["id"] for item in body_of(await queue.get("/pipe/queue/q?limit=30"))] == ids == sorted(ids)
    assert [(await take(queue))["payload"] for _ in ids] == list(range(25))


async def test_counts_are_one_more_as_they_always_were(queue):
    await queue.post("/pipe/queue", json={"queue_name": "other#1"})
    for number in range(3):
        await put(queue, number)
    assert body_of(await queue.get("/pipe/queues")) == {"q": 4, "other#1": 1}
    await take(queue)
    assert body_of(await queue.get("/pipe/queues"))["q"] == 3


async def test_mistakes_are_told_in_the_words_clients_know(queue):
    async def said(method, path, **options):
        reply = await queue.request(method, path, **options)
        return reply.status_code, reply.text

    missing = (400, "Missing required field: queue_name")
    for body in ({}, {"queue_name": ""}, {"queue_name": None}, {"payload": 1}):
        assert await said("POST", "/pipe/queue", json=body) == missing
        assert await said("POST", "/pipe/enqueue", json=body) == missing
    assert await said("POST", "/pipe/queue") == missing
    assert await said("POST", "/pipe/queue", json={"queue_name": "q"}) == (409, "Queue already exists: q")
    none = (404, "Queue does not exist: none")
    assert await said("POST", "/pipe/enqueue", json={"queue_name": "none"}) == none
    assert await said("GET", "/pipe/queue/none") == none
    assert await said("POST", "/pipe/queue/none/dequeue") == none
    assert await said("POST", "/pipe/queue/none/dequeue?lease_s=5") == none
    assert await said("DELETE", "/pipe/queue/none") == none
    assert await said("POST", "/pipe/queue/q/dequeue") == (404, "Queue is empty: q")
    assert body_of(await queue.get("/pipe/queue/q")) == []
    assert await said("DELETE", "/pipe/queue/q") == (200, '{"message":"Queue deleted: q"}')
    assert await said("POST", "/pipe/queue/q/dequeue") == (404, "Queue does not exist: q")


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5", "9" * 30])
async def test_a_limit_that_is_none_is_told_of(queue, limit):
    reply = await queue.get(f"/pipe/queue/q?limit={limit}")
    assert reply.status_code == 400
    assert reply.text.startswith("limit: ")


@pytest.mark.parametrize("name", ["a/b", "..", "x" * 257, "tab\t", 7, ["q"]])
async def test_a_name_nobody_could_ask_for_is_refused(anybody, name):
    reply = await anybody.post("/pipe/queue", json={"queue_name": name})
    assert reply.status_code == 400, reply.text


@pytest.mark.parametrize("name", ["a b", "Ü", "a#b", "100%", "a?b", "x" * 256])
async def test_other_names_work(anybody, name):
    await anybody.post("/pipe/queue", json={"queue_name": name})
    assert (await anybody.post("/pipe/enqueue", json={"queue_name": name, "payload": 1})).status_code == 200
    assert body_of(await anybody.get("/pipe/queues")) == {name: 2}
    path = f"/pipe/queue/{name.replace('%', '%25').replace('#', '%23').replace('?', '%3F')}"
    assert body_of(await anybody.post(f"{path}/dequeue"))["queue_name"] == name
    assert (await anybody.delete(path)).status_code == 200


@pytest.mark.parametrize("content", [b"no json", b"[1]", b'{"queue_name": "q", "payload": NaN}', b'"q"', b"\xff"])
async def test_what_is_no_request_changes_nothing(queue, content):
    assert (await queue.post("/pipe/enqueue", content=content)).status_code == 400
    assert body_of(await queue.get("/pipe/queues")) == {"q": 1}


# --- limits -----------------------------------------------------------------------------------------------------------


async def test_a_payload_may_be_as_large_as_the_first_service_could_keep(queue):
    largest = "x" * (400 * 1024 - 2)
    await put(queue, largest)
    assert (await take(queue))["payload"] == largest
    reply = await queue.post("/pipe/enqueue", json={"queue_name": "q", "payload": largest + "x"})
    assert (reply.status_code, reply.text.split(":")[0]) == (413, "The payload is too large")


async def test_a_full_queue_asks_to_come_back_and_takes_again_when_there_is_room(world, queue):
    for number in range(50):
        await put(queue, number)
    reply = await queue.post("/pipe/enqueue", json={"queue_name": "q"})
    assert (reply.status_code, reply.headers["Retry-After"]) == (429, "30")
    assert "queue q is full" in body_of(reply)["detail"]
    assert "200" not in repr(reply.status_code)  # for the observatory it is not done
    await take(queue)
    world.service(QueueService)._full_until.clear()
    await put(queue, 50)
    assert [(await take(queue))["payload"] for _ in range(50)] == list(range(1, 51))


async def test_bytes_count_as_well(queue):
    for _ in range(5):
        await put(queue, "x" * 399_000)
    reply = await queue.post("/pipe/enqueue", json={"queue_name": "q", "payload": "x" * 399_000})
    assert reply.status_code == 429
    await put(queue, "a small one still fits")


async def test_there_are_only_so_many_queues(world, anybody, monkeypatch):
    monkeypatch.setattr("session_api.queues.service._MOST_QUEUES", 2)
    names = ("a", "b", "c")
    replies = [await anybody.post("/pipe/queue", json={"queue_name": name}) for name in names]
    assert [reply.status_code for reply in replies] == [200, 200, 403]


# --- sent, or asked for, again ----------------------------------------------------------------------------------------


async def test_what_is_sent_again_with_its_key_is_one_item_also_when_it_is_taken(queue):
    key = {"Idempotency-Key": "night-1"}
    first = await put(queue, {"n": 1}, headers=key)
    assert await put(queue, {"n": 1}, headers=key) == first
    assert await take(queue) == first
    assert await put(queue, {"n": 1}, headers=key) == first
    assert (await queue.post("/pipe/queue/q/dequeue")).text == "Queue is empty: q"
    reply = await queue.post("/pipe/enqueue", json={"queue_name": "q", "payload": {"n": 2}}, headers=key)
    assert (reply.status_code, first["id"] in reply.text) == (409, True)


async def test_what_is_sent_many_times_at_once_is_one_item(queue):
    items = await asyncio.gather(*(put(queue, 1, headers={"Idempotency-Key": "k"}) for _ in range(20)))
    assert len({item["id"] for item in items}) == 1
    assert len(body_of(await queue.get("/pipe/queue/q"))) == 1


async def test_who_asks_again_with_the_same_key_gets_the_same_item(queue):
    for number in range(5):
        await put(queue, number)
    key = {"headers": {"Idempotency-Key": "machine-1/1"}}
    replies = await asyncio.gather(*(queue.post("/pipe/queue/q/dequeue", **key) for _ in range(10)))
    assert [body_of(reply)["payload"] for reply in replies] == [0] * 10
    assert (await take(queue))["payload"] == 1
    assert body_of(await queue.post("/pipe/queue/q/dequeue", **key))["payload"] == 0


@pytest.mark.parametrize("key", ["", "x" * 257, "a\tb"])
async def test_a_key_that_is_none_is_told_of(queue, key):
    reply = await queue.post("/pipe/enqueue", json={"queue_name": "q"}, headers={"Idempotency-Key": key})
    assert (reply.status_code, "Idempotency-Key" in reply.text) == (400, True)


async def test_of_many_who_take_at_once_through_several_processes_each_gets_another_item(world, queue):
    for number in range(45):
        await put(queue, number)
    queue_id = (await world.database["queues"].find_one({"live": True}))["_id"]
    processes = [ItemRepository(database=world.database, relay=world.core.relay) for _ in range(3)]
    until_then = datetime.now(UTC) + timedelta(hours=1)
    takes = [each.take(queue_id, known_until=until_then) for each in processes for _ in range(20)]
    rows = await asyncio.gather(*takes)
    by_process = [[int(row["payload"]) for row in rows[at : at + 20] if row] for at in (0, 20, 40)]
    assert sorted(itertools.chain(*by_process)) == list(range(45))
    assert by_process == [sorted(each) for each in by_process]
    assert rows.count(None) == 15


def fails(monkeypatch, owner, name, *, times, only=lambda *_, **__: True, after_the_fact=False):
    """Have a call fail as if the store were away, once it is done or before."""
    call, left = getattr(owner, name), [times]

    async def flaky(*args, **kwargs):
        fails = bool(left[0]) and only(*args, **kwargs)
        left[0] -= fails
        if fails and not after_the_fact:
            raise OutageError("the document store does not answer")
        answer = await call(*args, **kwargs)
        if fails:
            raise OutageError("the document store does not answer")
        return answer

    monkeypatch.setattr(owner, name, flaky)


async def take_at_once(queue, names):
    replies = await asyncio.gather(*(queue.post(f"/pipe/queue/{name}/dequeue") for name in names))
    payloads = [body_of(reply)["payload"] for reply in replies if reply.status_code == 200]
    return payloads, [reply.status_code for reply in replies if reply.status_code != 200]


async def test_what_was_taken_is_handed_out_though_the_answer_of_the_store_was_lost(world, queue, monkeypatch):
    items = world.service(QueueService)._items._items
    for number in range(10):
        await put(queue, number)
    fails(monkeypatch, items, "update_each", times=1, after_the_fact=True)
    # It does not answer at once when it is asked what was done, either.
    fails(monkeypatch, items, "rows", times=1, only=lambda query, *_, **__: "claim" in query)
    first, others = await take_at_once(queue, ["q"] * 10)
    later, _ = await take_at_once(queue, ["q"] * (10 - len(first)))
    assert (sorted(first + later), set(others)) == (list(range(10)), {503} if others else set())


async def test_who_leaves_before_the_answer_takes_nothing_along(world, queue, monkeypatch):
    items = world.service(QueueService)._items._items
    for number in range(3):
        await put(queue, number)
    update_each, goes_on, waits = items.update_each, asyncio.Event(), asyncio.Event()

    async def late(updates):
        won = await update_each(updates)
        waits.set()
        await goes_on.wait()
        return won

    monkeypatch.setattr(items, "update_each", late)

    async def impatient():
        async with world.client() as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.post("/pipe/queue/q/dequeue", timeout=0.3)

    first = asyncio.create_task(impatient())
    await waits.wait()  # the second one waits for its turn meanwhile
    await asyncio.gather(first, impatient())
    await asyncio.sleep(1.2)
    monkeypatch.undo()
    goes_on.set()
    assert [(await take(queue))["payload"] for _ in range(3)] == [0, 1, 2]


async def test_what_was_taken_before_the_store_failed_is_handed_out(world, queue, monkeypatch):
    """Some of a batch were taken by another process: those that were not, when more is asked for in vain."""
    items = world.service(QueueService)._items
    for number in range(6):
        await put(queue, number)
    queue_id = (await world.database["queues"].find_one({"live": True}))["_id"]
    until_then = datetime.now(UTC) + timedelta(hours=1)
    won = items._items.update_each
    others = []

    async def another_is_faster(updates):
        if not others:
            others.append(
                await ItemRepository(database=world.database, relay=world.core.relay).take(
                    queue_id, known_until=until_then
                )
            )
            fails(monkeypatch, items._items, "rows", times=1, only=lambda query, *_, **__: "claim" not in query)
        return await won(updates)

    monkeypatch.setattr(items._items, "update_each", another_is_faster)
    asked = [(queue_id, until_then)] * 3
    taken = await items._take_all(asked)
    assert [row["payload"] for row in taken[:2]] == ["1", "2"]
    assert isinstance(taken[2], OutageError)


async def test_a_queue_on_which_the_store_fails_takes_nothing_of_another(world, queue, monkeypatch):
    items = world.service(QueueService)._items
    await put(queue, 0)
    await queue.post("/pipe/queue", json={"queue_name": "r"})
    await queue.post("/pipe/enqueue", json={"queue_name": "r", "payload": 1})
    ids = {row["name"]: row["_id"] async for row in world.database["queues"].find({"live": True})}
    fails(monkeypatch, items._items, "rows", times=1, only=lambda query, *_, **__: query.get("queue_id") == ids["r"])
    until_then = datetime.now(UTC) + timedelta(hours=1)
    first, second = await items._take_all([(ids["r"], until_then), (ids["q"], until_then)])
    assert (isinstance(first, OutageError), second["payload"]) == (True, "0")
    assert body_of(await queue.post("/pipe/queue/r/dequeue"))["payload"] == 1


# --- leases -----------------------------------------------------------------------------------------------------------


async def test_what_is_lent_out_is_nobody_elses_and_done_with_once_acknowledged(queue):
    for number in range(2):
        await put(queue, number)
    lent = await take(queue, lease_s=60)
    assert list(lent)[:5] == ["id", "queue_name", "payload", "created_at", "sender"]
    assert lent["payload"] == 0
    assert lent["deliveries"] == 1
    assert 50_000 < lent["lease_until"] - datetime.now(UTC).timestamp() * 1000 <= 60_100
    assert [item["payload"] for item in body_of(await queue.get("/pipe/queue/q"))] == [1]
    assert body_of(await queue.get("/pipe/queues"))["q"] == 2
    assert (await take(queue))["payload"] == 1
    for _ in range(2):  # the answer may have been lost
        reply = await queue.post("/pipe/queue/q/acknowledge", json=lease_of(lent))
        assert body_of(reply) == {"message": f"Item done: {lent['id']}"}
    assert (await queue.post("/pipe/queue/q/dequeue")).status_code == 404


async def test_what_was_not_acknowledged_in_time_comes_first_again(world, queue):
    for number in range(3):
        await put(queue, number)
    former = await take(queue, **LEASE)
    await end_leases(world)
    again = await take(queue, **LEASE)
    assert (again["id"], again["deliveries"]) == (former["id"], 2)
    assert (await take(queue))["payload"] == 1


async def test_a_late_acknowledgement_is_refused_and_says_why(world, queue):
    await put(queue, 0)
    former = await take(queue, **LEASE)
    await end_leases(world)
    reply = await queue.post("/pipe/queue/q/acknowledge", json=lease_of(former))
    assert (reply.status_code, "the item is back in its queue" in reply.text) == (409, True)
    present = await take(queue, **LEASE)
    for route in ("acknowledge", "release", "renew?lease_s=9"):
        reply = await queue.post(f"/pipe/queue/q/{route}", json=lease_of(former))
        assert (reply.status_code, "it has another" in reply.text) == (409, True)
    assert (await queue.post("/pipe/queue/q/acknowledge", json=lease_of(present))).status_code == 200
    reply = await queue.post("/pipe/queue/q/acknowledge", json=lease_of(former))
    assert (reply.status_code, "done with, under another lease" in reply.text) == (409, True)
    reply = await queue.post("/pipe/queue/q/acknowledge", json={"id": "1_0", "lease": "x"})
    assert reply.status_code == 404


@pytest.mark.parametrize("key", [None, "k"])
async def test_a_borrower_whose_item_was_taken_by_another_meanwhile_is_told(world, queue, key):
    await put(queue, 0)
    former = await take(queue, **LEASE)
    await end_leases(world)
    await queue.post("/pipe/queue/q/dequeue", headers={} if key is None else {"Idempotency-Key": key})
    reply = await queue.post("/pipe/queue/q/acknowledge", json=lease_of(former))
    assert (reply.status_code, "done with, under another lease" in reply.text) == (409, True)


async def test_a_lease_that_is_renewed_goes_on(world, queue):
    await put(queue, 0)
    lent = await take(queue, lease_s=1)
    reply = body_of(await queue.post("/pipe/queue/q/renew?lease_s=3600", json=lease_of(lent)))
    assert reply["lease_until"] - lent["lease_until"] > 3_500_000
    assert reply["lease"] == lent["lease"]
    assert reply["deliveries"] == 1


async def test_what_is_given_back_comes_first_again(queue):
    for number in range(2):
        await put(queue, number)
    lent = await take(queue, **LEASE)
    assert (await queue.post("/pipe/queue/q/release", json=lease_of(lent))).status_code == 200
    assert (await queue.post("/pipe/queue/q/acknowledge", json=lease_of(lent))).status_code == 409
    assert (await take(queue))["payload"] == 0


async def test_what_was_lent_out_too_often_is_dead_and_shown_until_it_is_put_back(world, queue):
    for number in range(2):
        await put(queue, number)
    for _ in range(3):
        lent = await take(queue, **LEASE)
        assert lent["payload"] == 0
        await end_leases(world)
    reply = await queue.post("/pipe/queue/q/acknowledge", json=lease_of(lent))
    assert (reply.status_code, "the item is dead" in reply.text) == (409, True)
    assert (await take(queue))["payload"] == 1
    assert (await queue.post("/pipe/queue/q/dequeue")).status_code == 404
    async with world.client("pipe") as pipe:
        assert {**body_of(await pipe.get("/api/queues/q/")), "created": ""} == {
            "name": "q", "created": "", "enqueued": 2, "waiting": 0, "leased": 0, "dead": 1,
        }  # fmt: skip
        (dead,) = body_of(await pipe.get("/api/queues/q/items/?state=dead"))["results"]
        assert (dead["id"], dead["deliveries"], dead["lease_until"]) == (lent["id"], 3, None)
        other = await put(queue, 2)
        reply = await pipe.post("/api/queues/q/requeue/", json={"items": [dead["id"], other["id"]]})
        assert (reply.status_code, (await take(queue))["id"]) == (404, other["id"])
        reply = await pipe.post("/api/queues/q/requeue/", json={"items": [dead["id"], dead["id"]]})
        assert body_of(reply) == {"requeued": 1}
        assert (await pipe.post("/api/queues/q/requeue/", json={"items": [dead["id"]]})).status_code == 404
        assert body_of(await pipe.post("/api/queues/q/requeue/", json={})) == {"requeued": 0}
    assert (await take(queue, **LEASE))["deliveries"] == 1


@pytest.mark.parametrize("lease_s", ["0", "-1", "nan", "inf", "x", "1e9"])
async def test_a_lease_that_is_none_is_told_of(queue, lease_s):
    await put(queue, 0)
    reply = await queue.post(f"/pipe/queue/q/dequeue?lease_s={lease_s}")
    assert (reply.status_code, reply.text.startswith("lease_s: ")) == (400, True)


# --- ends -------------------------------------------------------------------------------------------------------------


async def test_a_queue_made_anew_knows_nothing_of_the_former(world, queue):
    await put(queue, "former")
    lent = await take(queue, **LEASE)
    await put(queue, "former")
    await queue.delete("/pipe/queue/q")
    await queue.post("/pipe/queue", json={"queue_name": "q"})
    assert (await queue.post("/pipe/queue/q/dequeue")).text == "Queue is empty: q"
    assert (await queue.post("/pipe/queue/q/acknowledge", json=lease_of(lent))).status_code == 404
    assert await world.database["queue_items"].count_documents({"state": {"$ne": "taken"}}) == 0


async def test_what_is_sent_while_a_queue_ends_is_in_it_or_refused(world, queue):
    """Nothing of it is left anywhere: not in the queue of the same name that is made at once."""

    async def send(number):
        return (await queue.post("/pipe/enqueue", json={"queue_name": "q", "payload": number})).status_code

    async def end_and_begin():
        await queue.delete("/pipe/queue/q")
        await queue.post("/pipe/queue", json={"queue_name": "q"})

    for _ in range(5):
        replies = await asyncio.gather(*map(send, range(8)), end_and_begin(), *map(send, range(8)))
        assert set(replies) - {None} <= {200, 404}
        present = body_of(await queue.get("/pipe/queues"))["q"] - 1
        live = await world.database["queues"].find_one({"live": True})
        held = await world.database["queue_items"].count_documents({"state": "waiting"})
        assert (
            present
            == held
            == await world.database["queue_items"].count_documents({"queue_id": live["_id"], "state": "waiting"})
        )


async def test_a_deletion_that_was_cut_short_is_finished(world, queue):
    for number in range(3):
        await put(queue, number)
    queue_id = await QueueRepository(world.database).delete("q")  # and the process ends
    assert (await queue.post("/pipe/queue/q/dequeue")).status_code == 404
    await world.work("queues that ended")
    assert await world.database["queues"].count_documents({}) == 1  # who numbered an item may still be storing it
    await world.database["queues"].update_one(
        {"_id": queue_id}, {"$set": {"deleted": datetime.now(UTC) - timedelta(hours=1)}}
    )
    await world.work("queues that ended")
    assert await world.database["queues"].count_documents({}) == 0
    assert await world.database["queue_items"].count_documents({}) == 0


# --- who --------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("shut")
async def test_without_a_token_nobody_uses_a_queue_unless_its_site_is_open(world, queue):
    async with world.client("ada") as ada, world.client("pipe") as pipe:
        for client in (queue, ada):
            replies = [
                await client.post("/pipe/queue", json={"queue_name": "new"}),
                await client.post("/pipe/enqueue", json={"queue_name": "q"}),
                await client.get("/pipe/queue/q"),
                await client.post("/pipe/queue/q/dequeue"),
                await client.post("/pipe/queue/q/acknowledge", json={"id": "1_0", "lease": "x"}),
                await client.delete("/pipe/queue/q"),
                await client.post("/pipe/status", json={"pipe_id": "p", "status": "online"}),
                await client.delete("/pipe/status/p"),
            ]
            assert [reply.status_code for reply in replies] == [403] * len(replies)
            assert all("with a token only" in reply.text for reply in replies)
            assert body_of(await client.get("/pipe/queues")) == {"q": 1}
        await put(pipe, 1)
        assert (await pipe.post("/pipe/status", json={"pipe_id": "p", "status": "online"})).status_code == 200
        assert (await pipe.post("/pipe/queue", json={"queue_name": "new"})).status_code == 403
        assert (await ada.get("/api/queues/q/items/")).status_code == 403
        assert (await ada.post("/api/queues/q/requeue/", json={})).status_code == 403
        assert body_of(await ada.get("/api/queues/"))["count"] == 1
        assert (await queue.get("/api/queues/")).status_code == 401
        assert (await take(pipe))["payload"] == 1


# --- news -------------------------------------------------------------------------------------------------------------


async def test_the_feed_tells_of_each_item_once_who_may_take_it(world, anybody):
    await anybody.post("/pipe/queue", json={"queue_name": "told1"})
    await anybody.post("/pipe/queue", json={"queue_name": "not told"})
    key = {"Idempotency-Key": "k"}
    for _ in range(2):
        body = {"queue_name": "told1", "payload": 1, "sender": "aro1"}
        item = body_of(await anybody.post("/pipe/enqueue", json=body, headers=key))
    await anybody.post("/pipe/enqueue", json={"queue_name": "not told"})

    async def told():
        messages = world.bus.replay(FEED, after=0, filter_subjects=("datalab.feed.v1.site.told1",))
        return [ItemEnqueued.decode(message.body) async for message in messages]

    (event,) = await until(told)
    assert (event.site, event.item_id, event.sender) == ("told1", item["id"], "aro1")


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def command(world, tmp_path, monkeypatch):
    """Return what runs `datalab queues` as the administrator, and returns exit code and output."""
    monkeypatch.chdir(tmp_path)
    environment = {"DATALAB_API_URL": world.url, "DATALAB_ADMIN_TOKEN": ADMIN_TOKEN, "DATALAB_TOKEN": ""}

    def run(*arguments):
        done = CliRunner().invoke(app, ["queues", *arguments], env=environment)
        return done.exit_code, done.stdout

    return lambda *arguments: asyncio.to_thread(run, *arguments)


async def test_an_operator_sees_what_is_dead_and_puts_it_back(world, queue, command):
    items = [await put(queue, {"n": number}, sender="aro1") for number in range(3)]
    await world.database["queue_items"].update_many(
        {"_id": {"$in": [item["id"] for item in items[:2]]}},
        {"$set": {"state": "last", "deliveries": 3, "lease": "x", "free_at": datetime.now(UTC) - timedelta(hours=1)}},
    )
    code, listed = await command("list")
    assert (code, listed.split()[:7]) == (0, ["q", "1", "waiting", "0", "lent", "out", "2"])
    assert json.loads((await command("show", "q", "--json"))[1])["items"][0]["payload"] == {"n": 2}
    code, dead = await command("dead", "q")
    assert [line.split()[:6] for line in dead.splitlines()] == [
        [item["id"], "aro1", "lent", "out", "3", "times"] for item in items[:2]
    ]
    for chosen in (items[1]["id"], "--all"):
        code, said = await command("requeue", "q", chosen)
        assert (code, said.splitlines()[-1]) == (0, "1 items can be taken again")  # above it, the log of the server
    assert (await command("requeue", "q"))[0] == ExitCode.USAGE
    assert (await command("show", "none"))[0] == ExitCode.NOT_FOUND
    assert [(await take(queue))["payload"]["n"] for _ in items] == [0, 1, 2]


# --- the store --------------------------------------------------------------------------------------------------------


async def test_the_first_free_item_is_found_by_its_index_however_many_are_lent_out(world, queue):
    for number in range(40):
        await put(queue, number)
    for _ in range(30):
        await take(queue, **LEASE)
    live = await world.database["queues"].find_one({"live": True})
    plan = await world.database.command(
        {
            "explain": {
                "find": "queue_items",
                "filter": {
                    "queue_id": live["_id"], "state": "waiting", "$expr": {"$lte": ["$free_at", "$$NOW"]},
                },
                "sort": {"sequence": 1},
                "limit": 1,
                "hint": "waiting",
            },
            "verbosity": "executionStats",
        }
    )  # fmt: skip
    stats = plan["executionStats"]
    assert stats["totalKeysExamined"] <= 32, json.dumps(plan["queryPlanner"]["winningPlan"], default=str)
    assert stats["totalDocsExamined"] <= 1, json.dumps(plan["queryPlanner"]["winningPlan"], default=str)


async def test_what_was_taken_goes_by_itself_in_its_time(world, queue):
    await put(queue, "x" * 1000)
    item = await take(queue)
    stored = await world.database["queue_items"].find_one({"_id": item["id"]})
    assert "payload" not in stored
    assert stored["expires_at"].replace(tzinfo=UTC) < datetime.now(UTC) + timedelta(days=1, minutes=1)
    indexes = await world.database["queue_items"].index_information()
    assert [each for each in indexes.values() if each.get("expireAfterSeconds") == 0]
