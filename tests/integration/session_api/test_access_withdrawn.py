"""Who loses the right to read a frame starts nothing more with it, and sees nothing more that was made from it."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from datalab.events.topology import RUNNERS
from support.session_api import archive, body_of, frame_document, made_by, result
from support.waiting import until

HIDDEN = "The output was made from frames that you may no longer read."
PRIVATE = {"input_files": [archive("f1"), archive("private")]}
names = (f"member-{number}" for number in itertools.count())


@pytest.fixture(scope="module", autouse=True)
async def private_frame(world):
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    await world.add_frames(
        frame_document("private", public_date=tomorrow, proposal_id="P7"),
        frame_document("undated", public_date=None, proposal_id="P7"),
    )


@pytest.fixture
async def member(world, root):
    """A user of proposal P7, and ways to change what they may."""
    name = next(names)
    await world.add_user(name, proposals=["P7"])

    async def change(**fields):
        reply = await root.patch(f"/api/users/{name}/", json=fields)
        assert reply.status_code == 200, reply.text

    async with world.client(name) as client:
        client.change = change
        yield client


@pytest.fixture
async def session_id(world, member):
    return await world.session(member)


def path_of(session_id, *more):
    return "/".join(["/api/datasessions", str(session_id), "operations", *map(str, more), ""])


async def refused(client, path, **options):
    reply = await client.post(path, **options)
    assert reply.status_code == 400, reply.text
    return body_of(reply)["error"]


async def test_a_retry_starts_nothing_with_frames_of_a_former_proposal(world, member, session_id):
    number = await world.operation(member, session_id, input_data=PRIVATE)
    await world.fail(member, session_id, number)
    await member.change(proposals=[])
    assert await refused(member, path_of(session_id, number, "retry")) == "Could not find private in the archive"
    assert body_of(await member.get(path_of(session_id, number)))["status"] == "FAILED"
    assert [request.attempt for request in await world.requests(number)] == [1]
    await member.change(proposals=["P7"])
    assert body_of(await member.post(path_of(session_id, number, "retry")))["status"] == "PENDING"


@pytest.mark.parametrize("inputs", [["private"], ["undated"], ["private", "undated"]], ids="+".join)
async def test_an_output_is_seen_nowhere_by_a_former_member(world, member, session_id, inputs):
    key = {"Idempotency-Key": "+".join(inputs)}
    body = {"name": "Median", "input_data": {"input_files": [archive("f1"), *map(archive, inputs)]}}
    number = body_of(await member.post(path_of(session_id), json=body, headers=key))["id"]
    await world.succeed(member, session_id, number, result(f"of-{session_id}", output_data=({"rms": 1},)))

    async def sights():
        listed = body_of(await member.get("/api/datasessions/"))["results"]
        return [
            body_of(await member.get(path_of(session_id, number))),
            body_of(await member.get(path_of(session_id)))["results"][0],
            body_of(await member.get(f"/api/datasessions/{session_id}/"))["operations"][0],
            next(each for each in listed if each["id"] == session_id)["operations"][0],
            body_of(await member.patch(f"/api/datasessions/{session_id}/", json={"name": "S2"}))["operations"][0],
            body_of(await member.post(path_of(session_id), json=body, headers=key)),
        ]

    for seen in await sights():
        assert (len(seen["output"]["output_files"]), seen["message"]) == (1, "")
    await member.change(proposals=[])
    for seen in await sights():
        assert (seen["status"], seen["output"], seen["message"]) == ("COMPLETED", {"output_files": []}, HIDDEN)
    await member.change(superuser=True)
    for seen in await sights():
        assert len(seen["output"]["output_files"]) == 1


async def test_an_output_of_a_former_members_is_no_input_any_more(world, member, session_id):
    first = await world.operation(member, session_id, input_data=PRIVATE)
    basename = f"first-{session_id}"
    await world.succeed(member, session_id, first, result(basename))
    by_name = {"input_files": [archive("f1"), made_by(first, basename)]}
    second = await world.operation(member, session_id, input_data=by_name)
    await world.succeed(member, session_id, second, result(f"second-{session_id}"))
    await member.change(proposals=[])
    grandchild = body_of(await member.get(path_of(session_id, second)))
    assert grandchild["output"] == {"output_files": []}, "what was made from it is no more visible than the frame"
    for inputs in (by_name, {"input_files": [archive("f1"), made_by(first)]}):
        text = await refused(member, path_of(session_id), json={"name": "Median", "input_data": inputs})
        assert text == f"{basename} was made from frames that you may no longer read."
    for number in (first, second):
        assert body_of(await member.get(path_of(session_id, number)))["output"] == {"output_files": []}


@pytest.mark.parametrize("of_the_parent", [True, False])
async def test_what_waits_does_not_start_for_a_former_member(world, member, session_id, of_the_parent):
    parent_inputs, child_frame = (PRIVATE, "f1") if of_the_parent else (None, "private")
    parent = await world.operation(member, session_id, input_data=parent_inputs)
    items = {"input_files": [made_by(parent), archive(child_frame)]}
    child = await world.operation(member, session_id, input_data=items)
    await member.change(proposals=[])
    basename = f"waited-{session_id}"
    await world.succeed(member, session_id, parent, result(basename))
    failed = await world.wait_for(member, session_id, child, "FAILED")
    because = (
        f"{basename} was made from frames that you may no longer read."
        if of_the_parent
        else "Could not find private in the archive"
    )
    assert failed["message"] == because
    assert await world.requests(child) == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"proposals": []}, "Could not find private in the archive"),
        ({"active": False}, "User inactive or deleted."),
    ],
)
async def test_a_lost_request_is_not_repeated_for_a_former_member(world, member, session_id, change, why):
    number = await world.operation(member, session_id, input_data=PRIVATE)
    child = await world.operation(member, session_id, input_data={"input_files": [made_by(number), archive("f1")]})
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    for consumer in RUNNERS.values():
        await world.bus.jetstream.purge_stream(consumer.stream)

    async def published():
        return not await world.database["operations"].count_documents({"_id": number, "outbox.0": {"$exists": True}})

    await until(published)
    await world.database["operations"].update_one({"_id": number}, {"$set": {"last_news_at": long_ago}})
    await member.change(**change)

    async def ended():
        await world.work("lost operations")
        stored = await world.database["operations"].find_one({"_id": number})
        return stored if stored["status"] == "FAILED" else None

    stored = await until(ended)
    assert (stored["message"], stored["failure_kind"]) == (why, "usage")
    waited = await world.database["operations"].find_one({"_id": child})
    assert waited["status"] == "FAILED"
