"""How sites are: taken as their software says it several times a second, read as observatories and screens do."""

import asyncio
import json
import time
from datetime import UTC, datetime

import httpx
import pytest
from websockets.asyncio.client import connect

from session_api.status.service import StatusService
from support.photon_ranch import listening
from support.session_api import ADMIN_TOKEN, body_of, running_world
from support.waiting import PATIENCE_S, until

MOUNT = {"mount": {"mount_1": {"right_ascension": 12.345, "is_parked": False, "message": ""}}}
WEATHER = {"observing_conditions": {"observing_conditions1": {"temperature_C": 11.5, "wx_ok": "Yes"}}}


@pytest.fixture(scope="module")
async def environment(module_settings_environment):
    return module_settings_environment


@pytest.fixture(scope="module")
async def world(environment):
    async with running_world(
        environment,
        open_upload_sites=["*"],
        site_status_live_interval_s=0.2,
        site_status_history_interval_s=86_400.0,
        site_status_address_per_minute=100_000,
    ) as world:
        yield world


@pytest.fixture
async def observatory(world):
    """Nobody in particular; every answer is compared with the OpenAPI document."""
    for name in ("site_statuses", "site_status_history"):
        await world.database[name].delete_many({})
    service = world.service(StatusService)
    service._known.__init__()
    service._kept.clear()
    service._ages = (float("-inf"), {})
    async with world.client() as client:
        yield client


async def post(client, status, kind="device", *, path="/status/tst/status/", content=None):
    """Send it as `requests.post(url, data=json.dumps(body))` does: no Content-Type."""
    url = httpx.URL(str(client.base_url)).copy_with(raw_path=path.encode())
    body = json.dumps({"statusType": kind, "status": status}) if content is None else content
    request = client.build_request("POST", url, content=body)
    request.headers.pop("Content-Type", None)
    return await client.send(request)


def check_done(reply):
    assert reply.status_code == 200, reply.text
    assert body_of(reply)["ResponseMetadata"]["HTTPStatusCode"] == 200


def values(status):
    """Return a status without its times."""
    return {
        device_type: {
            device: {name: value["val"] for name, value in names.items()} for device, names in devices.items()
        }
        for device_type, devices in status.items()
    }


@pytest.mark.parametrize("path", ["/status/tst/status", "/api//status/tst/status/", "/test/tst/status"])
async def test_a_status_is_read_with_the_time_of_each_value(observatory, path):
    before = int(time.time() * 1000) - 600_000
    check_done(await post(observatory, MOUNT, path=path))
    status = body_of(await observatory.get("/status/tst/device/"))
    assert (status["site"], status["statusType"], status["server_timestamp_ms"] > before) == ("tst", "device", True)
    assert values(status["status"]) == {
        "mount": {"mount_1": {"right_ascension": 12.345, "is_parked": False, "message": "-"}}
    }
    times = {value["timestamp"] for value in status["status"]["mount"]["mount_1"].values()}
    assert times == {status["server_timestamp_ms"]}


async def test_what_is_not_sent_again_stays(observatory):
    check_done(await post(observatory, MOUNT))
    check_done(await post(observatory, {"mount": {"mount_1": {"is_parked": True}}, "camera": {"c": {"T": -20}}}))
    status = body_of(await observatory.get("/status/tst/device"))["status"]
    assert values(status)["mount"]["mount_1"]["right_ascension"] == 12.345
    assert values(status)["mount"]["mount_1"]["is_parked"] is True
    assert values(status)["camera"] == {"c": {"T": -20}}


async def test_all_kinds_of_a_site_are_read_as_one(observatory):
    check_done(await post(observatory, MOUNT))
    check_done(await post(observatory, WEATHER, "weather"))
    whole = body_of(await observatory.get("/status/tst/complete_status"))
    assert whole["status"].keys() == {"mount", "observing_conditions"}
    assert whole["status_age_timestamps_ms"].keys() == {"device", "weather"}
    assert whole["latest_status_timestamp_ms"] == max(whole["status_age_timestamps_ms"].values())
    assert body_of(await observatory.get("/status/mrc/complete_status"))["status"] == {}


async def test_a_kind_nobody_has_said_is_empty_as_clients_expect(observatory):
    assert body_of(await observatory.get("/status/tst/enclosure/")) == {}


@pytest.mark.parametrize("path", ["/allopenstatus", "/status/allopenstatus/"])
async def test_the_map_of_all_sites(observatory, path):
    check_done(await post(observatory, WEATHER, "weather"))
    check_done(await post(observatory, MOUNT, path="/status/abc/status"))
    shown = body_of(await observatory.get(path))
    assert 0 <= shown["tst"]["weather"].pop("status_age_s") < 600
    assert 0 <= shown["abc"]["device"].pop("status_age_s") < 600
    assert shown == {"tst": {"weather": {}, "wx_ok": True}, "abc": {"device": {}}}


async def test_a_thousand_sites_are_on_the_map_and_their_names_are_bounded(world, observatory):
    said = {"status": "{}", "server_timestamp_ms": int(time.time() * 1000), "mark": "m"}
    many = [
        {"_id": f"s{number}/{kind}", "site": f"s{number}", "kind": kind, **said}
        for number in range(1000)
        for kind in ("device", "weather", "enclosure")
    ]
    await world.database["site_statuses"].insert_many(many)
    shown = body_of(await observatory.get("/allopenstatus"))
    assert (len(shown), shown["s999"].keys()) == (1000, {"device", "weather", "enclosure"})
    check_done(await post(observatory, MOUNT, path="/status/s999/status"))
    more = [{"_id": f"t{number}/x", "site": f"t{number}", "kind": "x", **said} for number in range(7000)]
    await world.database["site_statuses"].insert_many(more)
    reply = await post(observatory, MOUNT)
    assert (reply.status_code, "as many as are kept" in reply.text) == (403, True)
    check_done(await post(observatory, MOUNT, path="/status/s1/status"))


async def test_numbers_that_are_none_are_null_and_the_others_are_shown(observatory):
    check_done(
        await post(observatory, None, content='{"statusType":"weather","status":{"a":{"b":{"c":NaN,"d":1e999}}}}')
    )
    assert values(body_of(await observatory.get("/status/tst/weather"))["status"]) == {
        "a": {"b": {"c": None, "d": None}}
    }


@pytest.mark.parametrize(
    "content",
    [
        *("", "nonsense", "[]", '{"statusType": "device"}', '{"status": {}}', '{"statusType": 1, "status": {}}'),
        *('{"statusType": "device", "status": []}', '{"statusType": "complete_status", "status": {}}'),
        *('{"statusType": "a.b", "status": {}}', '{"statusType": "device", "status": {"a\\u0000": 1}}'),
        '{"statusType": "device", "status": {"a": ' + "[" * 60 + "]" * 60 + "}}",
        '{"statusType": "device", "status": {"a": 1' + "0" * 30 + "}}",
    ],
)
async def test_what_is_no_status_is_refused_in_words_and_leaves_the_former_one(observatory, content):
    check_done(await post(observatory, MOUNT))
    reply = await post(observatory, None, content=content)
    assert (reply.status_code, bool(reply.text)) == (400, True)
    assert "mount" in body_of(await observatory.get("/status/tst/device"))["status"]


@pytest.mark.parametrize("site", ["a.b", "a%20b", "phase_status", "x" * 65, "%2A"])
async def test_what_cannot_be_a_site_has_no_status(observatory, site):
    reply = await post(observatory, MOUNT, path=f"/status/{site}/status")
    assert (reply.status_code, "called" in reply.text) == (400, True)


async def test_a_status_is_bounded(observatory):
    check_done(await post(observatory, MOUNT))
    many = {"a": {"b": {f"n{number}": 1 for number in range(6_000)}}}
    reply = await post(observatory, many)
    assert (reply.status_code, "too large" in reply.text) == (400, True)
    assert (await post(observatory, {"a": "x" * 300_000})).status_code == 413
    # Names that are never sent again would fill it for ever.
    for turn in range(3):
        check_done(await post(observatory, {"a": {"b": {f"{turn}-{number}": 1 for number in range(2_500)}}}))
    names = body_of(await observatory.get("/status/tst/device"))["status"]["a"]["b"]
    assert (len(names), all(name.startswith("2-") for name in names)) == (2_500, True)


async def test_kinds_are_bounded(observatory):
    for number in range(30):
        check_done(await post(observatory, {}, f"kind-{number}"))
    reply = await post(observatory, {}, "one-more")
    assert (reply.status_code, "30 kinds" in reply.text) == (403, True)
    check_done(await post(observatory, MOUNT, "kind-0"))


async def test_what_is_said_at_once_is_all_kept(observatory):
    """Of many at once one write is made, and nothing is lost."""
    said = [post(observatory, {"a": {"b": {f"n{number}": number}}}) for number in range(60)]
    for reply in await asyncio.gather(*said):
        check_done(reply)
    names = values(body_of(await observatory.get("/status/tst/device"))["status"])["a"]["b"]
    assert names == {f"n{number}": number for number in range(60)}


async def test_two_processes_lose_nothing_of_each_other(world, observatory, environment):
    async with running_world(environment, open_upload_sites=["*"]) as other_world, other_world.client() as other:
        for number in range(0, 24, 4):
            said = [
                post((observatory, other)[number % 2], {"a": {"b": {f"n{number}": number}}})
                for number in range(number, number + 4)
            ]
            for reply in await asyncio.gather(*said):
                check_done(reply)
        for client in (observatory, other):
            names = values(body_of(await client.get("/status/tst/device"))["status"])["a"]["b"]
            assert names == {f"n{number}": number for number in range(24)}


async def test_each_status_is_later_than_the_one_before_it(world, observatory, monkeypatch):
    now = datetime.now(UTC)
    monkeypatch.setattr(world.service(StatusService), "_clock", lambda: now)
    times = []
    for number in range(3):
        check_done(await post(observatory, {"a": {"b": {"n": number}}}))
        shown = body_of(await observatory.get("/status/tst/device"))
        assert values(shown["status"]) == {"a": {"b": {"n": number}}}
        times.append(shown["server_timestamp_ms"])
    assert times == [int(now.timestamp() * 1000) + number for number in range(3)]


async def test_one_of_each_interval_is_kept(observatory):
    check_done(await post(observatory, {"a": {"b": {"n": 1}}}))
    check_done(await post(observatory, {"a": {"b": {"n": 2}}}))
    (kept,) = body_of(await observatory.get("/status/tst/device/history"))
    assert values(kept["status"]) == {"a": {"b": {"n": 1}}}
    later = kept["server_timestamp_ms"] + 1
    assert body_of(await observatory.get(f"/status/tst/device/history?since_ms={later}")) == []
    assert (await observatory.get("/status/tst/device/history?since_ms=x")).status_code == 400


async def test_listeners_of_the_site_hear_the_whole_status_and_not_every_one(world, observatory):
    async with listening(world.url, "tst") as listener, listening(world.url, "mrc") as other:
        for number in range(40):
            check_done(await post(observatory, {"a": {"b": {"n": number, f"x{number % 3}": 1}}}))
        await until(lambda: listener.frames and _newest(listener)["n"] == 39)
        assert len(listener.frames) < 40
        assert _newest(listener) == {"n": 39, "x0": 1, "x1": 1, "x2": 1}
        frame = listener.frames[-1]
        assert (frame.keys(), frame["site"], frame["topic"]) == ({"site", "topic", "data"}, "tst", "sitestatus")
        assert frame["data"] == body_of(await observatory.get("/status/tst/device"))
        await other.choose("tst")

        async def heard_after_the_change():
            check_done(await post(observatory, MOUNT))
            return other.frames

        await until(heard_after_the_change)


def _newest(listener):
    return values(listener.frames[-1]["data"]["status"])["a"]["b"]


async def test_clients_of_the_feed_hear_it_if_they_ask_for_it(world, observatory):
    url = f"{world.url.replace('http', 'ws', 1)}/api/feed"
    headers = {"Authorization": f"Token {ADMIN_TOKEN}"}
    async with (
        connect(url, additional_headers=headers, proxy=None, close_timeout=1) as client,
        asyncio.timeout(PATIENCE_S),
    ):
        await client.recv()
        await client.send('{"action": "subscribe", "sites": ["tst"], "statuses": ["quiet"]}')
        assert json.loads(await client.recv())["statuses"] == ["quiet"]
        check_done(await post(observatory, MOUNT, path="/status/quiet/status"))
        heard = json.loads(await client.recv())
        assert heard.pop("type") == "site_status"
        assert heard == body_of(await observatory.get("/status/quiet/device"))
        await client.send('{"action": "unsubscribe", "statuses": ["quiet"]}')
        unsubscribed = json.loads(await client.recv())
        assert (unsubscribed["type"], unsubscribed["sites"], "statuses" in unsubscribed) == (
            "unsubscribed",
            ["tst"],
            False,
        )
        check_done(await post(observatory, MOUNT, path="/status/quiet/status"))
        await client.send('{"action": "ping"}')
        assert json.loads(await client.recv()) == {"type": "pong"}


async def test_a_site_that_is_not_open_is_left_to_those_who_may(environment):
    async with running_world(environment) as world, world.client() as nobody:
        reply = await post(nobody, MOUNT)
        assert (reply.status_code, "its own software only" in reply.text) == (403, True)
        for name, status in (("tst", 200), ("mrc", 403)):
            await world.add_user(f"of-{name}", ingests=[name])
            async with world.client(f"of-{name}") as client:
                assert (await post(client, MOUNT)).status_code == status


async def test_a_site_that_says_too_much_waits_and_others_do_not(environment):
    settings = {"open_upload_sites": ["*"], "site_status_per_minute": 5}
    async with running_world(environment, **settings) as world, world.client() as client:
        replies = [await post(client, MOUNT, path="/status/busy/status") for _ in range(8)]
        assert (replies[0].status_code, replies[-1].status_code) == (200, 429)
        assert "statuses of site 'busy'" in replies[-1].json()["detail"]
        check_done(await post(client, MOUNT, path="/status/calm/status"))
