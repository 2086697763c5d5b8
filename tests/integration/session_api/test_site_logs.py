"""What sites say in words: taken as they send it, told at once, and read back for a while."""

import json
import time

import httpx
import pytest

from datalab.client.rest import Datalab
from datalab.events.envelope import utc_now
from support.photon_ranch import listening
from support.session_api import ADMIN_TOKEN, body_of, running_world
from support.waiting import until

ADDED, BROADCAST = "Succesfully added new log message.", "Phase status broadcasted to sites successfully."


@pytest.fixture(scope="module")
async def world(module_settings_environment):
    async with running_world(
        module_settings_environment, open_upload_sites=["tst", "abc"], site_log_per_minute=60
    ) as world:
        await world.add_user("ada")
        yield world


@pytest.fixture
async def observatory(world):
    """Nobody in particular; every answer is compared with the OpenAPI document."""
    await world.database["site_messages"].delete_many({})
    async with world.client() as client:
        yield client


async def post(client, path, body):
    """Send it as `requests.post(url, data)` does with a text: no Content-Type."""
    url = httpx.URL(str(client.base_url)).copy_with(raw_path=path.encode())
    content = body if isinstance(body, str) else json.dumps(body)
    request = client.build_request("POST", url, content=content)
    request.headers.pop("Content-Type", None)
    return await client.send(request)


def log(message="Opening the dome", **more):
    return {"site": "tst", "log_message": message, "log_level": "INFO", "timestamp": time.time(), **more}


async def recent(client, site="tst", after=0):
    return body_of(await client.get(f"/logs/recent-logs?after_time={after}&site={site}"))


async def test_a_message_is_read_back_newest_first(observatory):
    now = int(time.time())
    for age, more in ((30, {"log_level": "warning"}), (10, {}), (20, {})):
        reply = await post(observatory, "/logs//newlog/", log(f"{age}\nlines ☂", timestamp=now - age + 0.7, **more))
        assert (reply.status_code, reply.text) == (200, ADDED)
    assert await recent(observatory) == [
        {"message": "10\nlines ☂", "log_level": "INFO", "timestamp": now - 10},
        {"message": "20\nlines ☂", "log_level": "INFO", "timestamp": now - 20},
        {"message": "30\nlines ☂", "log_level": "warning", "timestamp": now - 30},
    ]
    assert len(await recent(observatory, after=now - 20)) == 1
    assert await recent(observatory, "abc") == []


async def test_a_message_sent_again_is_one_and_two_of_a_second_are_two(observatory):
    body = log(timestamp=1_700_000_000)
    for message in (body, body, {**body, "log_message": "other"}):
        assert (await post(observatory, "/logs/newlog", message)).status_code == 200
    assert len(await recent(observatory)) == 2


async def test_what_is_missing_has_a_usual_value(observatory):
    body = {"site": "tst", "log_message": "", "timestamp": "1700000000.5"}
    assert (await post(observatory, "/logs/newlog", body)).status_code == 200
    assert await recent(observatory) == [{"message": "", "log_level": "info", "timestamp": 1_700_000_000}]


@pytest.mark.parametrize(
    "body",
    [
        *("", "nonsense", "[]", '{"site": "tst"}', {"site": "a.b", "log_message": "x", "timestamp": 1}),
        *(log(timestamp=bad) for bad in (None, True, "now", -1, 1e300, [1], "inf", "nan")),
        *(log(**{name: bad}) for name, bad in (("log_level", ""), ("log_level", "x" * 33), ("log_message", None))),
        *(log(message=1), log("x" * 4_001), log("a\0b"), log(site="x" * 65), log(site=["tst"])),
    ],
)
async def test_what_is_no_message_is_refused_in_words(observatory, body):
    reply = await post(observatory, "/logs/newlog", body)
    assert (reply.status_code, bool(reply.text)) == (400, True)
    assert await recent(observatory) == []


@pytest.mark.parametrize("query", ["", "site=tst", "after_time=0", "after_time=x&site=tst", "after_time=0&site=a.b"])
async def test_recent_logs_need_a_site_and_a_moment(observatory, query):
    assert (await observatory.get(f"/logs/recent-logs?{query}")).status_code == 400


async def test_sites_that_are_not_open_are_left_to_those_who_may(world, observatory):
    async with world.client("ada") as ada:
        for client in (observatory, ada):
            for path, body in (
                ("/logs/newlog", log(site="mrc")),
                ("/status/phase_status", {"site": "mrc", "message": "x"}),
            ):
                reply = await post(client, path, body)
                assert (reply.status_code, "its own software only" in reply.text) == (403, True)


@pytest.mark.parametrize("base", ["/status", "", "/api/status"])
async def test_the_latest_three_phases_are_shown_newest_first(observatory, base):
    for number in range(5):
        reply = await post(observatory, f"{base}/phase_status/", {"site": "tst", "message": f"phase {number}"})
        assert (reply.status_code, reply.text) == (200, BROADCAST)
    shown = body_of(await observatory.get(f"{base}/phase_status/tst?max_age_seconds=3600"))
    assert [each["message"] for each in shown] == ["phase 4", "phase 3", "phase 2"]
    assert {tuple(each) for each in shown} == {("site", "timestamp", "message", "ttl")}
    assert all(each["ttl"] - each["timestamp"] == pytest.approx(86_400) for each in shown)
    assert body_of(await observatory.get(f"{base}/phase_status/tst?max_age_seconds=0")) == []
    assert body_of(await observatory.get(f"{base}/phase_status/abc")) == []


@pytest.mark.parametrize("body", ["", "{}", {"site": "tst"}, {"message": "x"}, {"site": "tst", "message": None}])
async def test_what_is_no_phase_is_refused_in_words(observatory, body):
    assert (await post(observatory, "/status/phase_status", body)).status_code == 400


@pytest.mark.parametrize("age", ["x", "nan", "inf", "-1"])
async def test_an_age_is_a_number(observatory, age):
    assert (await observatory.get(f"/status/phase_status/tst?max_age_seconds={age}")).status_code == 400


async def test_what_is_too_old_is_not_shown_though_the_store_still_has_it(world, observatory):
    await post(observatory, "/logs/newlog", log())
    await post(observatory, "/status/phase_status", {"site": "tst", "message": "x"})
    await world.database["site_messages"].update_many({}, {"$set": {"kept_until": utc_now()}})
    assert await recent(observatory) == []
    assert body_of(await observatory.get("/status/phase_status/tst")) == []


async def test_both_are_told_on_the_datastream_and_on_the_feed(world, observatory):
    async with listening(world.url, "tst") as listener, Datalab(world.url, ADMIN_TOKEN).feed() as feed:
        await feed.subscribe(sites=["tst"])
        await post(observatory, "/logs/newlog", log("Opening", log_level="warning", timestamp=1_700_000_000.9))
        await post(observatory, "/status/phase_status", {"site": "tst", "message": "Flats"})
        await until(lambda: len(listener.frames) == 2)
        events = [(await anext(aiter(feed))).event for _ in range(2)]
    said, ahead = sorted(listener.frames, key=lambda frame: frame["topic"], reverse=True)
    data = {"site": "tst", "message": "Opening", "log_level": "warning", "timestamp": "1700000000"}
    assert said == {"site": "tst", "topic": "userstatus", "data": data}
    moment = ahead["data"].pop("timestamp")
    assert ahead == {"site": "tst", "topic": "phase_status", "data": {"site": "tst", "message": "Flats"}}
    assert moment == pytest.approx(time.time(), abs=600)
    assert {event.message for event in events} == {"Opening", "Flats"}


async def test_a_site_that_says_too_much_waits_and_others_do_not(observatory):
    statuses = [(await post(observatory, "/logs/newlog", log(site="abc"))).status_code for _ in range(70)]
    refused = await post(observatory, "/logs/newlog", log(site="abc"))
    assert (statuses[0], refused.status_code, int(refused.headers["Retry-After"]) > 0) == (200, 429, True)
    assert "messages of site 'abc'" in refused.json()["detail"]
    assert (await post(observatory, "/logs/newlog", log())).status_code in {200, 429}
