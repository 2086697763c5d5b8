"""What runners say, and what becomes of it: in any order, more than once, or not at all."""

import asyncio
import random

import pytest

from datalab.events.envelope import derived_id
from datalab.events.feed import OperationChanged, feed_event_adapter
from datalab.events.operations import (
    OperationCancelled,
    OperationDelayed,
    OperationFailed,
    OperationProgressed,
    OperationStarted,
    OperationSucceeded,
)
from datalab.events.topology import DEAD, FEED, OPERATION_OFFERS, REPORTS
from session_api.offers.reader import OperationOffers
from session_api.operations.repository import OperationRepository
from support.session_api import MEDIAN, body_of, described, result
from support.waiting import until


@pytest.fixture
async def session_id(world, alice):
    return await world.session(alice)


async def feed_of(world, session_id, operation_id):
    """Return the states the feed has told of an operation."""
    subjects = (f"datalab.feed.v1.session.{session_id}",)
    events = [
        feed_event_adapter.validate_json(message.body)
        async for message in world.bus.replay(FEED, after=0, filter_subjects=subjects)
    ]
    return [event for event in events if isinstance(event, OperationChanged) and event.operation_id == operation_id]


async def settled(world):
    """Wait until every report is taken in and every event published."""

    async def quiet():
        info = await world.bus.jetstream.consumer_info(REPORTS.name, "projector")
        waiting = await world.database["operations"].count_documents({"outbox.0": {"$exists": True}})
        return not info.num_pending and not info.num_ack_pending and not waiting

    await until(quiet)


async def shown(client, session_id, operation_id):
    return body_of(await client.get(f"/api/datasessions/{session_id}/operations/{operation_id}/"))


async def test_what_another_process_changed_is_read_before_a_report_is_old_news(world, alice, session_id):
    """This process knows the first attempt only: another one has stopped it and begun a second."""
    number = await world.operation(alice, session_id)
    await world.start(alice, session_id, number)
    changes = {"$set": {"attempt": 2, "status": "PENDING"}, "$inc": {"revision": 3}}
    await world.database["operations"].update_one({"_id": number}, changes)
    await world.succeed(alice, session_id, number, attempt=2)
    assert (await shown(alice, session_id, number))["state"] == "COMPLETED"


async def test_a_report_costs_one_question_to_the_store(world, alice, session_id, monkeypatch):
    number = await world.operation(alice, session_id)
    with monkeypatch.context() as patch:
        for name in ("find_any", "find_any_waiting_for"):
            patch.setattr(OperationRepository, name, None)
        await world.succeed(alice, session_id, number)
    assert (await shown(alice, session_id, number))["state"] == "COMPLETED"


async def test_the_feed_tells_each_change_once_and_never_what_rest_does_not_show(world, alice, session_id):
    number = await world.operation(alice, session_id)
    await world.start(alice, session_id, number)
    report = await world.progress(number, 0.5, "stacking")
    await settled(world)
    await world.succeed(alice, session_id, number)
    await settled(world)
    told = await feed_of(world, session_id, number)
    assert [(event.status, event.operation_progress, event.message) for event in told] == [
        ("PENDING", 0.0, ""),
        ("IN_PROGRESS", 0.0, ""),
        ("IN_PROGRESS", 0.5, "stacking"),
        ("COMPLETED", 1.0, ""),
    ]
    assert told[2].event_id == derived_id("operation-changed", report.event_id)
    assert len({event.correlation_id for event in told}) == 1
    (request,) = await world.requests(number)
    assert request.correlation_id == told[0].correlation_id


async def test_progress_never_falls(world, alice, session_id):
    number = await world.operation(alice, session_id)
    for fraction, message in ((0.6, "late"), (0.2, "early"), (0.6, "")):
        await world.progress(number, fraction, message)
        await settled(world)
    now = await shown(alice, session_id, number)
    assert (now["status"], now["operation_progress"], now["message"]) == ("IN_PROGRESS", 0.6, "late")


async def test_reports_in_any_order_and_repeated_lead_to_the_same_end(world, alice, session_id):
    number = await world.operation(alice, session_id)
    about = await world.about(number)
    reports = [
        OperationStarted(**about),
        *(OperationProgressed(**about, fraction=step / 10, message=f"step {step}") for step in range(10)),
        OperationSucceeded(**about, result=result(), reused=False, compute_s=1),
    ]
    shuffled = reports * 3
    random.Random(7).shuffle(shuffled)
    await asyncio.gather(*(world.projector.apply(report) for report in shuffled))
    await settled(world)
    now = await shown(alice, session_id, number)
    assert (now["status"], now["operation_progress"]) == ("COMPLETED", 1.0)
    told = await feed_of(world, session_id, number)
    assert [event.status for event in told].count("COMPLETED") == 1
    assert told[-1].status == "COMPLETED"
    assert len({event.event_id for event in told}) == len(told)


async def test_a_finished_operation_never_changes(world, alice, session_id):
    number = await world.operation(alice, session_id)
    done = await world.fail(alice, session_id, number, message="first")
    for kind, fields in (
        (OperationStarted, {}),
        (OperationProgressed, {"fraction": 0.9}),
        (OperationSucceeded, {"result": result(), "reused": False, "compute_s": 1}),
        (OperationFailed, {"kind": "fatal", "message": "second"}),
        (OperationCancelled, {}),
    ):
        await world.report(kind, number, **fields)
    await settled(world)
    assert await shown(alice, session_id, number) == done


async def test_reports_of_an_earlier_attempt_or_a_deleted_operation_are_ignored(world, alice, session_id):
    number = await world.operation(alice, session_id)
    await world.fail(alice, session_id, number)
    await alice.post(f"/api/datasessions/{session_id}/operations/{number}/retry/")
    await world.report(OperationFailed, number, kind="fatal", message="old")
    gone = await world.operation(alice, session_id)
    await alice.delete(f"/api/datasessions/{session_id}/operations/{gone}/")
    await world.report(OperationStarted, gone)
    await settled(world)
    assert (await shown(alice, session_id, number))["status"] == "PENDING"
    assert (await world.database["operations"].find_one({"_id": gone}))["status"] == "PENDING"


async def test_reports_about_another_stores_operation_of_the_same_number_are_ignored(world, alice, session_id):
    """As after a restore: numbers begin anew with the documents, and the bus remembers the old ones."""
    number = await world.operation(alice, session_id)
    await world.report(OperationFailed, number, kind="fatal", message="old", correlation_id="of an earlier life")
    await settled(world)
    assert (await shown(alice, session_id, number))["status"] == "PENDING"


async def test_a_runner_that_stops_on_request_is_heard(world, alice, session_id):
    number = await world.operation(alice, session_id)
    await world.report_cancelled(number)
    assert (await world.wait_for(alice, session_id, number, "CANCELLED"))["output"] is None


async def test_an_outage_is_shown_until_the_work_goes_on(world, alice, session_id):
    number = await world.operation(alice, session_id)
    await world.report(OperationDelayed, number, reason="the object store does not answer")
    await settled(world)
    delayed = await shown(alice, session_id, number)
    assert (delayed["status"], delayed["message"]) == ("PENDING", "Waiting: the object store does not answer")
    await world.progress(number, 0.1, "")
    await settled(world)
    going_on = await shown(alice, session_id, number)
    assert (going_on["status"], going_on["message"]) == ("IN_PROGRESS", "")
    assert [event.message for event in await feed_of(world, session_id, number)] == ["", delayed["message"], ""]


async def test_a_result_that_cannot_be_kept_fails_the_operation(world, alice, session_id):
    number = await world.operation(alice, session_id)
    too_wide_for_bson = result("wide", output_data=[{"number": 2**64}])
    await world.report(OperationSucceeded, number, result=too_wide_for_bson, reused=False, compute_s=1)
    failed = await world.wait_for(alice, session_id, number, "FAILED")
    assert failed["message"].startswith("An unknown error occurred")


async def test_a_message_nobody_can_read_is_kept_aside(world):
    await world.bus.jetstream.publish("datalab.operation.started.v1", b"\xffgarbage")

    async def buried():
        return [body async for body in dead_letters(world, "projector") if body == b"\xffgarbage"]

    await until(buried)


async def dead_letters(world, consumer):
    async for message in world.bus.replay(DEAD, after=0, filter_subjects=(f"datalab.dead.{consumer}",)):
        yield message.body


async def test_the_catalogue_follows_the_runners(world, alice):
    async def listed():
        return list(body_of(await alice.get("/api/available_operations/")))

    before = await listed()
    bucket = await world.bus.key_value(OPERATION_OFFERS)
    await bucket.put("Broken", b"{")
    wrong_schema = described("Wrong", {}).model_copy(update={"parameters_schema": {"type": 5}})
    await bucket.put("Wrong", wrong_schema.encode())
    wrong_wizard = described("Wrong Wizard", {}).model_copy(update={"wizard": {"inputs": [1]}})
    await bucket.put("Wrong_Wizard", wrong_wizard.encode())
    await world.describe(described("Added", {}))
    assert await listed() == [*before[:-1], "Added", before[-1]] == [*before[:-1], "Added", "First Look"]
    await bucket.delete("Added")
    await until(lambda: world.service(OperationOffers).find("Added") is None)
    assert await listed() == before
    assert world.service(OperationOffers).find("Median").wizard == MEDIAN.wizard
