"""The Sun and the Moon over sites, as clients of Photon Ranch ask for them; a runner computes."""

import asyncio
import itertools
from datetime import UTC, datetime

import pytest

from datalab.events.analysis import AnalysisAnswered
from datalab.events.ephemeris import MoonPassagesRequested
from datalab.events.operations import FailureKind
from session_api.ephemeris.http import ACCURACY_HEADER
from session_api.ephemeris.service import EphemerisService
from support.runner_service import runner_here
from support.session_api import body_of, running_world
from support.skies import DAY_S, NIGHTS, TOLERANCE_S

MOON = "/events/moon/rise-set-illum"
FORMAT = "Error with format of start/end times. Format should be like: '2020-12-31T01:00:00Z. "
WEEK = {"lat": 34, "lng": -119, "start": "2022-07-01T00:00:00Z", "end": "2022-07-08T00:00:00Z"}
_sites = itertools.count()


@pytest.fixture(scope="module")
async def world(module_settings_environment):
    async with running_world(module_settings_environment, open_upload_sites=["*"]) as world:
        yield world


@pytest.fixture(scope="module")
async def client(world):
    async with world.client() as client:
        yield client


@pytest.fixture(scope="module")
async def runner(world, tmp_path_factory):
    async with runner_here(tmp_path_factory.mktemp("runner") / "scratch") as app:
        yield app


async def site_with(client, **configuration):
    """Store the configuration of a new site; return its code."""
    site = f"tst{next(_sites)}"
    reply = await client.put(f"/api/{site}/config/", json=configuration)
    assert reply.status_code == 200, reply.text
    return site


def place_of(golden, **changes):
    keys = ("latitude", "longitude", "TZ_database_name")
    return {**{key: golden[key] for key in keys}, "elevation": 640, **changes}


async def events(client, site, **query):
    reply = await client.get("/events", params={"site": site, **query})
    assert reply.status_code == 200, reply.text
    return reply.json()


# --- nobody there yet: before `runner` is asked for -------------------------------------------------------------


async def test_without_a_runner_it_may_work_later(world, client):
    site = await site_with(client, **place_of(NIGHTS[0]))
    for reply in (await client.get(f"/events?site={site}"), await client.get(MOON, params=WEEK)):
        assert reply.status_code == 503
        assert "no runner is there to look for the Sun and the Moon" in reply.json()["detail"]


# --- nights -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("golden", NIGHTS, ids=lambda golden: golden["name"])
async def test_the_nights_of_the_first_service(client, runner, golden):
    site = await site_with(client, **place_of(golden, reference_ambient=[10.0], reference_pressure=867.25))
    for path in ("/events", "/api/events/", "/dev//events"):
        reply = await client.get(path, params={"site": site, "when": golden["when"]})
        told = body_of(reply)
        assert told.keys() == golden["events"].keys()
        assert list(told.values()) == sorted(told.values())
        for name, expected in golden["events"].items():
            assert abs(told[name] - expected) * DAY_S < TOLERANCE_S, name
        assert float(reply.headers[ACCURACY_HEADER]) == 2.0


async def test_an_observatory_is_where_its_weather_station_is(client, runner):
    wema = await site_with(client, **place_of(NIGHTS[2]))
    site = await site_with(client, wema_name=wema, instance_type="obs")
    when = NIGHTS[2]["when"]
    assert await events(client, site, when=when) == await events(client, wema, when=when)


async def test_now_is_where_nothing_else_is_said(client, runner):
    site = await site_with(client, **place_of(NIGHTS[0]))
    assert "Sun Set" in await events(client, site)


async def test_instants_are_written_as_asked_for(client, runner):
    site = await site_with(client, **place_of(NIGHTS[0]))
    when = NIGHTS[0]["when"]
    tai, utc, iso = [await events(client, site, when=when, format=form) for form in ("jd_tai", "jd_utc", "iso")]
    assert tai == await events(client, site, when=when)
    assert list(tai) == list(utc) == list(iso)
    for name, instant in tai.items():
        assert (instant - utc[name]) * DAY_S == pytest.approx(37, abs=1e-3)
    assert iso["Sun Set"][:-1] in {f"2020-08-02T02:53:{second:02}" for second in range(8, 13)}


async def test_at_high_latitudes_what_does_not_happen_is_told_in_words(client, runner):
    site = await site_with(client, latitude=65, longitude=25, TZ_database_name="Europe/Helsinki")
    told = await events(client, site, when=1718884800)
    reasons = told.pop("reasons")
    assert {name for name, instant in told.items() if instant is None} == set(reasons)
    assert reasons["Astro Dark"] == "The Sun stays higher than 18 degrees below the horizon."
    assert told["Sun Set"] < told["Sunrise"]
    assert told.keys() >= {name for name in NIGHTS[0]["events"] if not name.startswith("Moon")}


async def test_the_horizon_of_a_mountain_is_asked_for(client, runner):
    site = await site_with(client, **place_of(NIGHTS[0], elevation=2000, reference_ambient=5, reference_pressure=[800]))
    when = NIGHTS[0]["when"]
    plain = await events(client, site, when=when)
    for option in ({"elevation": True}, {"refraction": True}):
        other = await events(client, site, when=when, **option)
        assert other["Sun Set"] > plain["Sun Set"]
        assert other["Astro Dark"] == pytest.approx(plain["Astro Dark"], abs=0.1 / DAY_S, rel=0)


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ({}, 400, "Missing 'site' query string request parameter."),
        ({"when": 1718000000}, 400, "Missing 'site' query string request parameter."),
        ({"site": ""}, 400, "Missing 'site' query string request parameter."),
        ({"site": "nowhere"}, 404, "The specified sitecode did not match any config file."),
        ({"site": "x" * 1000}, 400, "site: Ensure this field has no more than 256 characters."),
        ({"site": "a\x00b"}, 400, "site: This has to be a text without null characters."),
        ({"site": "tst0", "when": "yesterday"}, 400, "when: "),
        ({"site": "tst0", "when": ""}, 400, "when: "),
        ({"site": "tst0", "when": "nan"}, 400, "when: "),
        ({"site": "tst0", "when": "inf"}, 400, "when: "),
        ({"site": "tst0", "when": "-1e300"}, 400, "when: "),
        ({"site": "tst0", "when": "1718000000000"}, 400, "when: "),  # milliseconds
        ({"site": "tst0", "format": "julian"}, 400, "format: "),
        ({"site": "tst0", "elevation": "high"}, 400, "elevation: "),
    ],
)
async def test_what_is_wrong_is_told(client, query, status, said):
    reply = await client.get("/events", params=query)
    assert reply.status_code == status
    assert reply.json()["error"].startswith(said)


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ({}, "Site config missing required parameters."),
        ({"latitude": 1, "longitude": 1}, "Site config missing required parameters."),
        ({"latitude": "N", "longitude": 1, "TZ_database_name": "UTC"}, "Site config missing required parameters."),
        ({"latitude": 1, "longitude": 1, "TZ_database_name": "Mars"}, "Invalid timezone name from site config: 'Mars'"),
    ],
)
async def test_a_configuration_that_does_not_say_where_it_is(client, configuration, said):
    reply = await client.get("/events", params={"site": await site_with(client, **configuration)})
    assert reply.status_code == 400
    assert reply.json()["error"].startswith(said)


# --- the Moon ---------------------------------------------------------------------------------------------------


async def test_a_week_of_the_moon(client, runner):
    told = body_of(await client.get(f"/api{MOON}/", params=WEEK))
    assert len(told) == 6
    assert list(told[0]) == ["illumination", "rise", "set", "transit"]
    assert told[0]["rise"] in {f"2022-07-01T14:55:{second:02}Z" for second in range(8, 13)}
    assert told[0]["illumination"] == pytest.approx(0.07165, abs=1e-4)
    julian = body_of(await client.get(MOON, params={**WEEK, "format": "jd_tai"}))
    assert julian[0]["rise"] == pytest.approx(2459762.1223, abs=1e-3)


async def test_an_hour_without_the_moon(client, runner):
    hour = {**WEEK, "start": "2020-10-01T01:00:00Z", "end": "2020-10-01T02:00:00Z"}
    assert body_of(await client.get(MOON, params=hour)) == []


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"start": "2022-07-01"}, 404, FORMAT),
        ({"end": "2022-07-08T00:00:00"}, 404, FORMAT),
        ({"end": "2022-07-08T00:00:00+00:00"}, 404, FORMAT),
        ({"start": "2022-07-32T00:00:00Z"}, 404, FORMAT),
        ({"start": "2022-07-09T00:00:00Z"}, 404, FORMAT),  # after the end
        ({"start": ""}, 404, FORMAT),
        ({"start": "1066-10-14T00:00:00Z"}, 400, "start and end have to be from 1972-01-02 to 2099-12-30."),
        ({"end": "2024-07-08T00:00:00Z"}, 400, "From start to end there are at most 400 days."),
        ({"lat": "north"}, 400, "lat: "),
        ({"lat": 91}, 400, "lat: "),
        ({"lng": "nan"}, 400, "lng: "),
        ({"lat": None}, 400, "lat: This field is required."),
        ({"end": None}, 400, "end: This field is required."),
    ],
)
async def test_what_is_wrong_about_the_moon_is_told_as_bare_text(client, changes, status, said):
    query = {key: value for key, value in {**WEEK, **changes}.items() if value is not None}
    reply = await client.get(MOON, params=query)
    assert reply.status_code == status
    assert reply.text.startswith(said)


# --- kept, and computed once ------------------------------------------------------------------------------------


async def test_one_question_however_many_ask(world, client, runner, monkeypatch):
    site = await site_with(client, **place_of(NIGHTS[1]))
    asked = []
    ask = world.core.bus.ask

    async def counted(event, **options):
        asked.append(event.type)
        return await ask(event, **options)

    monkeypatch.setattr(world.core.bus, "ask", counted)
    answers = await asyncio.gather(*(events(client, site, when=1600000000 + second) for second in range(30)))
    assert all(answer == answers[0] for answer in answers)
    assert asked == ["site-night.requested.v1"]
    await client.put(f"/{site}/config", json=place_of(NIGHTS[1], name="renamed"))
    assert await events(client, site, when=1600000000) == answers[0]
    assert len(asked) == 1
    await client.put(f"/{site}/config", json=place_of(NIGHTS[1], latitude=-33.9))
    assert await events(client, site, when=1600000000) != answers[0]
    assert len(asked) == 2


async def test_a_runner_refuses_what_the_api_lets_nobody_ask(world, runner):
    question = MoonPassagesRequested(
        latitude_deg=0, longitude_deg=0, start_s=1e9, stop_s=2e9, answer_within_s=5.0, correlation_id="c"
    )
    head = AnalysisAnswered.decode((await world.bus.ask(question, within_s=30, max_bytes=10_000)).head)
    assert (head.failure, head.message[:17]) == (FailureKind.USAGE, "The Moon is told ")


async def test_other_rooms_have_the_sunset_of_a_site(world, client, runner):
    """What reports on a night ask for."""
    site = await site_with(client, **place_of(NIGHTS[0]))
    moment = datetime.fromtimestamp(NIGHTS[0]["when"], UTC)
    night = await world.service(EphemerisService).night(site, moment, correlation_id="report")
    assert night.events["Sun Set"].unix_s == pytest.approx(1596336790, abs=TOLERANCE_S)
