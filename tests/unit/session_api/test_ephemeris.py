"""What is asked about a site's night, and that it is asked once."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalab.astro.ephemeris.site_night import noon_before
from datalab.errors import NotFoundError, TransientError, UsageError
from datalab.events.ephemeris import AirAtSite, MoonPassages, SiteNight
from session_api.ephemeris.model import MoonQuestion, NightQuestion, night_question
from session_api.ephemeris.service import EphemerisService
from session_api.ephemeris.views import TimeFormat, night_view

MOMENT = datetime(2024, 6, 10, 6, 13, 20, tzinfo=UTC)
#: As the weather stations of Photon Ranch have it.
SITE = {
    "latitude": 31.33,
    "longitude": -100.46,
    "elevation": 640,
    "reference_ambient": 10.0,
    "reference_pressure": 867.25,
    "TZ_database_name": "America/Chicago",
}


def question(configuration=SITE, moment=MOMENT, *, elevation=False, refraction=False):
    return night_question(configuration, moment, with_elevation=elevation, with_refraction=refraction)


# --- configurations ---------------------------------------------------------------------------------------------


def test_a_place_is_read_from_a_configuration():
    asked = question()
    assert (asked.latitude_deg, asked.longitude_deg, asked.height_m, asked.air) == (31.33, -100.46, 0, None)
    assert (asked.utc_offset_s, asked.unix_s) == (-18000, 1718000000)


@pytest.mark.parametrize("written", [lambda number: number, lambda number: [number, 3.0], str, lambda x: [str(x)]])
def test_numbers_are_numbers_texts_or_lists(written):
    changed = {key: written(value) if key != "TZ_database_name" else value for key, value in SITE.items()}
    asked = question(changed, elevation=True, refraction=True)
    assert (asked.latitude_deg, asked.height_m) == (31.33, 640)
    assert asked.air == AirAtSite(pressure_hpa=867.25, temperature_c=10.0)


@pytest.mark.parametrize("key", ["elevation", "reference_ambient", "reference_pressure"])
def test_what_is_not_asked_for_need_not_be_there(key):
    lacking = {**SITE, key: None}
    assert question(lacking) == question()
    with pytest.raises(UsageError, match=f"Not there, or not usable: {key}"):
        question(lacking, elevation=True, refraction=True)


@pytest.mark.parametrize("key", ["latitude", "longitude"])
@pytest.mark.parametrize("value", [None, "", "north", [], {}, True, "nan", "1e999", 10**400, 1000, [[1]], "1\x00"])
def test_what_is_no_place_is_told(key, value):
    with pytest.raises(UsageError, match=rf"^Site config missing required parameters\..* not usable: {key}\.$"):
        question({**SITE, key: value})


def test_everything_that_lacks_is_told_at_once():
    with pytest.raises(UsageError, match=r"not usable: latitude, longitude, TZ_database_name\.$"):
        question({})


@pytest.mark.parametrize(
    "name",
    ["Mars/Olympus", "", "..", "../../etc/passwd", "America", "/etc/localtime", "zone.tab", "x" * 500, "ü", 5, "a\x00"],
)
def test_a_zone_that_is_none_is_told(name):
    with pytest.raises(UsageError, match=r"^Invalid timezone name from site config: '"):
        question({**SITE, "TZ_database_name": name})


@pytest.mark.parametrize(
    ("zone", "moment", "hours"),
    [
        ("America/Los_Angeles", datetime(2020, 6, 1, tzinfo=UTC), -7),
        ("America/Los_Angeles", datetime(2020, 1, 1, tzinfo=UTC), -8),
        ("Australia/Perth", datetime(2020, 1, 1, tzinfo=UTC), 8),
        ("Europe/Berlin", datetime(2024, 3, 31, 0, 59, 59, tzinfo=UTC), 1),
        ("Europe/Berlin", datetime(2024, 3, 31, 1, tzinfo=UTC), 2),
        ("Australia/Lord_Howe", datetime(2024, 1, 1, tzinfo=UTC), 11),
        ("Australia/Lord_Howe", datetime(2024, 7, 1, tzinfo=UTC), 10.5),
    ],
)
def test_the_offset_is_that_of_the_moment(zone, moment, hours):
    assert question({**SITE, "TZ_database_name": zone}, moment).utc_offset_s == hours * 3600


# --- what is the same night -------------------------------------------------------------------------------------


def at(unix_s, offset_s=0.0):
    return NightQuestion(latitude_deg=0, longitude_deg=0, height_m=0, air=None, unix_s=unix_s, utc_offset_s=offset_s)


@given(
    start=st.integers(63158400, 4102358400 - 86400),
    further_s=st.floats(-86400, 86400),
    offset_s=st.sampled_from([-36000, -12600, 0, 19800, 37800, 39600, 50400]),
)
@settings(max_examples=300, deadline=None)
def test_moments_of_one_night_are_one_and_of_two_are_two(start, further_s, offset_s):
    one, other = at(start, offset_s), at(start + further_s, offset_s)
    if one.night == other.night:
        assert noon_before(one.unix_s, offset_s) == noon_before(other.unix_s, offset_s)


def test_moments_of_one_night_are_asked_about_once():
    noon = 1591272000  # 2020-06-04T12:00Z
    assert at(noon).night == at(noon + 40_000.5).night == at(noon + 86_300).night
    assert len({at(noon - 10).night, at(noon).night, at(noon + 86_400).night}) == 3


# --- asked once -------------------------------------------------------------------------------------------------

NIGHT = SiteNight.model_validate(
    {
        "start": {"tai_jd": 2460471.0, "unix_s": 1717934363.0},
        "stop": {"tai_jd": 2460472.0, "unix_s": 1718020763.0},
        "events": {"Sun Set": {"tai_jd": 2460471.57170694, "unix_s": 1717983758.48}},
        "missing": {"Astro Dark": "The Sun stays higher than 18 degrees below the horizon."},
        "accuracy_s": 2.0,
    }
)


class Sites:
    def __init__(self, **configurations):
        self.configurations = configurations

    async def configuration(self, site):
        try:
            return self.configurations[site]
        except KeyError:
            raise NotFoundError("none") from None


class Runners:
    """Answers when it is let, counts, and fails as often as it is told to."""

    def __init__(self):
        self.asked = []
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.failures = 0

    async def night(self, question, correlation_id):
        self.asked.append((question, correlation_id))
        await self.goes_on.wait()
        if self.failures:
            self.failures -= 1
            raise TransientError("no runner is there")
        return NIGHT

    async def moon_passages(self, question, correlation_id):
        self.asked.append((question, correlation_id))
        return MoonPassages(passages=(), accuracy_s=2.0)


@pytest.fixture
def runners():
    return Runners()


@pytest.fixture
def sites():
    return Sites(
        mrc=SITE, mrc2={"wema_name": "mrc", "latitude": 35.0}, lost={"wema_name": "gone"}, odd={"wema_name": 5}
    )


@pytest.fixture
def ephemeris(sites, runners):
    return EphemerisService(sites=sites, runners=runners)


_requests = count()


def night(ephemeris, site="mrc", moment=MOMENT, **options):
    return ephemeris.night(site, moment, correlation_id=f"request-{next(_requests)}", **options)


async def test_a_night_is_asked_for_once(ephemeris, runners):
    for hours in range(0, 10, 3):
        assert await night(ephemeris, moment=MOMENT + timedelta(hours=hours)) is NIGHT
    assert len(runners.asked) == 1
    await night(ephemeris, moment=MOMENT + timedelta(days=1))
    await night(ephemeris, with_elevation=True)
    await night(ephemeris, with_refraction=True)
    assert len(runners.asked) == 4


async def test_who_asks_meanwhile_waits_for_the_same_answer(ephemeris, runners):
    runners.goes_on.clear()
    asking = [asyncio.create_task(night(ephemeris)) for _ in range(100)]
    for _ in range(5):
        await asyncio.sleep(0)
    asking[0].cancel()  # the one that asked goes: the others have their answer all the same
    await asyncio.sleep(0)
    runners.goes_on.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [NIGHT] * 99
    assert len(runners.asked) == 1


async def test_a_failure_is_not_kept(ephemeris, runners):
    runners.failures = 1
    with pytest.raises(TransientError):
        await night(ephemeris)
    assert await night(ephemeris) is NIGHT


async def test_a_configuration_that_changes_asks_anew(ephemeris, runners, sites):
    await night(ephemeris)
    sites.configurations["mrc"] = {**SITE, "name": "another"}
    await night(ephemeris)
    assert len(runners.asked) == 1
    sites.configurations["mrc"] = {**SITE, "latitude": 31.34}
    await night(ephemeris)
    assert [asked.latitude_deg for asked, _ in runners.asked] == [31.33, 31.34]


async def test_no_more_is_kept_than_there_is_room_for(ephemeris, runners):
    for day in range(600):
        await night(ephemeris, moment=MOMENT + timedelta(days=day))
    await night(ephemeris, moment=MOMENT + timedelta(days=599))
    assert len(runners.asked) == 600
    await night(ephemeris)
    assert len(runners.asked) == 601


async def test_an_observatory_is_where_its_weather_station_is(ephemeris, runners):
    await night(ephemeris, "mrc2")
    ((asked, _),) = runners.asked
    assert (asked.latitude_deg, asked.longitude_deg, asked.utc_offset_s) == (35.0, -100.46, -18000)


@pytest.mark.parametrize("site", ["lost", "odd"])
async def test_a_weather_station_that_is_none_helps_nobody(ephemeris, site):
    with pytest.raises(UsageError, match="Site config missing required parameters"):
        await night(ephemeris, site)


async def test_a_site_without_a_configuration(ephemeris):
    with pytest.raises(NotFoundError, match=r"^The specified sitecode did not match any config file\.$"):
        await night(ephemeris, "nowhere")


async def test_passages_of_the_moon_are_asked_for_once(ephemeris, runners):
    asked = MoonQuestion(latitude_deg=34, longitude_deg=-119, start_s=1.6e9, stop_s=1.6e9 + 86400)
    for _ in range(3):
        await ephemeris.moon_passages(asked, correlation_id="c")
    assert len(runners.asked) == 1


@pytest.mark.parametrize(
    ("start_s", "stop_s", "said"),
    [(0, 1e9, "from 1972"), (1e9, 5e9, "2099"), (1e9, 1e9 + 401 * 86400, "at most 400 days")],
)
def test_what_is_too_much_of_the_moon(start_s, stop_s, said):
    with pytest.raises(UsageError, match=said):
        MoonQuestion(latitude_deg=0, longitude_deg=0, start_s=start_s, stop_s=stop_s)


# --- what is shown ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        (TimeFormat.JD_TAI, 2460471.57170694),
        (TimeFormat.JD_UTC, pytest.approx(2460471.57170694 - 37 / 86400, abs=1e-7, rel=0)),
        (TimeFormat.ISO, "2024-06-10T01:42:38Z"),
    ],
)
def test_instants_are_written_as_asked_for(form, shown):
    view = night_view(NIGHT, form)
    assert view == {"Sun Set": shown, "Astro Dark": None, "reasons": NIGHT.missing}
    assert list(view) == ["Sun Set", "Astro Dark", "reasons"]
