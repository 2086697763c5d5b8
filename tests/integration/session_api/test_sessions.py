"""Data sessions as clients know them."""

import asyncio
import re
from datetime import UTC, datetime

import pytest

from datalab.events.feed import SessionChanged, SessionDeleted, feed_event_adapter
from datalab.events.topology import FEED
from support.session_api import archive, body_of, frame_document
from support.waiting import until

SESSIONS = "/api/datasessions/"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


async def feed_events(world, session_id):
    """Return what the feed says about a session."""
    subjects = (f"datalab.feed.v1.session.{session_id}",)
    return [
        feed_event_adapter.validate_json(message.body)
        async for message in world.bus.replay(FEED, after=0, filter_subjects=subjects)
    ]


async def test_a_new_session_looks_like_this(world, alice):
    reply = await alice.post(SESSIONS, json={"name": "  S1 ", "input_data": [archive("f1")], "user": "bob", "id": 7})
    assert reply.status_code == 201
    session = body_of(reply)
    keys = ["id", "operations", "user", "name", "input_data", "created", "accessed", "modified", "operations_count"]
    assert list(session) == keys
    assert isinstance(session["id"], int)
    assert session["id"] > 0
    assert (session["operations"], session["user"], session["name"]) == ([], "alice", "S1")
    assert session["input_data"] == [{"source": "archive", "basename": "f1"}]
    assert all(MOMENT.fullmatch(session[key]) for key in ("created", "accessed", "modified"))
    assert b": " not in reply.content

    async def announced():
        return await feed_events(world, session["id"])

    (event,) = await until(announced)
    assert isinstance(event, SessionChanged)
    assert (event.owner, event.name) == ("alice", "S1")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name": ["This field is required."]}),
        ({"name": None}, {"name": ["This field may not be null."]}),
        ({"name": ""}, {"name": ["This field may not be blank."]}),
        ({"name": "   "}, {"name": ["This field may not be blank."]}),
        ({"name": 5}, {"name": ["Not a valid string."]}),
        ({"name": "x" * 257}, {"name": ["Ensure this field has no more than 256 characters."]}),
        ({"name": "x", "input_data": None}, {"input_data": ["This field may not be null."]}),
        ({"name": "x", "input_data": "y"}, {"input_data": ['Expected a list of items but got type "str".']}),
        ({"name": "x", "input_data": {}}, {"input_data": ['Expected a list of items but got type "dict".']}),
        ({"name": "x", "input_data": [1]}, {"input_data": ['0: Expected a dictionary of items but got type "int".']}),
    ],
)
async def test_what_a_session_needs(alice, body, fields):
    reply = await alice.post(SESSIONS, json=body)
    assert (reply.status_code, body_of(reply)) == (400, fields), body


async def test_names_and_inputs_may_hold_anything_json_can(alice):
    item = {"$set": {"a.b": [1, 2.5, None, True]}, "": "\u2603\U0001f52d", "big": 2**63 - 1}
    session_id = body_of(await alice.post(SESSIONS, json={"name": "\u2603" * 256, "input_data": [item]}))["id"]
    added = await alice.patch(f"{SESSIONS}{session_id}/", json={"input_data": [{"$unset": "x"}]})
    assert body_of(added)["input_data"] == [item, {"$unset": "x"}]


async def test_reading_one_session_notes_the_access_and_listing_does_not(world, alice):
    session_id = await world.session(alice)
    first = body_of(await alice.get(f"{SESSIONS}{session_id}/"))
    listed = next(each for each in body_of(await alice.get(SESSIONS))["results"] if each["id"] == session_id)
    assert listed["accessed"] == first["accessed"]

    async def later():
        again = body_of(await alice.get(f"{SESSIONS}{session_id}/"))
        return again["accessed"] > first["accessed"] and again

    assert (await until(later))["modified"] == first["modified"]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_changing_merges_input_data(world, alice, method):
    session_id = await world.session(alice, input_data=[archive("f1", url="https://old", filter="rp")])
    path = f"{SESSIONS}{session_id}/"
    items = [archive("f1", url="https://new", filter="rp"), archive("f2"), archive("f2"), archive("f1", filter="ip")]
    changed = await alice.request(method, path, json={"name": "S2", "input_data": items})
    assert changed.status_code == 200
    expected = [archive("f1", url="https://new", filter="rp"), archive("f2"), archive("f1", filter="ip")]
    assert body_of(changed)["name"] == "S2"
    assert body_of(changed)["input_data"] == expected
    unchanged = await alice.request(method, path, json={"name": "S3", "input_data": []})
    assert body_of(unchanged)["input_data"] == expected
    assert body_of(await alice.get(path))["name"] == "S3"


async def test_put_needs_a_name_and_patch_does_not(world, alice):
    session_id = await world.session(alice, name="kept")
    path = f"{SESSIONS}{session_id}/"
    reply = await alice.put(path, json={"input_data": []})
    assert (reply.status_code, body_of(reply)) == (400, {"name": ["This field is required."]})
    assert body_of(await alice.patch(path, json={"input_data": [archive("f1")]}))["name"] == "kept"
    for name, text in ((None, "This field may not be null."), ("", "This field may not be blank.")):
        reply = await alice.patch(path, json={"name": name})
        assert (reply.status_code, body_of(reply)) == (400, {"name": [text]})


async def test_parallel_changes_lose_nothing(world, alice):
    session_id = await world.session(alice)
    path = f"{SESSIONS}{session_id}/"
    replies = await asyncio.gather(
        *(alice.patch(path, json={"input_data": [archive(f"p{number}")]}) for number in range(40))
    )
    assert {reply.status_code for reply in replies} == {200}
    kept = body_of(await alice.get(path))["input_data"]
    assert sorted(item["basename"] for item in kept) == sorted(f"p{number}" for number in range(40))


async def test_more_input_data_than_a_session_can_hold_is_refused(world, alice):
    session_id = await world.session(alice)
    path = f"{SESSIONS}{session_id}/"
    items = [{"number": number, "text": "x" * 4000} for number in range(600)]
    for part in (items[:300], items[300:500]):
        assert (await alice.patch(path, json={"input_data": part})).status_code == 200
    reply = await alice.patch(path, json={"input_data": items[500:]})
    assert reply.status_code == 400
    assert body_of(reply)["input_data"][0].endswith("2097152 are allowed.")
    assert (await alice.delete(path)).status_code == 204


async def test_deleting_a_session_takes_its_operations_along(world, alice):
    session_id = await world.session(alice)
    operation_id = await world.operation(alice, session_id)
    reply = await alice.delete(f"/api/datasessions/{session_id}")
    assert (reply.status_code, reply.content, reply.headers["Content-Length"]) == (204, b"", "0")
    for path in ("", "operations/", f"operations/{operation_id}/"):
        assert (await alice.get(f"{SESSIONS}{session_id}/{path}")).status_code == 404
    assert (await alice.delete(f"{SESSIONS}{session_id}/")).status_code == 404

    async def told():
        return any(isinstance(event, SessionDeleted) for event in await feed_events(world, session_id))

    await until(told)


@pytest.fixture(scope="module")
async def dora(world):
    """A user with five sessions, and the sessions, oldest first."""
    await world.add_user("dora")
    async with world.client("dora") as client:
        made = [
            body_of(await client.post(SESSIONS, json={"name": name}))
            for name in ("M 31", "M 33", "m 51", "N.*", "M 33 b")
        ]
        yield client, made


async def names(client, **parameters):
    reply = await client.get(SESSIONS, params=parameters)
    assert reply.status_code == 200, reply.text
    return [session["name"] for session in body_of(reply)["results"]]


async def test_sessions_are_listed_newest_change_first(dora):
    client, made = dora
    assert await names(client) == ["M 33 b", "N.*", "m 51", "M 33", "M 31"]
    assert body_of(await client.get(SESSIONS)) == {
        "count": 5,
        "next": None,
        "previous": None,
        "results": list(reversed(made)),
    }


async def test_sessions_are_filtered(dora):
    client, made = dora
    middle = made[2]["created"]
    assert await names(client, name="m 3") == ["M 33 b", "M 33", "M 31"]
    assert await names(client, name=".*") == ["N.*"]
    assert await names(client, name_exact="M 33") == ["M 33"]
    assert await names(client, user="OR") == ["M 33 b", "N.*", "m 51", "M 33", "M 31"]
    assert await names(client, user_exact="dor") == []
    assert await names(client, user_exact="alice") == []
    assert await names(client, unknown="x", name="") == ["M 33 b", "N.*", "m 51", "M 33", "M 31"]
    since = [each["name"] for each in made if each["created"] >= middle][::-1]
    until = [each["name"] for each in made if each["created"] <= middle][::-1]
    with_offset = middle.replace("Z", "+00:00")
    assert await names(client, created_after=middle) == await names(client, modified_after=with_offset) == since
    assert await names(client, created_before=middle) == await names(client, modified_before=with_offset) == until
    assert await names(client, created_after="2100-01-01") == []
    unescaped = await client.get(f"{SESSIONS}?created_before={with_offset}")
    assert [each["name"] for each in body_of(unescaped)["results"]] == until


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "0001-01-01T00:00:00+23:00", "1e9"])
async def test_dates_that_are_no_dates(alice, text):
    for parameter in ("created_after", "created_before", "modified_after", "modified_before"):
        reply = await alice.get(SESSIONS, params={parameter: text})
        assert (reply.status_code, body_of(reply)) == (
            400,
            {parameter: ["Enter a valid date/time: 2026-05-04, or 2026-05-04T22:00:00Z."]},
        )


@pytest.mark.parametrize("parameter", ["name", "name_exact", "user", "user_exact"])
async def test_texts_no_name_can_hold(alice, parameter):
    for text, answer in (
        ("a\0b", "This has to be a text without null characters."),
        ("x" * 40_000, "Ensure this field has no more than 256 characters."),
    ):
        reply = await alice.get(SESSIONS, params={parameter: text})
        assert (reply.status_code, body_of(reply)) == (400, {parameter: [answer]})


async def test_pages_link_to_their_neighbours(world, dora):
    client, _ = dora
    base = f"{world.url}{SESSIONS}"
    first = body_of(await client.get(SESSIONS, params={"limit": 2, "user": "do ra&d", "name": ""}))
    assert first["next"] is None
    first = body_of(await client.get(SESSIONS, params={"limit": 2, "user": "d", "name": ""}))
    assert (first["count"], first["previous"], len(first["results"])) == (5, None, 2)
    assert first["next"] == f"{base}?limit=2&name=&offset=2&user=d"
    second = body_of(await client.get(first["next"]))
    assert second["previous"] == f"{base}?limit=2&name=&user=d"
    assert second["next"] == f"{base}?limit=2&name=&offset=4&user=d"
    last = body_of(await client.get(second["next"]))
    assert (last["next"], len(last["results"])) == (None, 1)
    assert last["previous"] == f"{base}?limit=2&name=&offset=2&user=d"
    without_slash = body_of(await client.get("/api/datasessions", params={"limit": 4}))
    assert without_slash["next"] == f"{base}?limit=4&offset=4"


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": "x"},
        {"limit": "-1"},
        {"limit": "0"},
        {"limit": "9" * 30},
        {"offset": "-3"},
        {"offset": "1.5"},
        {"limit": "\u0665"},
    ],
)
async def test_limits_that_are_no_limits_are_ignored(dora, parameters):
    client, _ = dora
    assert len(await names(client, **parameters)) == 5


async def test_items_that_name_no_frame_the_caller_may_read_are_kept_and_said(world, alice):
    secret = frame_document("secret", proposal_id="P9", public_date=datetime(2999, 1, 1, tzinfo=UTC))
    await world.add_frames(secret)
    items = [archive("f1"), archive("typo"), {"basename": "secret"}, {"source": "datalab", "basename": "output"}]
    reply = await alice.post("/api/datasessions/", json={"name": "Night", "input_data": items})
    made = body_of(reply)
    assert (reply.status_code, made["input_data"]) == (201, items)
    assert made["unknown_frames"] == ["typo", "secret"]
    path = f"/api/datasessions/{made['id']}/"
    assert "unknown_frames" not in body_of(await alice.get(path))
    assert "unknown_frames" not in body_of(await alice.patch(path, json={"name": "The night"}))
    changed = body_of(await alice.patch(path, json={"input_data": [archive("f2"), archive("other")]}))
    assert changed["unknown_frames"] == ["other"]


async def test_what_the_archive_knows_of_the_frames_is_told_in_their_order(world, alice):
    moment = datetime(2026, 3, 14, 5, 6, 7, tzinfo=UTC)
    known = {"observation_date": moment, "target_name": "M 33", "exposure_time_s": 30.0, "configuration_type": "EXPOSE"}
    await world.add_frames(
        frame_document("told-a", filter_name="gp", **known),
        frame_document("told-b", filter_name=None),
        frame_document("told-closed", public_date=None, proposal_id="somebody's"),
    )
    items = [archive(name) for name in ("told-b", "told-closed", "told-a", "told-nowhere")]
    items += [{"source": "datalab", "basename": "told-a"}]
    session = body_of(await alice.post(SESSIONS, json={"name": "S", "input_data": items}))["id"]
    unknown = dict.fromkeys(("filter", "observation_date", "target_name", "exposure_time", "configuration_type"))
    assert body_of(await alice.get(f"{SESSIONS}{session}/frames/"))["frames"] == [
        {"basename": "told-b", **unknown},
        {
            "basename": "told-a",
            "filter": "gp",
            "observation_date": "2026-03-14T05:06:07.000000Z",
            "target_name": "M 33",
            "exposure_time": 30.0,
            "configuration_type": "EXPOSE",
        },
    ]
