"""The night log: one note of a site at a time, written by its staff, gone to the second, kept for them."""

import asyncio
import json
from datetime import timedelta

import httpx
import pytest

from datalab.client.rest import Datalab
from datalab.events.envelope import utc_now
from datalab.events.feed import NightLogChanged
from session_api.night_logs.service import NightLogService
from support.issuer import AUDIENCE, running_issuer
from support.session_api import ADMIN_TOKEN, body_of, running_world

IMAGE = {"base_filename": "tst-1", "jpg_url": "https://store/data/tst-1.jpg?X-Amz-Signature=abc", "header": {"A": 1}}
DATA = {"message": "Cloudy ☁", "username": "Ada", "userid": "auth0|1", "ttl_hours": 48, "selected_image": IMAGE}


@pytest.fixture(scope="module")
def issuer():
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
async def world(module_settings_environment, issuer):
    async with running_world(
        module_settings_environment,
        jwt_issuer=issuer.url,
        jwt_audience=AUDIENCE,
        night_log_per_minute=60_000,
        night_log_address_per_minute=60_000,
    ) as world:
        await world.add_user("root", superuser=True)
        await world.add_user("opal", operator=True)
        await world.add_user("ada")
        await world.add_user("staff", ingests=["tst"])
        yield world


@pytest.fixture(autouse=True)
async def no_notes(world):
    await world.database["night_logs"].delete_many({})


@pytest.fixture
async def staff(world):
    async with world.client("staff") as client:
        yield client


@pytest.fixture
async def reader(world):
    """Nobody in particular; every answer is compared with the OpenAPI document."""
    async with world.client() as client:
        yield client


async def post(client, note_data=DATA, path="/api/nightlog/tst", *, content=None):
    """Send it without a content type, as Python's clients do."""
    url = httpx.URL(str(client.base_url)).copy_with(raw_path=path.encode())
    body = json.dumps({"note_data": note_data}) if content is None else content
    request = client.build_request("POST", url, content=body)
    request.headers.pop("Content-Type", None)
    return await client.send(request)


def check_written(reply):
    assert (reply.status_code, reply.text) == (200, "Note created successfully")


async def read(client):
    reply = await client.get("/api/nightlog/tst")
    return body_of(reply) if reply.status_code == 200 else reply.status_code


@pytest.fixture
async def clock(world):
    service = world.service(NightLogService)
    yield lambda moment: setattr(service, "_clock", lambda: moment)
    service._clock = utc_now


async def test_a_note_is_written_read_and_taken_away(staff, reader):
    assert await read(reader) == 204
    for path in ("/api/nightlog/tst", "/dev//nightlog//tst/", "/nightlog/tst"):
        check_written(await post(staff, path=path))
    note = await read(reader)
    shown = {**IMAGE, "jpg_url": "https://store/data/tst-1.jpg"}  # a signed link is nobody's to keep
    assert note["note_data"] == {**DATA, "selected_image": shown}
    assert (note.keys(), note["site"]) == ({"site", "created_timestamp", "ttl_timestamp_seconds", "note_data"}, "tst")
    assert note["ttl_timestamp_seconds"] - note["created_timestamp"] == 48 * 3600
    assert abs(note["created_timestamp"] - utc_now().timestamp()) < 600
    for _ in range(2):
        assert (await staff.delete("/api/nightlog/tst")).status_code == 204
    assert await read(reader) == 204


@pytest.mark.parametrize(("hours", "seconds"), [("48", 172_800), (1.5, 5_400), (1e-9, 1), ("1.0", 3_600)])
async def test_hours_are_numbers_also_in_a_text(staff, reader, hours, seconds):
    check_written(await post(staff, {"ttl_hours": hours}))
    note = await read(reader)
    assert note["ttl_timestamp_seconds"] - note["created_timestamp"] == seconds
    assert note["note_data"] == {"ttl_hours": hours}


@pytest.mark.parametrize(
    "content",
    [
        *("", "{}", "[]", "nonsense", '{"note_data": "text"}', '{"note_data": {}}', '{"note_data": null}'),
        *(f'{{"note_data": {{"ttl_hours": {bad}}}}}' for bad in ('""', '"x"', "0", "-1", "null", "true", "[]", "1e9")),
        *('{"note_data": {"ttl_hours": NaN}}', '{"note_data": {"ttl_hours": "inf"}}'),
        '{"note_data": {"ttl_hours": 1, "a": ' + "[" * 60 + "]" * 60 + "}}",
    ],
)
async def test_what_is_no_note_is_refused_in_words_and_leaves_the_former_one(staff, reader, content):
    check_written(await post(staff))
    reply = await post(staff, content=content)
    assert reply.status_code == 400
    assert reply.text
    assert (await read(reader))["note_data"]["message"] == DATA["message"]


async def test_a_note_is_gone_to_the_second_and_none_follows_it(staff, reader, clock):
    began = utc_now().replace(microsecond=0)
    clock(began)
    check_written(await post(staff, {"ttl_hours": 10}))
    check_written(await post(staff, {"ttl_hours": 1, "message": "second"}))
    clock(began + timedelta(seconds=3599, milliseconds=999))
    assert (await read(reader))["note_data"]["message"] == "second"
    clock(began + timedelta(seconds=3600))
    assert await read(reader) == 204


async def test_only_staff_write_take_away_and_look_back(world, staff, reader):
    check_written(await post(staff))
    assert (await post(reader)).status_code == 401
    assert (await reader.delete("/nightlog/tst")).status_code == 401
    assert (await reader.get("/nightlog/tst/history")).status_code == 401
    async with world.client("ada") as ada:
        for reply in (
            await post(ada),
            await ada.delete("/api/nightlog/tst"),
            await ada.get("/api/nightlog/tst/history"),
            await post(staff, path="/api/nightlog/mrc"),
        ):
            assert (reply.status_code, "is its staff's" in reply.text) == (403, True)
    async with world.client("root") as root:
        check_written(await post(root, {"ttl_hours": 1, "message": "root's"}))
        await root.delete("/nightlog/tst")
        notes = body_of(await root.get("/nightlog/tst/history"))
    assert [(note["by"], note["removed_by"]) for note in notes] == [("root", "root"), ("staff", None)]
    assert notes[0]["removed_at"].endswith("Z")
    assert [note["note_data"]["ttl_hours"] for note in body_of(await staff.get("/nightlog/tst/history"))] == [1, 48]


@pytest.mark.parametrize(
    ("roles", "status"),
    [
        (["admin"], 200),
        (["operator"], 200),
        (["observatory:tst"], 200),
        (["observatory:*"], 200),
        (["observatory:mrc"], 403),
        (["ingester:tst"], 403),
        ([], 403),
        (None, 403),
    ],
)
async def test_roles_of_a_web_token_are_honoured(reader, issuer, roles, status):
    headers = {"Authorization": f"Bearer {issuer.token(roles=roles)}"}
    body = {"note_data": {"ttl_hours": 1}}
    reply = await reader.post("/api/nightlog/tst", json=body, headers=headers)
    assert (reply.status_code, reply.text.startswith(("Note created", "The night log"))) == (status, True)
    assert (await reader.delete("/api/nightlog/tst", headers=headers)).status_code == (204 if status == 200 else 403)
    history = await reader.get("/api/nightlog/tst/history", headers=headers)
    assert history.status_code == status


async def test_who_is_not_known_is_told_in_the_words_of_the_gateway(reader, issuer):
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Bearer {issuer.token(exp=1)}"}):
        for method in ("POST", "DELETE"):
            reply = await reader.request(method, "/api/nightlog/tst", headers=headers, content='{"note_data": 1}')
            assert (reply.status_code, body_of(reply)) == (401, {"message": "Unauthorized"})


async def test_an_operator_is_staff_of_every_site(world, reader):
    async with world.client("opal") as opal:
        check_written(await post(opal))
        assert len(body_of(await opal.get("/nightlog/tst/history"))) == 1


@pytest.mark.parametrize("site", ["a.b", "a%20b", "%00", "x" * 65, "*"])
async def test_what_cannot_be_a_site_has_no_night_log(world, reader, site):
    assert (await reader.get(f"/nightlog/{site}")).status_code == 404
    async with world.client("root") as root:
        assert (await post(root, path=f"/nightlog/{site}")).status_code == 404


async def test_the_feed_tells_of_notes(world, staff):
    async with Datalab(world.url, ADMIN_TOKEN).feed() as feed:
        await feed.subscribe(sites=["tst"])
        check_written(await post(staff))
        await staff.delete("/api/nightlog/tst")
        heard = [(await anext(aiter(feed))).event for _ in range(2)]
    assert [(type(event), event.removed) for event in heard] == [(NightLogChanged, False), (NightLogChanged, True)]
    assert heard[0].created_timestamp == heard[1].created_timestamp


async def test_notes_in_quick_succession_are_all_kept_and_one_is_shown(world, staff, reader):
    replies = await asyncio.gather(*(post(staff, {"ttl_hours": 1, "message": str(n)}) for n in range(10)))
    for reply in replies:
        check_written(reply)
    history = body_of(await staff.get("/nightlog/tst/history"))
    assert sorted(int(note["note_data"]["message"]) for note in history) == list(range(10))
    assert (await read(reader))["note_data"] == history[0]["note_data"]
