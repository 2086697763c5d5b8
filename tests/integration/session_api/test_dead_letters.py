"""What operators do with messages nobody could handle."""

import asyncio

import pytest

from datalab.events.frames import FileStored
from datalab.events.topology import DEAD, FILE_INGEST, FILES, RUNNERS
from session_api.dead_letters.views import MOST_SHOWN_BYTES
from support.session_api import body_of, running_world
from support.waiting import until

LETTERS = "/api/dead-letters/"
ANNOUNCEMENT = FileStored(site="tst", key="data/a.fits")
BODY = ANNOUNCEMENT.encode()
FORBIDDEN = {"detail": "You do not have permission to perform this action."}


@pytest.fixture(scope="module")
async def world(module_settings_environment):
    async with running_world(module_settings_environment) as world:
        await world.add_user("alice")
        await world.add_user("opal", operator=True)
        yield world


@pytest.fixture
async def opal(world):
    async with world.client("opal") as client:
        yield client


@pytest.fixture
async def bury(world):
    """Makes a dead letter, and returns its number."""
    sequences = iter(range(1, 100))

    async def bury(body=BODY, *, consumer=FILE_INGEST, subject=ANNOUNCEMENT.subject, reason="why"):
        before = (await world.bus.stream_position(DEAD)).last
        await world.bus.bury(consumer, body, subject=subject, sequence=before * 100 + next(sequences), reason=reason)
        return (await world.bus.stream_position(DEAD)).last

    yield bury
    await world.bus.jetstream.purge_stream(DEAD.name)


async def audited(world, reply):
    async def answered():
        entry = await world.database["audit_log"].find_one({"_id": reply.headers["X-Correlation-Id"]})
        return entry if entry and entry["status"] is not None else None

    entry = await until(answered)
    return entry["username"], entry["method"], entry["route"], entry["about"], entry["status"]


async def test_letters_are_listed_without_what_they_say(opal, bury):
    first = await bury(reason="unreadable: Invalid JSON")
    second = await bury(reason="transient: the object is not there")
    newest, older = body_of(await opal.get(LETTERS))
    assert (newest["number"], older["number"]) == (second, first)
    assert older | {"buried_at": "then"} == {
        "number": first,
        "consumer": FILE_INGEST.name,
        "served_by": FILE_INGEST.description,
        "subject": ANNOUNCEMENT.subject,
        "reason": "unreadable: Invalid JSON",
        "advice": older["advice"],
        "resendable": True,
        "size_bytes": len(ANNOUNCEMENT.encode()),
        "buried_at": "then",
    }
    assert "it was not tried" in older["advice"]
    assert "tried as often as is allowed" in newest["advice"]
    assert older["buried_at"] <= newest["buried_at"]


async def test_who_has_seen_the_list_is_told_so_until_a_letter_comes_or_goes(opal, bury):
    first, _ = await bury(), await bury()
    seen = (await opal.get(LETTERS)).headers["ETag"]
    assert (await opal.get(LETTERS, headers={"If-None-Match": seen})).status_code == 304
    await opal.delete(f"{LETTERS}{first}/")
    changed = await opal.get(LETTERS, headers={"If-None-Match": seen})
    assert (changed.status_code, len(body_of(changed))) == (200, 1)
    await bury()
    again = await opal.get(LETTERS, headers={"If-None-Match": changed.headers["ETag"]})
    assert (again.status_code, len(body_of(again))) == (200, 2)


async def test_what_a_letter_says_is_read_and_who_did_is_in_the_audit_log(world, opal, bury):
    number = await bury()
    reply = await opal.get(f"{LETTERS}{number}/")
    opened = body_of(reply)
    assert (opened["content"], opened["cut"]) == (BODY.decode(), False)
    about = {"number": str(number)}
    assert await audited(world, reply) == ("opal", "GET", "/api/dead-letters/{number}", about, 200)


async def test_what_is_no_text_or_too_long_is_shown_as_far_as_it_goes(opal, bury):
    number = await bury(b"\xff" + b"x" * MOST_SHOWN_BYTES)
    opened = body_of(await opal.get(f"{LETTERS}{number}/"))
    assert opened["cut"] is True
    assert opened["content"] == "\ufffd" + "x" * (MOST_SHOWN_BYTES - 1)
    assert opened["size_bytes"] == MOST_SHOWN_BYTES + 1
    empty = body_of(await opal.get(f"{LETTERS}{await bury(b'')}/"))
    assert (empty["content"], empty["cut"]) == ("", False)


async def test_a_requeued_message_is_where_it_came_from_and_off_the_list(world, opal, bury):
    number = await bury()
    reply = await opal.post(f"{LETTERS}{number}/requeue/")
    assert body_of(reply) == {"message": f"Published again on {ANNOUNCEMENT.subject}."}
    message = await world.bus.stored_message(FILES.name, (await world.bus.stream_position(FILES)).last)
    assert (message.subject, message.body) == (ANNOUNCEMENT.subject, ANNOUNCEMENT.encode())
    assert body_of(await opal.get(LETTERS)) == []
    assert (await opal.post(f"{LETTERS}{number}/requeue/")).status_code == 404
    route = "/api/dead-letters/{number}/requeue"
    assert await audited(world, reply) == ("opal", "POST", route, {"number": str(number)}, 200)


async def test_two_who_requeue_at_once_send_it_once(world, opal, bury):
    number = await bury()
    before = (await world.bus.stream_position(FILES)).last
    replies = await asyncio.gather(*(opal.post(f"{LETTERS}{number}/requeue/") for _ in range(4)))
    assert {reply.status_code for reply in replies} <= {200, 404}
    assert 200 in {reply.status_code for reply in replies}
    assert (await world.bus.stream_position(FILES)).last == before + 1


async def test_a_request_is_its_owners_to_repeat(opal, bury):
    (runner, *_) = RUNNERS.values()
    number = await bury(b'{"operation_id": 12}', consumer=runner, subject=runner.filter_subjects[0])
    (listed,) = body_of(await opal.get(LETTERS))
    assert listed["resendable"] is False
    assert "only its owner can run it again: `datalab ops retry 12`" in listed["advice"]
    reply = await opal.post(f"{LETTERS}{number}/requeue/")
    assert (reply.status_code, body_of(reply)) == (409, {"detail": f"{number}: {listed['advice']}"})
    assert len(body_of(await opal.get(LETTERS))) == 1


async def test_nothing_is_published_where_no_stream_is(opal, bury):
    number = await bury(subject="$SYS.REQ.SERVER.PING")
    reply = await opal.post(f"{LETTERS}{number}/requeue/")
    assert reply.status_code == 409
    assert "No stream takes messages" in body_of(reply)["detail"]


async def test_a_discarded_letter_is_gone(world, opal, bury):
    number = await bury()
    reply = await opal.delete(f"{LETTERS}{number}/")
    assert reply.status_code == 204
    missing = {"detail": f"there is no dead letter {number}"}
    for again in (
        await opal.delete(f"{LETTERS}{number}/"),
        await opal.get(f"{LETTERS}{number}/"),
        await opal.post(f"{LETTERS}{number}/requeue/"),
    ):
        assert (again.status_code, body_of(again)) == (404, missing)
    about = {"number": str(number)}
    assert await audited(world, reply) == ("opal", "DELETE", "/api/dead-letters/{number}", about, 204)


@pytest.mark.parametrize("number", ["0", "-1", "one", str(2**63)])
async def test_what_is_no_number_names_no_letter(opal, number):
    assert (await opal.get(f"{LETTERS}{number}/")).status_code == 404


async def test_others_learn_nothing_and_change_nothing(world, bury):
    number = await bury()
    async with world.client("alice") as alice:
        for method, path in (
            ("GET", LETTERS),
            ("GET", f"{LETTERS}{number}/"),
            ("POST", f"{LETTERS}{number}/requeue/"),
            ("DELETE", f"{LETTERS}{number}/"),
        ):
            reply = await alice.request(method, path)
            assert (reply.status_code, body_of(reply)) == (403, FORBIDDEN)
    assert (await world.bus.stream_position(DEAD)).last == number
    assert await world.bus.stored_message(DEAD.name, number) is not None
