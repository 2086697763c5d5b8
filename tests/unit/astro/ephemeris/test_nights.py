"""Nights, against tables of the first service's algorithm and against skyfield with DE 421."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from datalab.astro.ephemeris.bodies import Place
from datalab.astro.ephemeris.horizons import Air
from datalab.astro.ephemeris.site_night import noon_before, site_night
from datalab.astro.ephemeris.time_scales import tai_from_unix
from support.skies import DAY_S, NIGHTS, TOLERANCE_S, altitudes_deg, random_skies

#: How deep the Sun, in degrees, or the Moon is at an event.
SUN_DEPTHS = {
    "Sun Set": 0.25,
    "Civil Dusk": 6,
    "End Eve Sky Flats": 11.75,
    "Naut Dusk": 12,
    "Astro Dark": 18,
    "End Astro Dark": 18,
    "Naut Dawn": 12,
    "Morn Sky Flats": 11.75,
    "Civil Dawn": 6,
    "End Morn Sky Flats": 1.5,
    "Sunrise": 0.25,
}
#: What the theories of both allow.
TOLERANCES_S = {"sun": 0.2, "moon": TOLERANCE_S}
MOON_DEPTHS = {"Moon Rise": 34 / 60, "Moon Set": 34 / 60}
#: Events follow each other in this order, whatever the season.
ORDER = [name for name in NIGHTS[0]["events"] if not name.startswith("Moon")]


def offset_s(zone, unix_s):
    return datetime.fromtimestamp(unix_s, ZoneInfo(zone)).utcoffset().total_seconds()


def night_of(latitude, longitude, zone, unix_s, **options):
    place = Place(latitude_deg=latitude, longitude_deg=longitude, height_m=options.pop("height_m", 0.0))
    return site_night(place, noon_before(unix_s, offset_s(zone, unix_s)), **options)


@pytest.mark.parametrize("golden", NIGHTS, ids=lambda golden: golden["name"])
def test_nights_of_the_first_service(golden):
    night = night_of(golden["latitude"], golden["longitude"], golden["TZ_database_name"], golden["when"])
    assert night.start == pytest.approx(golden["start"], abs=1e-8, rel=0)
    assert night.missing == {}
    assert night.events.keys() == golden["events"].keys()
    for name, expected in golden["events"].items():
        assert abs(night.events[name] - expected) * DAY_S < TOLERANCE_S, name
    assert list(night.events) == sorted(golden["events"], key=golden["events"].get)
    assert [name for name in night.events if not name.startswith("Moon")] == ORDER


def test_the_moon_five_years_later():
    night = night_of(34, -119, "America/Los_Angeles", 1764619260)
    assert night.start == pytest.approx(2461011.33333333, abs=1e-8, rel=0)
    assert night.events["Moon Rise"] == pytest.approx(2461011.42511449, abs=TOLERANCE_S / DAY_S, rel=0)
    assert night.events["Moon Set"] == pytest.approx(2461012.00205170, abs=TOLERANCE_S / DAY_S, rel=0)


@pytest.mark.parametrize(
    ("zone", "when", "noon"),
    [
        ("Australia/Perth", 1591329540, 2459004.66666667),  # a minute before noon
        ("Australia/Perth", 1591329600, 2459005.66666667),
        ("Australia/Perth", 1591329600 - 37, 2459005.66666667),  # noon is noon in TAI
        ("Australia/Perth", 1591329600 - 38, 2459004.66666667),
        ("America/Los_Angeles", 1596308460, 2459063.29166667),
        ("America/Los_Angeles", 1710064800 - 1, 2460379.33333333),  # the last second of winter time
        ("America/Los_Angeles", 1710064800 + 1, 2460379.29166667),
    ],
)
def test_a_night_begins_at_noon_of_the_clocks(zone, when, noon):
    assert noon_before(when, offset_s(zone, when)) == pytest.approx(noon, abs=1e-8, rel=0)


@pytest.mark.parametrize("sky", random_skies(50), ids=lambda sky: f"{sky.zone}-{sky.latitude_deg:.0f}")
def test_as_skyfield_has_it(sky):
    place = sky.latitude_deg, sky.longitude_deg
    night = night_of(*place, sky.zone, sky.unix_s)
    for body, depths in (("sun", SUN_DEPTHS), ("moon", MOON_DEPTHS)):
        names = [name for name in depths if name in night.events]
        times = np.array([night.events[name] for name in names])
        late_s = _late_s(body, place, times, np.array([depths[name] for name in names]))
        late = dict(zip(names, late_s.round(2), strict=True))
        assert late == pytest.approx(dict.fromkeys(names, 0), abs=TOLERANCES_S[body])
        # What is not told of does not happen: skyfield's body does not pass the horizon unnoticed.
        looks = altitudes_deg(body, *place, np.linspace(night.start, night.stop, 145))
        for name in depths.keys() - night.events.keys():
            assert _direction(name) not in np.diff((looks > -depths[name]).astype(int)), name


def _late_s(body, place, times, depths):
    """Return by how much each time is later than skyfield's, as the body moves there."""
    step = 10 / DAY_S
    at, before, after = altitudes_deg(body, *place, np.concatenate([times, times - step, times + step])).reshape(3, -1)
    return (at + depths) / ((after - before) / 20)


def _direction(name):
    return -1 if name in {"Sun Set", "Civil Dusk", "End Eve Sky Flats", "Naut Dusk", "Astro Dark", "Moon Set"} else 1


@pytest.mark.parametrize(
    ("latitude", "when", "missing", "reason"),
    [
        (57, 1718884800, {"Naut Dusk", "Naut Dawn", "Observing Begins", "Astro Dark"}, "stays higher than 12 degrees"),
        (65, 1718884800, {"Civil Dusk", "Civil Dawn"}, "stays higher than 6 degrees"),
        (
            69.65,
            1718884800,
            {"Sun Set", "Sunrise", "Middle of Night"},
            "stays higher than 0.25 degrees",
        ),
        (69.65, 1703160000, {"Sun Set", "Sunrise", "Middle of Night"}, "stays lower than 0.25 degrees"),
        (-89, 1718884800, {"Astro Dark", "End Astro Dark", "Sun Set"}, "stays lower than 18 degrees"),
    ],
)
def test_what_does_not_happen_is_told_with_the_reason(latitude, when, missing, reason):
    night = night_of(latitude, 18.9, "Europe/Oslo", when)
    assert missing <= night.missing.keys()
    assert any(reason in night.missing[name] for name in missing)
    assert night.missing.keys() | night.events.keys() >= set(ORDER)
    assert not night.missing.keys() & night.events.keys()
    assert list(night.events.values()) == sorted(night.events.values())


@pytest.mark.parametrize("latitude", [-90, 90])
@pytest.mark.parametrize("when", [63158400, 1710892800, 4102358400])  # the first, an equinox, the last
def test_at_the_poles_and_at_both_ends_of_time(latitude, when):
    night = night_of(latitude, 0, "UTC", when)
    assert night.missing.keys() | night.events.keys() >= set(ORDER)


def test_a_sun_that_only_sets_is_told_so():
    """At the pole there is one sunset a year."""
    nights = [night_of(90, 0, "UTC", 1726920000 + day * DAY_S) for day in range(8)]  # from 2024-09-21 on
    (evening,) = [night for night in nights if "Sun Set" in night.events]
    said = "The Sun does not rise to 0.25 degrees below the horizon between this noon and the next."
    assert {evening.missing[name] for name in ("Sunrise", "Middle of Night")} == {said}


def test_the_sunrise_of_a_night_is_the_one_after_its_sunset():
    """At the end of a polar night the Sun may rise at noon, set, and rise again before the next."""
    night = site_night(Place(latitude_deg=68, longitude_deg=-10), 2460321.0)
    assert night.events["Sun Set"] == pytest.approx(2460321.0663, abs=1e-3, rel=0)
    assert night.events["Sunrise"] == pytest.approx(2460321.9958, abs=1e-3, rel=0)
    assert night.events["Middle of Night"] == pytest.approx(2460321.5311, abs=1e-3, rel=0)


def test_a_high_horizon_makes_the_day_longer():
    ground = night_of(34, -119, "America/Los_Angeles", 1596308460)
    above = night_of(34, -119, "America/Los_Angeles", 1596308460, height_m=2000.0)
    # 1.434 degrees for 2000 m, at some 0.2 degrees a minute.
    for name, minutes in (("Sun Set", 7.3), ("Sunrise", -7.3), ("Moon Rise", -7.7), ("Moon Set", 8.0)):
        assert (above.events[name] - ground.events[name]) * 1440 == pytest.approx(minutes, abs=1.0), name
    for name in ("Civil Dusk", "Astro Dark", "Naut Dawn"):
        assert above.events[name] == pytest.approx(ground.events[name], abs=0.05 / DAY_S, rel=0)


def test_air_lifts_the_sun_and_replaces_the_refraction_of_the_moon():
    plain = night_of(34, -119, "America/Los_Angeles", 1596308460)
    air = Air(pressure_hpa=1010.0, temperature_c=10.0)
    lifted = night_of(34, -119, "America/Los_Angeles", 1596308460, air=air)
    assert (lifted.events["Sun Set"] - plain.events["Sun Set"]) * 1440 == pytest.approx(3.2, abs=0.3)
    assert abs(lifted.events["Moon Set"] - plain.events["Moon Set"]) * DAY_S < 5  # 34.5 arcmin instead of 34
    none = night_of(34, -119, "America/Los_Angeles", 1596308460, air=Air(pressure_hpa=0.0, temperature_c=10.0))
    assert none.events["Sun Set"] == pytest.approx(plain.events["Sun Set"], abs=1e-8, rel=0)
    assert none.events["Moon Set"] < plain.events["Moon Set"]


def test_noon_in_tai_is_a_whole_number():
    assert noon_before(0, 0) == 2440587.0
    assert float(tai_from_unix(1591329600)) == pytest.approx(2459005.66666667 + 37 / DAY_S, abs=1e-8, rel=0)
