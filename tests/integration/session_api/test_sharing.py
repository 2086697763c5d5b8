"""Sessions that are shared: what others see of them and do in them, and what holds when it ends."""

import asyncio
import itertools
import json
import logging
from datetime import UTC, datetime, timedelta

import pytest

from datalab.client.feed import FeedClient, FeedRefusedError
from datalab.errors import TransientError
from datalab.events.analysis import AnalysisDescribed
from datalab.events.feed import OperationChanged, SessionAccessChanged
from datalab.events.topology import ANALYSIS_OFFERS
from session_api.groups import model as groups_model
from session_api.sessions.access import link_hash
from support.feed import take
from support.session_api import ADMIN_TOKEN, archive, body_of, frame_document, made_by
from support.sharing import IMAGE, PICTURE, result_of
from support.waiting import until

NO_SESSION = {"detail": "No DataSession matches the given query."}
FORBIDDEN = {"detail": "You do not have permission to perform this action."}
HIDDEN = "The output was made from frames that you may no longer read."
words = (f"word-{number}" for number in itertools.count())


def sessions(*more):
    return "/".join(["/api/datasessions", *map(str, more), ""])


@pytest.fixture(scope="module", autouse=True)
async def closed_frames(world):
    """Frames that only members of P1 may read (alice), and of P2 (eve)."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    await world.add_user("eve", proposals=["P2"])
    await world.add_user("vera")
    await world.add_frames(
        frame_document("closed", public_date=tomorrow, proposal_id="P1"),
        frame_document("eves", public_date=tomorrow, proposal_id="P2"),
    )
    bucket = await world.bus.key_value(ANALYSIS_OFFERS)
    for action in ("get-tif", "wcs"):
        await bucket.put(action, AnalysisDescribed(action=action, description="", parameters_schema={}).encode())


@pytest.fixture(scope="module")
async def eve(world, closed_frames):
    async with world.client("eve") as client:
        yield client


@pytest.fixture(scope="module")
async def vera(world, closed_frames):
    async with world.client("vera") as client:
        yield client


@pytest.fixture
async def session_id(world, alice):
    """A session of alice's that eve may edit and vera may look at."""
    number = await world.session(alice, input_data=[archive("f1")])
    await share(alice, number, "eve", "editor")
    await share(alice, number, "vera", "viewer")
    return number


async def share(owner, session_id, name, role, *, kind="users"):
    reply = await owner.put(sessions(session_id, "shares", kind, name), json={"role": role})
    assert reply.status_code == 200, reply.text
    return body_of(reply)


async def unshare(owner, session_id, name, *, kind="users"):
    reply = await owner.delete(sessions(session_id, "shares", kind, name))
    assert reply.status_code == 204, reply.text


async def read(client, *path, **options):
    reply = await client.get(sessions(*path), **options)
    assert reply.status_code == 200, reply.text
    return body_of(reply)


async def finished(world, client, session_id, *frames, word=None, **fields):
    """Have an operation on some frames done; return its number and its word."""
    word = word or next(words)
    inputs = {"input_files": [archive(name) for name in frames]}
    number = await world.operation(client, session_id, input_data=inputs)
    await world.succeed(client, session_id, number, result_of(word, inputs=frames), **fields)
    return number, word


# --- what is seen ---------------------------------------------------------------------------------------------------


async def test_for_the_owner_a_shared_session_looks_as_ever(world, alice):
    plain = await world.session(alice, "plain", [archive("f1", url="https://store/f1?signed")])
    shared = await world.session(alice, "shared", [archive("f1", url="https://store/f1?signed")])
    await share(alice, shared, "vera", "editor")
    await alice.post(sessions(shared, "link"))
    listed = {each["id"]: each for each in (await read(alice))["results"]}
    for shown in (await read(alice, shared), listed[shared]):
        assert list(shown) == list(listed[plain])
        assert shown["input_data"] == [archive("f1", url="https://store/f1?signed")]
    assert listed[shared]["modified"] == listed[shared]["created"]


async def test_sessions_of_others_are_listed_only_for_who_asks(world, alice, vera):
    own, shared = await world.session(vera), await world.session(alice)
    await share(alice, shared, "vera", "viewer")

    async def listed(client, **params):
        found = (await read(client, params={**params, "limit": 200}))["results"]
        return {each["id"]: each.get("role") for each in found if each["id"] in {own, shared}}

    assert await listed(vera) == {own: None}
    assert await listed(vera, shared="include") == {own: "owner", shared: "viewer"}
    assert await listed(vera, shared="only") == {shared: "viewer"}
    assert await listed(vera, shared="only", user_exact="alice") == {shared: "viewer"}
    assert await listed(alice, shared="only") == {}
    assert (await vera.get(sessions(), params={"shared": "all"})).status_code == 400
    assert (await read(vera, shared))["role"] == "viewer"
    assert "role" not in await read(vera, own)


async def test_who_only_looks_leaves_no_trace(world, alice, vera, session_id):
    async def stored():  # events that wait there are published meanwhile
        return await world.database["sessions"].find_one({"_id": session_id}, {"outbox": False})

    before = await stored()
    await read(vera, session_id)
    assert await stored() == before


async def test_what_was_made_of_a_closed_frame_is_shared_and_the_frame_is_not(world, alice, vera):
    items = [
        archive("f1", url="https://store/f1?signed", filter="rp", nested={"url": "https://store/closed?signed"}),
        archive("closed", url="https://store/closed?signed"),
        archive("never-seen", url="https://store/never?signed"),
        {"source": "somewhere", "basename": "odd"},
        made_by(1, "an-output", large_url="https://store/output?signed"),
    ]
    session_id = await world.session(alice, input_data=items)
    number, word = await finished(world, alice, session_id, "closed", "f1")
    await share(alice, session_id, "vera", "viewer")
    session = await read(vera, session_id)
    assert session["input_data"] == [archive("f1", filter="rp"), made_by(1, "an-output")]
    assert "store/" not in json.dumps(session["input_data"])
    listed = await read(vera, params={"shared": "only", "limit": 200})
    for operation in (
        session["operations"][0],
        next(each for each in listed["results"] if each["id"] == session_id)["operations"][0],
        (await read(vera, session_id, "operations"))["results"][0],
        await read(vera, session_id, "operations", number),
    ):
        image, picture = operation["output"]["output_files"]
        assert (image["basename"], image["inputs"]) == (IMAGE.format(word), ["f1"])
        assert picture["tif_url"].startswith("http")
        assert operation["input_data"] == {"input_files": [archive("f1")]}
    whole = await read(alice, session_id, "operations", number)
    assert [item["basename"] for item in whole["input_data"]["input_files"]] == ["closed", "f1"]
    assert whole["output"]["output_files"][0]["inputs"] == ["closed", "f1"]

    closed = frame_document("closed")["frame_id"]
    assert (await vera.get(f"/api/frames/{closed}/")).status_code == 404
    assert (await vera.get("/api/pictures/closed/")).status_code == 404
    asked = await vera.post("/api/analysis/wcs/", json={"basename": "closed", "source": "archive"})
    assert body_of(asked) == {"error": "wcs Error: Could not find closed in the archive"}
    shown = await vera.post("/api/analysis/get-tif/", json={"basename": PICTURE.format(word), "source": "datalab"})
    assert body_of(shown)["tif_url"].startswith("http")
    found = body_of(await vera.get("/api/frames/", params={"basename_exact": IMAGE.format(word)}))
    assert found["count"] == 1


async def test_a_message_names_no_closed_frame(world, alice, vera):
    session_id = await world.session(alice)
    await share(alice, session_id, "vera", "viewer")
    inputs = {"input_files": [archive("closed"), archive("f1")]}
    number = await world.operation(alice, session_id, input_data=inputs)
    async with feed_of(world, "alice") as hers, feed_of(world, "vera") as feed:
        for each in (hers, feed):
            await each.subscribe(sessions=[session_id])
        told = await world.fail(alice, session_id, number, message="closed has no stars, f1 has 3.")
        assert told["message"] == (await take(hers, 1))[0].event.message == "closed has no stars, f1 has 3."
        heard = (await take(feed, 1))[0].event
        assert (heard.operation_id, heard.status, heard.message) == (number, "FAILED", "")
    seen = await read(vera, session_id, "operations", number)
    assert seen["message"] == "a frame you may not see has no stars, f1 has 3."


async def test_who_shares_shares_no_longer_than_they_may_read(world, alice, root, vera):
    await world.add_user("former", proposals=["P1"])
    async with world.client("former") as former:
        session_id = await world.session(former)
        number, word = await finished(world, former, session_id, "closed", "f1")
        await share(former, session_id, "vera", "viewer")
        await share(former, session_id, "alice", "viewer")
        assert (await read(vera, session_id, "operations", number))["output"]["output_files"]
        reply = await root.patch("/api/users/former/", json={"proposals": []})
        assert reply.status_code == 200
        for client in (vera, former):
            shown = await read(client, session_id, "operations", number)
            assert (shown["output"]["output_files"], shown["message"]) == ([], HIDDEN)
    # Who may read the frames sees what was made of them, whoever showed it.
    assert (await read(alice, session_id, "operations", number))["output"]["output_files"]
    asked = await vera.post("/api/analysis/get-tif/", json={"basename": PICTURE.format(word), "source": "datalab"})
    assert HIDDEN.partition("The output")[2] in body_of(asked)["error"]


async def test_frames_of_an_editor_are_the_editors(world, alice, eve, vera, session_id):
    """What she makes of them in the session she shows; the frames, and their links, she does not."""
    added = await eve.patch(sessions(session_id), json={"input_data": [archive("eves", url="https://store/eves?s")]})
    assert [item["basename"] for item in body_of(added)["input_data"]] == ["f1", "eves"]
    assert (await read(alice, session_id))["input_data"] == [archive("f1"), archive("eves")]
    assert (await read(vera, session_id))["input_data"] == [archive("f1")]
    number, word = await finished(world, eve, session_id, "eves", "f1")
    for client in (alice, vera):
        shown = await read(client, session_id, "operations", number)
        assert shown["input_data"] == {"input_files": [archive("f1")]}
        assert [each["basename"] for each in shown["output"]["output_files"]] == [
            IMAGE.format(word),
            PICTURE.format(word),
        ]
    # What alice makes of that is shown as long as eve may read her frames.
    second = await world.operation(
        alice, session_id, input_data={"input_files": [made_by(number, IMAGE.format(word)), archive("f2")]}
    )
    await world.succeed(alice, session_id, second, result_of(next(words)))
    assert (await read(vera, session_id, "operations", second))["output"]["output_files"]
    await world.database["users"].update_one({"_id": "eve"}, {"$set": {"proposals": []}})
    try:
        for client, one in itertools.product((alice, vera), (number, second)):
            assert (await read(client, session_id, "operations", one))["message"] == HIDDEN
    finally:
        await world.database["users"].update_one({"_id": "eve"}, {"$set": {"proposals": ["P2"]}})
    refused = await eve.post(
        sessions(session_id, "operations"),
        json={"name": "Median", "input_data": {"input_files": [archive("closed"), archive("f1")]}},
    )
    assert body_of(refused)["error"] == "Could not find closed in the archive"


async def test_editors_send_back_what_they_were_shown_and_nothing_comes_twice(world, alice, eve):
    items = [archive("f1", url="https://store/f1?signed", extra={"deep": [1]}), archive("closed"), archive("f2")]
    session_id = await world.session(alice, input_data=items)
    await share(alice, session_id, "eve", "editor")
    shown = (await read(eve, session_id))["input_data"]
    assert shown == [archive("f1"), archive("f2")]
    changed = await eve.patch(
        sessions(session_id),
        json={"name": "S1", "input_data": [*shown, archive("closed"), archive("f3", url="https://elsewhere/f3")]},
    )
    assert body_of(changed)["input_data"] == [archive("f1"), archive("f2"), archive("f3")]
    assert (await read(alice, session_id))["input_data"] == [*items, archive("f3")]


# --- what is done ---------------------------------------------------------------------------------------------------


async def test_an_editor_starts_and_a_viewer_sees_it_live(world, alice, eve, vera, session_id):
    async with feed_of(world, "vera") as feed:
        await feed.subscribe(sessions=[session_id])
        number = await world.operation(eve, session_id)
        await world.start(eve, session_id, number)
        await world.succeed(eve, session_id, number, result_of(next(words)))
        states = []
        while not states or states[-1] != "COMPLETED":
            (heard,) = await take(feed, 1)
            if isinstance(heard.event, OperationChanged):
                assert (heard.event.operation_id, heard.event.owner) == (number, "eve")
                states.append(heard.event.status)
        assert states == ["PENDING", "IN_PROGRESS", "COMPLETED"]
        assert (await read(vera, session_id, "operations", number))["output"]["output_files"]
        reply = await vera.post(sessions(session_id, "operations", number, "retry"))
        assert (reply.status_code, body_of(reply)) == (403, FORBIDDEN)


async def test_the_feed_of_who_is_removed_falls_silent_at_once(world, alice, vera, session_id):
    async with feed_of(world, "vera") as feed, feed_of(world, "alice") as own:
        await feed.subscribe(sessions=[session_id])
        await own.subscribe(sessions=[session_id])
        await unshare(alice, session_id, "vera")
        number = await world.operation(alice, session_id)
        while not isinstance((await take(own, 1))[0].event, OperationChanged):
            pass
        another = await world.session(vera)
        await feed.subscribe(sessions=[another])
        await world.operation(vera, another)
        (heard,) = await take(feed, 1)
        assert heard.event.session_id == another
        assert feed.gone == {session_id}
        with pytest.raises(FeedRefusedError, match="No DataSession matches the given query"):
            await feed.subscribe(sessions=[session_id])
    reply = await vera.get(sessions(session_id, "operations", number))
    assert reply.status_code == 404


async def test_everybody_in_a_session_hears_that_it_is_shared_otherwise(world, alice, eve, session_id):
    async with feed_of(world, "eve") as feed:
        await feed.subscribe(sessions=[session_id])
        await share(alice, session_id, "bob", "viewer")
        await share(alice, session_id, "bob", "viewer")
        await unshare(alice, session_id, "bob")
        await alice.post(sessions(session_id, "link"))
        heard = [each.event for each in await take(feed, 3)]
        assert [type(each) for each in heard] == [SessionAccessChanged] * 3
        # Not with whom: that is the owner's to know.
        assert set(heard[0].model_dump()) == {
            *("event_id", "occurred_at", "correlation_id", "producer", "type", "session_id", "owner"),
        }


async def test_work_of_an_editor_goes_on_when_the_editor_is_removed(world, alice, eve, session_id):
    running = await world.operation(eve, session_id)
    await world.start(eve, session_id, running)
    waiting = await world.operation(eve, session_id, input_data={"input_files": [made_by(running), archive("f1")]})
    await unshare(alice, session_id, "eve")
    await world.succeed(alice, session_id, running, result_of(next(words)))
    refused = await world.wait_for(alice, session_id, waiting, "FAILED")
    assert refused["message"] == ("eve may no longer start operations in this session; whoever may can try it again.")
    assert await world.requests(waiting) == []
    reply = await eve.post(sessions(session_id, "operations", waiting, "retry"))
    assert reply.status_code == 404
    retried = await alice.post(sessions(session_id, "operations", waiting, "retry"))
    assert body_of(retried)["state"] == "PENDING"
    assert len(await world.requests(waiting)) == 1
    stored = await world.database["operations"].find_one({"_id": waiting})
    assert stored["owner"] == "alice"


async def test_whoever_starts_an_operation_answers_for_it(world, alice, eve, session_id):
    """Keys, turns and rights are those of who asks, not of the session's owner."""
    key = {"Idempotency-Key": "the-same"}
    first = await world.operation(eve, session_id, headers=key)
    second = await world.operation(alice, session_id, headers=key)
    assert first != second
    await world.fail(alice, session_id, first)
    retried = await alice.post(sessions(session_id, "operations", first, "retry"))
    assert retried.status_code == 200
    third = await eve.post(sessions(session_id, "operations"), json=_median(), headers=key)
    assert (third.status_code, body_of(third)["id"] in {first, second}) == (201, False)
    stored = await world.database["operations"].find_one({"_id": second})
    assert (stored["owner"], stored["idempotency_key"]) == ("alice", "the-same")


async def test_what_is_shared_with_somebody_is_no_input_of_their_own_sessions(world, alice, eve, session_id):
    """It would outlast that it is shared."""
    number, word = await finished(world, alice, session_id, "closed", "f1")
    image = IMAGE.format(word)
    here = await world.operation(eve, session_id, input_data={"input_files": [made_by(number, image), archive("f2")]})
    own = await world.session(eve)
    for items in ([made_by(number, image), archive("f2")], [made_by(number), archive("f2")]):
        reply = await eve.post(
            sessions(own, "operations"), json={"name": "Median", "input_data": {"input_files": items}}
        )
        assert reply.status_code == 400
        assert "Could not find" in body_of(reply)["error"]
    # Nor is what she made of it there.
    made = next(words)
    await world.succeed(eve, session_id, here, result_of(made))
    reply = await eve.post(
        sessions(own, "operations"),
        json={"name": "Median", "input_data": {"input_files": [made_by(here, IMAGE.format(made)), archive("f2")]}},
    )
    assert reply.status_code == 400
    await unshare(alice, session_id, "eve")
    for basename in (image, IMAGE.format(made)):
        found = body_of(await eve.get("/api/frames/", params={"basename_exact": basename}))
        assert found["count"] == 0
    # The owner uses what others made in a session of hers wherever she likes.
    elsewhere = await world.session(alice)
    await world.operation(
        alice, elsewhere, input_data={"input_files": [made_by(here, IMAGE.format(made)), archive("f2")]}
    )


async def test_who_is_removed_while_writing_has_written_before_or_not_at_all(world, alice, eve, session_id):
    async def write(number):
        return await eve.patch(sessions(session_id), json={"input_data": [archive(f"new-{number}")]})

    async def remove():
        await unshare(alice, session_id, "eve")

    replies = await asyncio.gather(*map(write, range(6)), remove(), *map(write, range(6, 12)))
    statuses = [reply.status_code for reply in replies if reply is not None]
    assert set(statuses) <= {200, 404}
    items = (await read(alice, session_id))["input_data"]
    assert len(items) - 1 == statuses.count(200)
    assert (await write(99)).status_code == 404


# --- with whom ------------------------------------------------------------------------------------------------------


async def test_many_at_once_share_and_nobody_is_lost(world, alice, session_id):
    names = [f"many-{number}" for number in range(8)]
    for name in names:
        await world.add_user(name)
    await asyncio.gather(*(share(alice, session_id, name, "viewer") for name in names * 2))
    await asyncio.gather(*(unshare(alice, session_id, name) for name in names[:4]))
    shared = (await read(alice, session_id, "shares"))["shares"]
    assert sorted(each["user"] for each in shared) == ["eve", *names[4:], "vera"]
    await asyncio.gather(share(alice, session_id, names[4], "editor"), share(alice, session_id, names[4], "viewer"))
    shared = (await read(alice, session_id, "shares"))["shares"]
    assert [each["user"] for each in shared].count(names[4]) == 1


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("users/nobody-of-that-name", {"role": "viewer"}, 404),
        ("users/Vera", {"role": "viewer"}, 404),
        ("users/alice", {"role": "viewer"}, 409),
        ("users/%00", {"role": "viewer"}, 404),
        ("users/" + "x" * 200, {"role": "viewer"}, 404),
        ("users/vera", {"role": "owner"}, 400),
        ("users/vera", {"role": None}, 400),
        ("users/vera", {}, 400),
        ("groups/999999", {"role": "viewer"}, 404),
        ("groups/0", {"role": "viewer"}, 404),
        ("groups/vera", {"role": "viewer"}, 404),
    ],
)
async def test_what_cannot_be_shared_with(alice, session_id, path, body, status):
    before = await read(alice, session_id, "shares")
    reply = await alice.put(sessions(session_id, "shares", path), json=body)
    assert reply.status_code == status, reply.text
    assert await read(alice, session_id, "shares") == before
    if status == 404:
        assert (await alice.delete(sessions(session_id, "shares", path))).status_code == 404


async def test_a_session_is_shared_with_so_many_and_no_more(world, alice, session_id):
    full = [
        {"user": f"u{number}", "group": None, "role": "viewer", "since": datetime.now(UTC)} for number in range(100)
    ]
    await world.database["sessions"].update_one({"_id": session_id}, {"$set": {"shares": full}})
    reply = await alice.put(sessions(session_id, "shares", "users", "bob"), json={"role": "viewer"})
    assert (reply.status_code, "as many as there may be" in body_of(reply)["detail"]) == (409, True)


async def test_with_whom_else_is_not_read_to_find_what_is_shared_with_one(world, alice, vera, session_id):
    group = body_of(await alice.post("/api/groups/", json={"name": next(words)}))["id"]
    await alice.put(f"/api/groups/{group}/members/vera/")
    await share(alice, session_id, group, "viewer", kind="groups")
    joint = await world.operations._rights._sessions.find_any_joint(username="vera", groups={group}, link_hash=None)
    assert [each.who for each in joint[session_id].shares] == [("vera", None), (None, group)]
    own = await world.operations._rights._sessions.find_any_joint(username="alice", groups=(), link_hash=None)
    assert (own[session_id].owner, own[session_id].shares) == ("alice", ())


async def test_a_viewer_leaves(alice, vera, session_id):
    await unshare(vera, session_id, "vera")
    assert (await vera.get(sessions(session_id))).status_code == 404
    assert (await vera.delete(sessions(session_id, "shares", "users", "vera"))).status_code == 404
    assert (await vera.delete(sessions(session_id, "shares", "users", "eve"))).status_code == 404


async def test_a_group_opens_a_session_as_long_as_there_is_one_and_one_is_in_it(world, alice, bob, session_id):
    group = body_of(await alice.post("/api/groups/", json={"name": next(words)}))["id"]
    await alice.put(f"/api/groups/{group}/members/bob/")
    shown = await share(alice, session_id, group, "editor", kind="groups")
    assert (shown["shares"][-1]["group"], shown["shares"][-1]["role"]) == (group, "editor")
    path = sessions(session_id)
    assert (await bob.get(path)).status_code == 200
    assert (await alice.patch(f"/api/groups/{group}/", json={"name": next(words)})).status_code == 200
    assert (await bob.patch(path, json={"input_data": [archive("f2")]})).status_code == 200
    async with feed_of(world, "bob") as feed:
        await feed.subscribe(sessions=[session_id])
        await alice.delete(f"/api/groups/{group}/members/bob/")
        assert (await bob.get(path)).status_code == 404
        await world.operation(alice, session_id)
        own = await world.session(bob)
        await feed.subscribe(sessions=[own])
        await world.operation(bob, own)
        (heard,) = await take(feed, 1)
        assert (heard.event.session_id, feed.gone) == (own, {session_id})
    await alice.put(f"/api/groups/{group}/members/bob/")
    assert (await bob.get(path)).status_code == 200
    assert (await alice.delete(f"/api/groups/{group}/")).status_code == 204
    assert (await bob.get(path)).status_code == 404
    assert group not in [each.get("group") for each in (await read(alice, session_id, "shares"))["shares"]]
    await world.work("deleted groups")
    stored = await world.database["sessions"].find_one({"_id": session_id})
    assert group not in [each["group"] for each in stored["shares"]]
    # Only with a group one is in oneself.
    others = body_of(await bob.post("/api/groups/", json={"name": next(words)}))["id"]
    reply = await alice.put(sessions(session_id, "shares", "groups", others), json={"role": "viewer"})
    assert (reply.status_code, body_of(reply)["detail"]) == (404, "No Group matches the given query.")


async def test_of_two_ways_in_the_wider_counts(world, alice, vera, session_id):
    group = body_of(await alice.post("/api/groups/", json={"name": next(words)}))["id"]
    await alice.put(f"/api/groups/{group}/members/vera/")
    await share(alice, session_id, group, "editor", kind="groups")
    assert (await read(vera, session_id))["role"] == "editor"
    await unshare(alice, session_id, group, kind="groups")
    assert (await read(vera, session_id))["role"] == "viewer"


async def test_nobody_finds_what_was_shared_with_a_deleted_user_of_the_same_name(world, alice, eve, session_id):
    name = next(words)
    await world.add_user(name, proposals=["P1"])
    group = body_of(await alice.post("/api/groups/", json={"name": next(words)}))["id"]
    await alice.put(f"/api/groups/{group}/members/{name}/")
    await share(alice, session_id, name, "editor")
    async with world.client(name) as client:
        number, word = await finished(world, client, session_id, "closed", "f1")
        owned = body_of(await client.post("/api/groups/", json={"name": "mine"}))["id"]
        used = await world.operation(
            eve, session_id, input_data={"input_files": [made_by(number, IMAGE.format(word)), archive("f2")]}
        )
        assert (await root_delete(world, name)).status_code == 204
        assert (await client.get(sessions(session_id))).status_code == 401
    await world.database["users"].update_one({"_id": name}, {"$set": {"deleted_at": datetime(2026, 1, 1, tzinfo=UTC)}})
    await world.work("deleted users")
    await world.work("deleted users")
    assert await world.database["users"].find_one({"_id": name}) is None
    assert await world.database["groups"].find_one({"_id": owned}) is None
    for collection in ("sessions", "groups", "operations"):
        left = [each async for each in world.database[collection].find({"deleted": {"$ne": True}}, {"outbox": 0})]
        assert f'"{name}"' not in json.dumps(left, default=str), collection
    assert (await world.database["operations"].find_one({"_id": number}))["owner"] == "alice"
    await world.add_user(name)
    async with world.client(name) as namesake:
        assert (await namesake.get(sessions(session_id))).status_code == 404
        assert body_of(await namesake.get("/api/groups/"))["count"] == 0
    assert used


async def root_delete(world, name):
    async with world.client() as client:
        return await client.delete(f"/api/users/{name}/", headers={"Authorization": f"Token {ADMIN_TOKEN}"})


async def test_a_session_is_given_away_with_all_that_is_in_it(world, alice, vera, session_id):
    number, _ = await finished(world, alice, session_id, "closed", "f1")
    link = body_of(await alice.post(sessions(session_id, "link")))["link"]
    async with feed_of(world, "alice") as feed:
        await feed.subscribe(sessions=[session_id])
        given = await alice.put(sessions(session_id, "owner"), json={"user": "vera"})
        assert (body_of(given)["user"], body_of(given)["role"]) == ("vera", "editor")
        again = await alice.put(sessions(session_id, "owner"), json={"user": "vera"})
        assert (again.status_code, body_of(again)) == (403, FORBIDDEN)
        assert "role" not in await read(vera, session_id)
        shares = {each["user"]: each["role"] for each in (await read(vera, session_id, "shares"))["shares"]}
        assert shares == {"alice": "editor", "eve": "editor"}
        async with world.client() as nobody:
            assert (await nobody.get(sessions(session_id), headers={"X-Session-Link": link})).status_code == 401
        # What alice showed is shown, though she only edits it now.
        assert (await read(vera, session_id, "operations", number))["output"]["output_files"]
        assert (await alice.delete(sessions(session_id))).status_code == 403
        await unshare(vera, session_id, "alice")
        assert (await alice.get(sessions(session_id, "operations", number))).status_code == 404
        await world.operation(vera, session_id)
        own = await world.session(alice)
        await feed.subscribe(sessions=[own])
        await world.operation(alice, own)
        heard = await take(feed, 1)
        while heard[-1].event.session_id != own:
            heard += await take(feed, 1)
        assert not any(isinstance(each.event, OperationChanged) for each in heard[:-1])
        assert session_id in feed.gone
    assert (await vera.delete(sessions(session_id))).status_code == 204
    await world.work("deleted sessions")
    left = await world.database["operations"].count_documents({"session_id": session_id, "deleted": False})
    assert left == 0


# --- links ----------------------------------------------------------------------------------------------------------


async def test_a_link_opens_one_session_to_whoever_has_it(world, alice, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    session_id, other = (
        await world.session(alice, input_data=[archive("closed"), archive("f1")]),
        await world.session(alice),
    )
    number, word = await finished(world, alice, session_id, "closed", "f1")
    elsewhere, hidden = await finished(world, alice, other, "f1", "f2")
    reply = await alice.post(sessions(session_id, "link"))
    link = body_of(reply)["link"]
    assert (reply.headers["Cache-Control"], len(link) >= 43) == ("no-store", True)
    shown = await read(alice, session_id, "shares")
    assert (set(shown["link"]), link in json.dumps(shown)) == ({"since"}, False)
    stored = await world.database["sessions"].find_one({"_id": session_id})
    assert (link in str(stored), stored["link"]["hash"]) == (False, link_hash(link))

    async with world.client() as nobody:
        nobody.headers["X-Session-Link"] = link
        session = await read(nobody, session_id)
        assert (session["role"], session["input_data"]) == ("viewer", [archive("f1")])
        assert (await read(nobody, session_id, "operations", number))["output"]["output_files"]
        form = {"basename": PICTURE.format(word), "source": "datalab"}
        assert body_of(await nobody.post("/api/analysis/get-tif/", json=form))["tif_url"]
        found = await nobody.get("/api/frames/", params={"basename_exact": IMAGE.format(word)})
        assert body_of(found)["count"] == 1
        for path in (sessions(other), sessions(other, "operations", elsewhere), sessions(session_id + 10**6)):
            assert (await nobody.get(path)).status_code == 404
        form = {"basename": PICTURE.format(hidden), "source": "datalab"}
        assert (await nobody.post("/api/analysis/get-tif/", json=form)).status_code == 400
        for method, path in (
            ("GET", sessions()),
            ("POST", sessions(session_id, "operations")),
            ("GET", "/api/groups/"),
        ):
            assert (await nobody.request(method, path, json={})).status_code == 401
        async with FeedClient(feed_address(world), token=None, link=link) as feed:
            await feed.subscribe(sessions=[session_id])
            await world.operation(alice, session_id)
            assert (await take(feed, 1))[0].event.session_id == session_id
            with pytest.raises(FeedRefusedError, match="No DataSession"):
                await feed.subscribe(sessions=[other])
            second = body_of(await alice.post(sessions(session_id, "link")))["link"]
            await until(lambda: _heard_nothing_more(feed))
        assert (await nobody.get(sessions(session_id))).status_code == 401
        assert body_of(await nobody.get(sessions(session_id))) == {"detail": "Invalid link."}
        nobody.headers["X-Session-Link"] = second
        assert (await nobody.get(sessions(session_id))).status_code == 200
        for _ in range(2):
            assert (await alice.delete(sessions(session_id, "link"))).status_code == 204
        assert (await nobody.get(sessions(session_id))).status_code == 401
    # All of the server's, at DEBUG; the client, in the same process, prints what it sends.
    of_clients = ("httpcore", "websockets.client")
    records = [each.getMessage() for each in caplog.records if not each.name.startswith(of_clients)]
    logged = "\n".join([*records, capsys.readouterr().out])
    assert "session.sharing_changed" in logged
    assert link not in logged
    assert second not in logged


async def _heard_nothing_more(feed):
    """Tell whether the server has said that the session is closed; what came before is passed over."""
    try:
        await asyncio.wait_for(anext(feed), 0.05)
    except TimeoutError:
        return bool(feed.gone)
    return False


@pytest.mark.parametrize("link", ["", "x", "a" * 43, "a" * 8000, "%00", "l\u00efnk"])
async def test_what_is_no_link_opens_nothing(world, alice, session_id, link):
    await alice.post(sessions(session_id, "link"))
    async with world.client() as nobody:
        headers = {"X-Session-Link": link.encode()}
        for method, path in (("GET", sessions(session_id)), ("GET", "/api/frames/"), ("POST", "/api/analysis/wcs/")):
            reply = await nobody.request(method, path, headers=headers)
            assert reply.status_code in {401, 431, 400}, reply.text
        reply = await nobody.get(sessions(session_id), params={"link": link[:100], "X-Session-Link": link[:100]})
        assert reply.status_code == 401


async def test_a_link_in_the_address_is_none(world, alice, session_id):
    """Addresses end up in logs, of proxies, too."""
    link = body_of(await alice.post(sessions(session_id, "link")))["link"]
    async with world.client() as nobody:
        for name in ("link", "X-Session-Link", "x-session-link", "token"):
            assert (await nobody.get(sessions(session_id), params={name: link})).status_code == 401


# --- groups ---------------------------------------------------------------------------------------------------------


async def test_the_life_of_a_group(alice, bob):
    name = next(words)
    group = body_of(await alice.post("/api/groups/", json={"name": f"  {name} "}))
    assert list(group) == ["id", "name", "owner", "members", "created"]
    assert (group["name"], group["owner"], group["members"]) == (name, "alice", ["alice"])
    path = f"/api/groups/{group['id']}/"
    twice = await alice.post("/api/groups/", json={"name": name.upper()})
    assert (twice.status_code, body_of(twice)) == (400, {"name": ["You own a group of that name already."]})
    for _ in range(2):
        assert body_of(await alice.put(f"{path}members/bob/"))["members"] == ["alice", "bob"]
    assert (await alice.put(f"{path}members/nobody-of-that-name/")).status_code == 404
    assert (await alice.delete(f"{path}members/eve/")).status_code == 404
    assert group["id"] in [each["id"] for each in body_of(await bob.get("/api/groups/"))["results"]]
    stuck = await alice.delete(f"{path}members/alice/")
    assert (stuck.status_code, body_of(stuck)["detail"].startswith("The owner cannot leave")) == (409, True)
    assert (await alice.put(f"{path}owner/", json={"user": "eve"})).status_code == 404
    assert body_of(await alice.put(f"{path}owner/", json={"user": "bob"}))["owner"] == "bob"
    assert (await alice.delete(path)).status_code == 403
    assert (await alice.delete(f"{path}members/alice/")).status_code == 204
    assert (await alice.get(path)).status_code == 404
    assert (await bob.delete(path)).status_code == 204
    assert (await bob.get(path)).status_code == 404


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\nb", "\x00", None, 5])
async def test_what_a_group_is_not_called(alice, name):
    assert (await alice.post("/api/groups/", json={"name": name})).status_code == 400


async def test_groups_have_their_limits(world, bob, monkeypatch):
    members = ["bob", *(f"m{number}" for number in range(groups_model.MAX_MEMBERS - 1))]
    made = body_of(await bob.post("/api/groups/", json={"name": next(words)}))
    await world.database["groups"].update_one({"_id": made["id"]}, {"$set": {"members": members}})
    full = await bob.put(f"/api/groups/{made['id']}/members/alice/")
    assert (full.status_code, "as many as there may be" in body_of(full)["detail"]) == (409, True)
    assert (await bob.put(f"/api/groups/{made['id']}/members/bob/")).status_code == 200
    owned = await world.database["groups"].count_documents({"owner": "bob"})
    monkeypatch.setattr("session_api.groups.service.MAX_GROUPS", owned)
    assert (await bob.post("/api/groups/", json={"name": next(words)})).status_code == 409


async def test_nobody_is_given_more_groups_than_one_may_own(world, alice, bob, monkeypatch):
    group = body_of(await alice.post("/api/groups/", json={"name": next(words)}))["id"]
    path = f"/api/groups/{group}"
    assert (await alice.put(f"{path}/members/bob/")).status_code == 200
    owned = await world.database["groups"].count_documents({"owner": "bob"})
    monkeypatch.setattr("session_api.groups.service.MAX_GROUPS", owned)
    refused = await alice.put(f"{path}/owner/", json={"user": "bob"})
    assert (refused.status_code, body_of(refused)) == (
        409,
        {"detail": f"bob owns {owned} groups, which is as many as one user may."},
    )
    assert body_of(await alice.get(f"{path}/"))["owner"] == "alice"


async def test_members_who_come_and_go_at_once(world, alice):
    group = body_of(await alice.post("/api/groups/", json={"name": next(words)}))["id"]
    names = [f"come-{number}" for number in range(6)]
    for name in names:
        await world.add_user(name)
    path = f"/api/groups/{group}/members"
    await asyncio.gather(*(alice.put(f"{path}/{name}/") for name in names * 2))
    await asyncio.gather(*(alice.delete(f"{path}/{name}/") for name in names[:3] * 2))
    assert sorted(body_of(await alice.get(f"/api/groups/{group}/"))["members"]) == ["alice", *names[3:]]
    given = await asyncio.gather(*(alice.put(f"/api/groups/{group}/owner/", json={"user": name}) for name in names[3:]))
    assert sorted(reply.status_code for reply in given) == [200, 403, 403]


# --- the document store is away --------------------------------------------------------------------------------------


async def test_nobody_is_let_in_while_nobody_can_say_who_may(world, alice, vera, session_id, monkeypatch):
    async def away(*_, **__):
        raise TransientError("the document store does not answer")

    monkeypatch.setattr(world.operations._rights._sessions, "find_any_standings", away)
    for path in (sessions(session_id, "operations"), sessions(session_id, "operations", 1)):
        assert (await vera.get(path)).status_code == 503
        assert (await alice.get(path)).status_code == 503


def feed_address(world):
    return world.url.replace("http", "ws") + "/api/feed"


def feed_of(world, username):
    return FeedClient(feed_address(world), token=world.tokens[username])


def _median():
    return {"name": "Median", "input_data": {"input_files": [archive("f1"), archive("f2")]}}
