"""What operators are told of processes and queues."""

import pytest

from datalab.events.envelope import utc_now
from datalab.events.processes import ProcessDescribed, WorkInHand
from datalab.events.topology import CONSUMERS, FILE_INGEST, PROCESSES
from session_api.system import service
from support.session_api import body_of, running_world
from support.waiting import until

PROCESSES_PATH, QUEUES_PATH = "/api/system/processes/", "/api/system/queues/"


@pytest.fixture(scope="module")
async def world(module_settings_environment):
    async with running_world(module_settings_environment) as world:
        await world.add_user("opal", operator=True)
        yield world


@pytest.fixture
async def opal(world):
    async with world.client("opal") as client:
        yield client


async def told(opal, service_name):
    return [each for each in body_of(await opal.get(PROCESSES_PATH)) if each["service"] == service_name]


async def test_the_api_itself_is_there_with_what_it_needs(opal):
    (here,) = await until(lambda: told(opal, "session-api"))
    assert here["dependencies"] == {"bus": "ok", "documents": "ok", "objects": "ok"}
    assert here["slots"]["projector"] >= 1
    assert (here["silent"], here["in_hand"]) == (False, [])


async def test_a_runner_is_shown_with_what_it_does_until_it_says_nothing(world, opal, monkeypatch):
    described = ProcessDescribed(
        process_id="runner-1",
        service="operation-runner",
        host="here",
        version="0.1.0",
        started_at=utc_now(),
        dependencies={"bus": "ok"},
        slots={"runner-slow": 1},
        in_hand=(WorkInHand(consumer="runner-slow", what="Median, operation 12", since=utc_now()),),
    )
    bucket = await world.bus.key_value(PROCESSES)
    await bucket.put("of-another-version", b'{"type": "process.described.v9"}')
    await bucket.put(described.process_id, described.encode())
    (runner,) = await told(opal, "operation-runner")
    assert runner["in_hand"][0]["what"] == "Median, operation 12"
    assert runner["in_hand"][0]["consumer"] == "runner-slow"
    assert runner["silent"] is False
    monkeypatch.setattr(service, "_SILENT_AFTER", -service._SILENT_AFTER)
    assert (await told(opal, "operation-runner"))[0]["silent"] is True
    await bucket.delete(described.process_id)
    assert await told(opal, "operation-runner") == []


async def test_what_waits_is_told_by_queue_and_not_again_while_nothing_changes(world, opal):
    reply = await opal.get(QUEUES_PATH)
    assert [queue["consumer"] for queue in body_of(reply)] == [consumer.name for consumer in CONSUMERS]
    seen = {"If-None-Match": reply.headers["ETag"]}
    assert (await opal.get(QUEUES_PATH, headers=seen)).status_code == 304
    await world.bus.publish_encoded(subject="observatory.tst.image.new", body=b"{}", event_id="waits")
    changed = await opal.get(QUEUES_PATH, headers=seen)
    (ingest,) = [queue for queue in body_of(changed) if queue["consumer"] == FILE_INGEST.name]
    assert (ingest["waiting"], ingest["in_hand"], ingest["redelivered"]) == (1, 0, 0)
    assert ingest["description"] == FILE_INGEST.description
