"""What a crash or a lost message leaves behind is found and finished."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from datalab.events.envelope import utc_now
from datalab.events.operations import Lane, OperationStarted
from datalab.events.topology import RUNNERS
from datalab.platform.tasks import end_tasks
from support.session_api import archive, body_of, frame_document, result
from support.waiting import PATIENCE_S, until

LONG_AGO = timedelta(hours=1)


@pytest.fixture
async def session_id(world, alice):
    return await world.session(alice)


@pytest.fixture
async def idle_runner(world):
    """Take every request off the lanes, as runners do that never say a word."""

    async def take_all():
        for consumer in RUNNERS.values():
            puller = await world.bus.jetstream.pull_subscribe_bind(consumer=consumer.name, stream=consumer.stream)
            info = await puller.consumer_info()
            for message in await puller.fetch(info.num_pending, timeout=PATIENCE_S) if info.num_pending else ():
                await message.ack_sync()
            await puller.unsubscribe()

    return take_all


async def published(world, *operation_ids):
    """Wait until the outboxes of the operations are empty."""

    async def empty():
        waiting = {"_id": {"$in": list(operation_ids)}, "outbox.0": {"$exists": True}}
        return not await world.database["operations"].count_documents(waiting)

    await until(empty)


async def silence(world, operation_id):
    """Make the last news of an operation old."""
    await world.database["operations"].update_one(
        {"_id": operation_id}, {"$set": {"last_news_at": utc_now() - LONG_AGO}}
    )


async def test_events_a_crash_left_unpublished_are_published_by_the_sweep(world, alice, session_id, monkeypatch):
    monkeypatch.setattr(world.core.relay, "nudge", lambda *_: None)  # the process died right after the write
    number = await world.operation(alice, session_id)
    document = await world.database["operations"].find_one({"_id": number})
    assert [entry["subject"].rsplit(".", 1)[0] for entry in document["outbox"]] == [
        "datalab.operation.requested.v1",
        "datalab.feed.v1.session",
    ]

    async def requested():
        return await world.requests(number)

    assert [request.attempt for request in await until(requested)] == [1]
    await published(world, number)
    assert len(await world.requests(number)) == 1


async def test_a_lost_request_is_published_again(world, alice, session_id, idle_runner):
    number = await world.operation(alice, session_id)
    await published(world, number)
    await silence(world, number)
    assert await world.work("lost operations") == 0, "the request still waits for a runner"
    await idle_runner()
    assert await world.work("lost operations") == 1
    assert await world.work("lost operations") == 0, "just asked"
    await published(world, number)
    first, second = await world.requests(number)
    assert (first.attempt, second.attempt) == (1, 1)
    assert first.event_id != second.event_id
    assert first.model_dump(exclude={"event_id", "occurred_at"}) == second.model_dump(
        exclude={"event_id", "occurred_at"}
    )
    await world.succeed(alice, session_id, number)


async def test_running_operations_that_fell_silent_are_asked_for_again_too(world, alice, session_id, idle_runner):
    number = await world.operation(alice, session_id)
    await world.report(OperationStarted, number)
    await world.wait_for(alice, session_id, number, "IN_PROGRESS")
    await idle_runner()
    assert await world.work("lost operations") == 0, "heard of a moment ago"
    await silence(world, number)
    await published(world, number)
    assert await world.work("lost operations") == 1


async def test_finished_and_deleted_operations_are_not_asked_for_again(world, alice, session_id, idle_runner):
    done, gone = [await world.operation(alice, session_id) for _ in range(2)]
    await world.succeed(alice, session_id, done)
    await alice.delete(f"/api/datasessions/{session_id}/operations/{gone}/")
    await published(world, done, gone)
    await idle_runner()
    for number in (done, gone):
        await silence(world, number)
    assert await world.work("lost operations") == 0


async def test_a_busy_lane_does_not_hide_an_idle_one(world, alice, session_id, idle_runner):
    curve = {"input_files": [archive("f1")], "source": {"ra": 1, "dec": 2}}
    lost = await world.operation(alice, session_id, "Light Curve", curve)
    await published(world, lost)
    await idle_runner()
    waiting = await world.operation(alice, session_id)
    await published(world, waiting)
    for number in (lost, waiting):
        await silence(world, number)
    assert await world.work("lost operations") == 1
    await published(world, lost)
    assert [request.lane for request in await world.requests(lost)] == [Lane.FAST, Lane.FAST]
    assert len(await world.requests(waiting)) == 1


async def test_what_is_lost_in_a_lane_that_is_never_idle_is_asked_for_again(world, alice, session_id, idle_runner):
    lost = await world.operation(alice, session_id)
    await published(world, lost)
    await idle_runner()
    waiting = await world.operation(alice, session_id)
    await published(world, waiting)
    for number in (lost, waiting):
        await silence(world, number)
    await world.work("lost operations")
    await published(world, lost)
    assert [len(await world.requests(number)) for number in (lost, waiting)] == [2, 1]


async def test_processes_side_by_side_ask_once(world, alice, session_id, idle_runner):
    number = await world.operation(alice, session_id)
    await published(world, number)
    await idle_runner()
    await silence(world, number)
    await asyncio.gather(*(world.work("lost operations") for _ in range(5)))
    await published(world, number)
    assert len(await world.requests(number)) == 2


async def test_a_half_deleted_session_is_finished(world, alice, session_id):
    number = await world.operation(alice, session_id)
    await world.database["sessions"].update_one(
        {"_id": session_id}, {"$set": {"deleted": True, "deleted_at": utc_now()}}
    )
    assert await world.database["operations"].count_documents({"_id": number, "deleted": False}) == 1
    await world.work("deleted sessions")
    assert await world.database["operations"].count_documents({"_id": number, "deleted": False}) == 0


async def test_what_is_deleted_leaves_the_store_once_its_events_are_published(world, alice, session_id):
    number = await world.operation(alice, session_id)
    await alice.delete(f"/api/datasessions/{session_id}/")
    await published(world, number)
    await world.work("deleted sessions", "deleted operations")
    assert await world.database["sessions"].count_documents({"_id": session_id}) == 1, "deleted a moment ago"
    long_ago = {"$set": {"deleted_at": utc_now() - LONG_AGO}}
    await world.database["sessions"].update_one({"_id": session_id}, long_ago)
    entry = {"event_id": "x", "subject": "datalab.feed.v1.session.1", "body": "{}", "at": utc_now() + LONG_AGO}
    await world.database["operations"].update_one({"_id": number}, {**long_ago, "$push": {"outbox": entry}})
    await world.work("deleted sessions", "deleted operations")
    assert await world.database["operations"].count_documents({"_id": number}) == 1, "has something to say"
    await world.database["operations"].update_one({"_id": number}, {"$set": {"outbox": []}})
    await world.work("deleted sessions", "deleted operations")
    assert await world.database["sessions"].count_documents({"_id": session_id}) == 0
    assert await world.database["operations"].count_documents({"_id": number}) == 0


async def test_what_waits_is_counted_again_and_again(world, alice, session_id):
    await world.operation(alice, session_id)
    looking = asyncio.create_task(replace(world.works["unfinished operations"], every_s=0.01).repeat())

    async def counted():
        metrics = (await alice.get("/metrics")).text
        lines = [line for line in metrics.splitlines() if 'operations_unfinished{status="PENDING"}' in line]
        return lines and float(lines[0].split()[-1]) > 0

    await until(counted)
    await end_tasks(looking)


async def test_results_survive_while_the_bus_restarts(world, alice, session_id, nats_server):
    number = await world.operation(alice, session_id)
    await published(world, number)
    await nats_server.kill()
    reply = await alice.post(
        f"/api/datasessions/{session_id}/operations/",
        json={"name": "Median", "input_data": {"input_files": [archive("f1"), archive("f2")]}},
    )
    assert reply.status_code == 201, "the bus is not needed to accept work"
    second = body_of(reply)["id"]
    assert (await alice.get("/readyz")).status_code == 503
    await nats_server.restart()
    await published(world, second)
    assert len(await world.requests(second)) == 1
    await world.succeed(alice, session_id, number, result("after"))


async def test_frames_are_read_from_the_archive_as_they_come(world, alice, session_id):
    await world.add_frames(frame_document("late", files={}))
    inputs = {"name": "Median", "input_data": {"input_files": [archive("f1"), archive("late")]}}
    path = f"/api/datasessions/{session_id}/operations/"
    assert (await alice.post(path, json=inputs)).status_code == 400
    files = frame_document("late")["files"]
    await world.database["frames"].update_one({"_id": "late"}, {"$set": {"files": files}})
    assert (await alice.post(path, json=inputs)).status_code == 201
