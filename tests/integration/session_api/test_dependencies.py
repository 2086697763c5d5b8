"""Operations whose inputs are outputs of operations that have not finished."""

import asyncio
import hashlib
from datetime import timedelta

import pytest

from datalab.events.envelope import utc_now
from datalab.events.feed import OperationChanged, feed_event_adapter
from datalab.events.operations import Lane, OperationFailed, OperationResult, OperationSucceeded, OutputFile
from datalab.events.topology import FEED
from support.session_api import archive, body_of, made_by, result, stored_file
from support.waiting import until


@pytest.fixture
async def session_id(world, alice):
    return await world.session(alice)


def path_of(session_id, *more):
    return "/".join(["/api/datasessions", str(session_id), "operations", *map(str, more), ""])


async def shown(client, session_id, number):
    return body_of(await client.get(path_of(session_id, number)))


async def waiting(world, client, session_id, *parents, **options):
    """Start a Median of what the parents will make, and a frame."""
    items = [*(made_by(parent) for parent in parents), archive("f1")]
    return await world.operation(client, session_id, input_data={"input_files": items}, **options)


async def refusal(client, session_id, *items, name="Median"):
    reply = await client.post(path_of(session_id), json={"name": name, "input_data": {"input_files": list(items)}})
    assert reply.status_code == 400, reply.text
    return body_of(reply)["error"]


async def requests_for(world, number):
    """Return the requests the bus holds, once there is one."""

    async def requested():
        return await world.requests(number)

    return await until(requested)


def made(*basenames, pictures=()):
    """Return the result of an operation with several outputs."""
    outputs = tuple(
        OutputFile(
            basename=name,
            type="image" if name in pictures else "fits",
            files={"fits": stored_file(f"results/{name}.fits")},
            filter_name="rp",
        )
        for name in basenames
    )
    return OperationResult(result_key=hashlib.sha256(str(basenames).encode()).hexdigest(), output_files=outputs)


# --- waiting and starting -----------------------------------------------------------------------------------------


async def test_an_operation_waits_for_its_input_and_starts_by_itself(world, alice, session_id):
    parent = await world.operation(alice, session_id)
    child = await waiting(world, alice, session_id, parent)
    before = await shown(alice, session_id, child)
    assert (before["status"], before["message"]) == ("PENDING", f"Waiting for operation {parent} (Median)")
    assert (before["operation_progress"], before["output"]) == (0.0, None)
    assert before["input_data"] == {"input_files": [made_by(parent), archive("f1")]}
    listed = body_of(await alice.get(path_of(session_id)))["results"]
    assert [each["status"] for each in listed] == ["PENDING", "PENDING"]
    assert await world.requests(child) == []
    await world.succeed(alice, session_id, parent, made("wait-1"))
    (request,) = await requests_for(world, child)
    assert [file.basename for file in request.input_files] == ["f1", "wait-1"]
    assert request.parameters == {"input_files": [archive("f1"), {"source": "datalab", "basename": "wait-1"}]}
    after = await shown(alice, session_id, child)
    assert (after["status"], after["message"]) == ("PENDING", "")
    assert after["input_data"] == {"input_files": [archive("f1"), made_by(parent, "wait-1")]}
    await world.succeed(alice, session_id, child)


async def test_the_feed_tells_of_waiting_as_not_begun(world, alice, session_id):
    parent = await world.operation(alice, session_id)
    child = await waiting(world, alice, session_id, parent)
    await world.succeed(alice, session_id, parent, made("feed-1"))
    await requests_for(world, child)
    await world.succeed(alice, session_id, child)
    subjects = (f"datalab.feed.v1.session.{session_id}",)

    async def told():
        events = [
            feed_event_adapter.validate_json(message.body)
            async for message in world.bus.replay(FEED, after=0, filter_subjects=subjects)
        ]
        changes = [each for each in events if isinstance(each, OperationChanged) and each.operation_id == child]
        return changes if changes and changes[-1].status == "COMPLETED" else None

    assert [(event.status, event.message) for event in await until(told)] == [
        ("PENDING", f"Waiting for operation {parent} (Median)"),
        ("PENDING", ""),
        ("COMPLETED", ""),
    ]


async def test_an_operation_stands_for_all_its_images_or_for_one(world, alice, session_id):
    parent = await world.operation(alice, session_id)
    every = await waiting(world, alice, session_id, parent)
    second = await world.operation(
        alice, session_id, input_data={"input_files": [made_by(parent, output=2), archive("f1")]}
    )
    await world.succeed(alice, session_id, parent, made("m-1", "m-picture", "m-2", "m-3", pictures=["m-picture"]))
    (request,) = await requests_for(world, every)
    assert [file.basename for file in request.input_files] == ["f1", "m-1", "m-2", "m-3"]
    (request,) = await requests_for(world, second)
    assert [file.basename for file in request.input_files] == ["f1", "m-2"]
    assert (await shown(alice, session_id, second))["input_data"]["input_files"][1] == made_by(parent, "m-2")


async def test_finished_operations_are_taken_at_once(world, alice, session_id):
    parent = await world.operation(alice, session_id)
    await world.succeed(alice, session_id, parent, made("once-1", "once-2"))
    child = await world.operation(alice, session_id, input_data={"input_files": [made_by(parent)]})
    assert (await shown(alice, session_id, child))["message"] == ""
    (request,) = await requests_for(world, child)
    assert [file.basename for file in request.input_files] == ["once-1", "once-2"]


async def test_items_keep_what_else_is_said_about_them(world, alice, session_id):
    parent = await world.operation(alice, session_id)
    channel = {"color": {"r": 255, "g": 0, "b": 0}, "zmin": 1, "zmax": 2.5}
    items = {"color_channels": [made_by(parent, **channel, url="https://noise")]}
    child = await world.operation(alice, session_id, "Color Image", items)
    await world.succeed(alice, session_id, parent, made("channel"))
    (request,) = await requests_for(world, child)
    assert request.parameters == {"color_channels": [{"source": "datalab", "basename": "channel", **channel}]}


async def test_an_operation_of_another_session_may_be_waited_for(world, alice, session_id):
    elsewhere = await world.session(alice)
    parent = await world.operation(alice, elsewhere)
    child = await waiting(world, alice, session_id, parent)
    await world.succeed(alice, elsewhere, parent, made("elsewhere"))
    assert len(await requests_for(world, child)) == 1


async def test_an_output_may_be_named_before_it_exists(world, alice, session_id):
    parent = await world.operation(alice, session_id)
    right, wrong = [
        await world.operation(alice, session_id, input_data={"input_files": [made_by(parent, basename), archive("f1")]})
        for basename in ("named-1", "named-9")
    ]
    assert (await shown(alice, session_id, right))["message"] == f"Waiting for operation {parent} (Median)"
    await world.succeed(alice, session_id, parent, made("named-1", "named-2"))
    (request,) = await requests_for(world, right)
    assert [file.basename for file in request.input_files] == ["f1", "named-1"]
    failed = await world.wait_for(alice, session_id, wrong, "FAILED")
    assert failed["message"] == f"Could not find named-9 among the outputs of operation {parent} (Median)"


async def test_an_operation_with_several_parents_starts_after_the_last(world, alice, session_id):
    first, second = [await world.operation(alice, session_id) for _ in range(2)]
    child = await waiting(world, alice, session_id, first, second)
    waits = f"Waiting for operation {first} (Median), operation {second} (Median)"
    assert (await shown(alice, session_id, child))["message"] == waits
    await world.succeed(alice, session_id, second, made("two-2"))

    async def one_left():
        return (await shown(alice, session_id, child))["message"] == f"Waiting for operation {first} (Median)"

    await until(one_left)
    assert (await alice.delete(path_of(session_id, second))).status_code == 204, "what it made is known by now"
    assert await world.requests(child) == []
    await world.succeed(alice, session_id, first, made("two-1"))
    (request,) = await requests_for(world, child)
    assert [file.basename for file in request.input_files] == ["f1", "two-1", "two-2"]


async def test_many_parents_are_counted(world, alice, session_id):
    parents = [await world.operation(alice, session_id) for _ in range(5)]
    child = await waiting(world, alice, session_id, *parents)
    named = ", ".join(f"operation {parent} (Median)" for parent in parents[:3])
    assert (await shown(alice, session_id, child))["message"] == f"Waiting for {named} and 2 more"


async def test_everything_that_waits_for_an_operation_starts(world, alice, session_id):
    parent = await world.operation(alice, session_id)
    children = await asyncio.gather(*(waiting(world, alice, session_id, parent) for _ in range(20)))
    await world.succeed(alice, session_id, parent, made("shared"))
    for child in children:
        assert len(await requests_for(world, child)) == 1


async def test_chains_run_link_by_link(world, alice, session_id):
    first = await world.operation(alice, session_id)
    second = await waiting(world, alice, session_id, first)
    third = await waiting(world, alice, session_id, second)
    await world.succeed(alice, session_id, first, made("link-1"))
    await requests_for(world, second)
    assert (await shown(alice, session_id, third))["message"] == f"Waiting for operation {second} (Median)"
    await world.succeed(alice, session_id, second, made("link-2"))
    (request,) = await requests_for(world, third)
    assert [file.basename for file in request.input_files] == ["f1", "link-2"]


async def test_known_outputs_are_not_looked_for_by_operation(world, alice, session_id, monkeypatch):
    parent = await world.operation(alice, session_id)
    await world.succeed(alice, session_id, parent, made("known"))

    async def never(*_):
        raise AssertionError("the user interface names finished operations all the time")

    monkeypatch.setattr(world.operations._operations, "find_any_parents", never)
    items = [made_by(parent, "known"), archive("f1")]
    await world.operation(alice, session_id, input_data={"input_files": items})


async def test_the_same_key_waits_once(world, alice, session_id):
    parent = await world.operation(alice, session_id)
    headers = {"Idempotency-Key": "waits"}
    body = {"name": "Median", "input_data": {"input_files": [made_by(parent), archive("f1")]}}
    replies = await asyncio.gather(*(alice.post(path_of(session_id), json=body, headers=headers) for _ in range(5)))
    assert sorted(reply.status_code for reply in replies) == [200] * 4 + [201]
    assert len({body_of(reply)["id"] for reply in replies}) == 1


# --- what cannot work ---------------------------------------------------------------------------------------------


async def test_a_failure_is_handed_down_with_the_name_of_the_parent(world, alice, session_id):
    first = await world.operation(alice, session_id)
    second = await waiting(world, alice, session_id, first)
    third = await waiting(world, alice, session_id, second)
    await world.fail(alice, session_id, first, message="No stars in f2.")
    text = f"Operation {first} (Median), whose output this operation needs, failed: No stars in f2."
    assert (await world.wait_for(alice, session_id, second, "FAILED"))["message"] == text
    last = await world.wait_for(alice, session_id, third, "FAILED")
    assert last["message"] == f"Operation {second} (Median), whose output this operation needs, failed: {text}"
    assert (await world.database["operations"].find_one({"_id": third}))["failure_kind"] == "usage"
    assert await world.requests(second) == await world.requests(third) == []


@pytest.mark.parametrize("sessions", ["same", "another"])
async def test_a_cancelled_or_deleted_parent_fails_its_children(world, alice, session_id, sessions):
    home = session_id if sessions == "same" else await world.session(alice)
    cancelled, deleted, swept = [await world.operation(alice, home) for _ in range(3)]
    children = [await waiting(world, alice, session_id, parent) for parent in (cancelled, deleted, swept)]
    await alice.post(path_of(home, cancelled, "cancel"))
    await alice.delete(path_of(home, deleted))
    await alice.post(path_of(home, "bulk_delete"), json={"ids": [swept]})
    messages = [(await world.wait_for(alice, session_id, child, "FAILED"))["message"] for child in children]
    needed = "(Median), whose output this operation needs, was"
    assert messages == [
        f"Operation {cancelled} {needed} cancelled.",
        f"Operation {deleted} {needed} deleted.",
        f"Operation {swept} {needed} deleted.",
    ]


async def test_what_will_never_be_is_refused_at_once(world, alice, bob, session_id):
    failed, cancelled, deleted = [await world.operation(alice, session_id) for _ in range(3)]
    await world.fail(alice, session_id, failed, message="No stars.")
    await alice.post(path_of(session_id, cancelled, "cancel"))
    await alice.delete(path_of(session_id, deleted))
    foreign = await world.operation(bob, await world.session(bob))

    async def text(operation_id):
        return await refusal(alice, session_id, made_by(operation_id), archive("f1"))

    needed = "(Median), whose output this operation needs,"
    assert await text(failed) == f"Operation {failed} {needed} failed: No stars."
    assert await text(cancelled) == f"Operation {cancelled} {needed} was cancelled."
    for unknown in (deleted, foreign, 10**15):
        assert await text(unknown) == f"Could not find operation {unknown} among your operations"
        named = await refusal(alice, session_id, made_by(unknown, "nothing"), archive("f1"))
        assert named == "Could not find nothing among the outputs of your operations"


async def test_operations_that_made_no_image_or_not_so_many(world, alice, session_id):
    parent = await world.operation(alice, session_id)
    children = [
        await world.operation(alice, session_id, input_data={"input_files": [made_by(parent, output=3)]}),
        await world.operation(alice, session_id, input_data={"input_files": [made_by(parent, "few-2")]}),
    ]
    await world.succeed(alice, session_id, parent, made("few-1", "few-2", pictures=["few-2"]))
    messages = [(await world.wait_for(alice, session_id, child, "FAILED"))["message"] for child in children]
    needed = f"Operation {parent} (Median), whose output this operation needs,"
    assert messages == [
        f"{needed} made 1 FITS image(s); there is no 3.",
        "few-2 is a picture; operations need FITS data",
    ]
    empty = await world.operation(alice, session_id)
    await world.succeed(alice, session_id, empty, made())
    assert (await refusal(alice, session_id, made_by(empty))).endswith("needs, made no FITS image.")
    assert await refusal(alice, session_id, made_by(parent, "few-2")) == messages[1]


async def test_counts_and_filters_are_checked_when_the_files_are_known(world, alice, session_id):
    parent = await world.operation(alice, session_id)
    few = await world.operation(alice, session_id, input_data={"input_files": [made_by(parent)]})
    curve = {"input_files": [made_by(parent), archive("f3")], "source": {"ra": 1, "dec": 2}}
    mixed = await world.operation(alice, session_id, "Light Curve", curve)
    await world.succeed(alice, session_id, parent, made("single"))
    messages = [(await world.wait_for(alice, session_id, child, "FAILED"))["message"] for child in (few, mixed)]
    assert messages == [
        "Operation Median requires at least 2 Input Files input file(s).",
        (
            "Operation Light Curve requires every Input Files to be taken in the same filter, "
            "but the input files use ip, rp."
        ),
    ]


async def test_what_does_not_depend_on_the_files_is_checked_at_once(world, alice, session_id):
    parent = await world.operation(alice, session_id)
    assert await refusal(alice, session_id, made_by(parent), archive("nothing")) == (
        "Could not find nothing in the archive"
    )
    body = {"name": "Stacking", "input_data": {"input_files": [made_by(parent)], "stacking_mode": "worse"}}
    reply = await alice.post(path_of(session_id), json=body)
    assert body_of(reply)["error"] == "Operation Stacking: Stacking Mode must be simple or reproject."


async def test_files_have_an_upper_bound(world, alice, session_id):
    parent = await world.operation(alice, session_id)
    assert await refusal(alice, session_id, *[made_by(parent)] * 1001) == (
        "An operation takes at most 1000 input files, not 1001."
    )
    child = await world.operation(alice, session_id, input_data={"input_files": [made_by(parent), made_by(parent)]})
    await world.succeed(alice, session_id, parent, made(*(f"bound-{number}" for number in range(501))))
    failed = await world.wait_for(alice, session_id, child, "FAILED")
    assert failed["message"] == "An operation takes at most 1000 input files, not 1002."


# --- stopping, repeating, deleting --------------------------------------------------------------------------------


async def test_a_waiting_operation_can_be_cancelled_and_retried(world, alice, session_id):
    parent = await world.operation(alice, session_id)
    child = await waiting(world, alice, session_id, parent)
    early = await alice.post(path_of(session_id, child, "retry"))
    assert early.status_code == 409
    assert body_of(early)["detail"].startswith("The operation is PENDING;")
    cancelled = body_of(await alice.post(path_of(session_id, child, "cancel")))
    assert (cancelled["state"], cancelled["message"]) == ("CANCELLED", "Cancelled")
    waits = body_of(await alice.post(path_of(session_id, child, "retry")))
    assert (waits["status"], waits["message"]) == ("PENDING", f"Waiting for operation {parent} (Median)")
    await alice.post(path_of(session_id, child, "cancel"))
    await world.succeed(alice, session_id, parent, made("late"))
    assert (await shown(alice, session_id, child))["state"] == "CANCELLED"
    started = body_of(await alice.post(path_of(session_id, child, "retry")))
    assert (started["status"], started["message"]) == ("PENDING", "")
    (request,) = await requests_for(world, child)
    assert request.attempt == 3
    await world.succeed(alice, session_id, child, attempt=3)


async def test_a_child_waits_again_when_its_parent_is_retried(world, alice, session_id):
    parent = await world.operation(alice, session_id)
    child = await waiting(world, alice, session_id, parent)
    await world.fail(alice, session_id, parent, message="Too dark.")
    failed = await world.wait_for(alice, session_id, child, "FAILED")
    hopeless = body_of(await alice.post(path_of(session_id, child, "retry")))
    assert (hopeless["status"], hopeless["message"]) == ("FAILED", failed["message"])
    await alice.post(path_of(session_id, parent, "retry"))
    waits = body_of(await alice.post(path_of(session_id, child, "retry")))
    assert (waits["status"], waits["message"]) == ("PENDING", f"Waiting for operation {parent} (Median)")
    await world.succeed(alice, session_id, parent, made("second-try"), attempt=2)
    (request,) = await requests_for(world, child)
    assert (request.attempt, request.input_files[1].basename) == (3, "second-try")
    await world.fail(alice, session_id, child, attempt=3)
    await alice.delete(path_of(session_id, parent))
    assert body_of(await alice.post(path_of(session_id, child, "retry")))["message"] == "", "its request is complete"


async def test_waiting_operations_are_deleted_like_others(world, alice, session_id):
    parent = await world.operation(alice, session_id)
    child, other = [await waiting(world, alice, session_id, parent) for _ in range(2)]
    assert (await alice.delete(path_of(session_id, child))).status_code == 204
    reply = await alice.post(path_of(session_id, "bulk_delete"), json={"ids": [parent, other]})
    assert body_of(reply) == {"deleted": 2}
    assert body_of(await alice.get(path_of(session_id)))["count"] == 0
    await world.work("waiting operations")
    assert await world.requests(child) == await world.requests(other) == []


async def test_deleting_a_session_ends_what_waits_in_it_and_for_it(world, alice, session_id):
    doomed = await world.session(alice)
    parent = await world.operation(alice, doomed)
    inside, outside = await waiting(world, alice, doomed, parent), await waiting(world, alice, session_id, parent)
    assert (await alice.delete(f"/api/datasessions/{doomed}/")).status_code == 204
    failed = await world.wait_for(alice, session_id, outside, "FAILED")
    assert failed["message"].endswith("was deleted.")
    assert (await alice.get(path_of(doomed, inside))).status_code == 404
    assert await world.database["operations"].count_documents({"_id": inside, "deleted": False}) == 0


# --- crashes and races --------------------------------------------------------------------------------------------


@pytest.fixture
def forgetful(world, monkeypatch):
    """Let every process die right after it has stored the end of an operation."""

    async def nothing(_ids):
        return None

    def forget():
        monkeypatch.setattr(world.operations._dependents, "after_end_of", nothing)

    yield forget
    monkeypatch.undo()


async def test_what_a_crash_left_waiting_is_started(world, alice, session_id, forgetful, monkeypatch):
    parents = [await world.operation(alice, session_id) for _ in range(4)]
    children = [await waiting(world, alice, session_id, parent) for parent in parents]
    grandchild = await waiting(world, alice, session_id, children[1])
    running = await waiting(world, alice, session_id, await world.operation(alice, session_id))
    forgetful()
    await world.succeed(alice, session_id, parents[0], made("left"))
    await world.fail(alice, session_id, parents[1])
    await alice.post(path_of(session_id, parents[2], "cancel"))
    await alice.delete(path_of(session_id, parents[3]))
    left = [await shown(alice, session_id, child) for child in children]
    assert [each["message"] for each in left] == [f"Waiting for operation {parent} (Median)" for parent in parents]
    monkeypatch.undo()
    await world.work()
    now = [await shown(alice, session_id, child) for child in [*children, grandchild, running]]
    assert [each["status"] for each in now] == ["PENDING", "FAILED", "FAILED", "FAILED", "FAILED", "PENDING"]
    assert len(await requests_for(world, children[0])) == 1
    assert now[-1]["message"].startswith("Waiting for")


async def test_parents_that_left_the_store_altogether_are_missed_too(world, alice, session_id, forgetful, monkeypatch):
    parent = await world.operation(alice, session_id)
    child = await waiting(world, alice, session_id, parent)
    forgetful()
    await world.database["operations"].delete_one({"_id": parent})
    monkeypatch.undo()
    await world.work("waiting operations")
    failed = await shown(alice, session_id, child)
    assert failed["message"] == f"Operation {parent} (Median), whose output this operation needs, was deleted."


@pytest.mark.parametrize("end", ["succeeded", "failed"])
async def test_a_parent_that_ends_while_its_child_is_being_stored(world, alice, session_id, monkeypatch, end):
    parent = await world.operation(alice, session_id)
    repository = world.operations._operations
    insert = repository.insert
    about = await world.about(parent)
    report = (
        OperationSucceeded(**about, result=made("race"), reused=False, compute_s=1)
        if end == "succeeded"
        else OperationFailed(**about, kind="usage", message="No stars.")
    )

    async def late(operation, events, **options):
        await world.projector.apply(report)
        return await insert(operation, events, **options)

    monkeypatch.setattr(repository, "insert", late)
    items = {"input_files": [made_by(parent), archive("f1")]}
    reply = await alice.post(path_of(session_id), json={"name": "Median", "input_data": items})
    child = body_of(reply)
    if end == "succeeded":
        assert (child["status"], child["message"]) == ("PENDING", "")
        assert len(await requests_for(world, child["id"])) == 1
    else:
        assert (child["status"], child["message"].endswith("failed: No stars.")) == ("FAILED", True)


async def test_an_output_that_appears_between_two_questions_is_found(world, alice, session_id, monkeypatch):
    parent = await world.operation(alice, session_id)
    repository = world.operations._operations
    find_outputs = repository.find_outputs
    report = OperationSucceeded(**await world.about(parent), result=made("between"), reused=False, compute_s=1)

    async def early(basenames, **whose):
        found = await find_outputs(basenames, **whose)
        await world.projector.apply(report)
        return found

    monkeypatch.setattr(repository, "find_outputs", early)
    items = {"input_files": [made_by(parent, "between"), archive("f1")]}
    child = await world.operation(alice, session_id, input_data=items)
    assert len(await requests_for(world, child)) == 1


async def test_however_many_look_at_once_an_operation_starts_once(world, alice, session_id, forgetful, monkeypatch):
    parent = await world.operation(alice, session_id)
    child = await waiting(world, alice, session_id, parent)
    forgetful()
    await world.succeed(alice, session_id, parent, made("once"))
    monkeypatch.undo()
    await asyncio.gather(*(world.work("waiting operations") for _ in range(6)))
    await requests_for(world, child)

    async def published():
        return not await world.database["operations"].count_documents({"_id": child, "outbox.0": {"$exists": True}})

    await until(published)
    assert len(await world.requests(child)) == 1


async def test_operations_missing_from_the_catalogue_go_on_waiting(world, alice, session_id, monkeypatch):
    parent = await world.operation(alice, session_id)
    child = await waiting(world, alice, session_id, parent)
    with monkeypatch.context() as gone:
        gone.setattr(world.operations._offers, "find", lambda _name: None)
        await world.succeed(alice, session_id, parent, made("no-catalogue"))
        await world.work("waiting operations")
        assert (await shown(alice, session_id, child))["message"] == f"Waiting for operation {parent} (Median)"
    await world.work("waiting operations")
    assert len(await requests_for(world, child)) == 1


async def test_nobody_is_asked_for_an_operation_that_waits(world, alice, session_id):
    parent = await world.operation(alice, session_id)
    child = await waiting(world, alice, session_id, parent)
    long_ago = utc_now() - timedelta(hours=1)
    await world.database["operations"].update_many(
        {"_id": {"$in": [parent, child]}}, {"$set": {"last_news_at": long_ago, "outbox": []}}
    )
    silent = await world.operations._operations.find_any_silent(
        Lane.SLOW, since=utc_now() - timedelta(minutes=1), limit=1000
    )
    numbers = {operation.id for operation in silent}
    assert parent in numbers
    assert child not in numbers


async def test_waiting_operations_are_counted(world, alice, session_id):
    await waiting(world, alice, session_id, await world.operation(alice, session_id))
    await world.work()
    lines = (await alice.get("/metrics")).text.splitlines()
    (line,) = [line for line in lines if 'operations_unfinished{status="WAITING"}' in line]
    assert float(line.split()[-1]) == await world.database["operations"].count_documents(
        {"status": "WAITING", "deleted": False}
    )


async def test_what_waits_for_an_operation_is_found_among_all_that_wait(world):
    """In a collection of its own with the same indexes: which of them is taken depends on what is stored."""
    crowd = world.database["waiting_crowd"]
    for name, index in (await world.database["operations"].index_information()).items():
        options = {key: index[key] for key in ("unique", "partialFilterExpression") if key in index}
        await crowd.create_index(index["key"], name=name, **options)
    await crowd.insert_many(
        {"_id": number, "status": "WAITING", "deleted": False, "draft": {"parents": [{"id": 10_000 + number}]}}
        for number in range(1000)
    )
    query = {"status": "WAITING", "deleted": False, "draft.parents.id": {"$in": [10_001, 10_002]}}
    plan = await crowd.find(query).explain()
    assert plan["queryPlanner"]["winningPlan"]["inputStage"]["indexName"] == "waits_for"
    assert plan["executionStats"]["nReturned"] == 2
    assert plan["executionStats"]["totalDocsExamined"] == 2


async def test_the_default_result_still_fits(world, alice, session_id):
    parent = await world.operation(alice, session_id)
    child = await waiting(world, alice, session_id, parent)
    await world.succeed(alice, session_id, parent, result("with-renderings"))
    (request,) = await requests_for(world, child)
    assert request.input_files[1].key == "results/with-renderings/image.fits"
