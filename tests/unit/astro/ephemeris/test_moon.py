"""The Moon's passages, against the first service's and against skyfield with DE 421."""

from itertools import pairwise

import numpy as np
import pytest

from datalab.astro.ephemeris.bodies import Place
from datalab.astro.ephemeris.moon_passages import moon_passages
from datalab.astro.ephemeris.time_scales import tai_from_unix, unix_from_tai
from support.skies import DAY_S, TOLERANCE_S, altitudes_deg, elongations_deg, hour_angles_h, random_skies

PLACE = Place(latitude_deg=34, longitude_deg=-119)
JULY_2022 = 1656633600  # 2022-07-01T00:00:00Z


def passages(start_s, days, place=PLACE):
    start, stop = tai_from_unix([start_s, start_s + days * DAY_S])
    return moon_passages(place, float(start), float(stop))


def unix(tai):
    return pytest.approx(float(unix_from_tai(tai)), abs=TOLERANCE_S, rel=0)


def test_a_week_of_the_first_service():
    found = passages(JULY_2022, 7)
    assert len(found) == 6
    first, last = found[0], found[-1]
    assert (unix(first.rise), unix(first.transit), unix(first.set)) == (1656687310, 1656713695, 1656739682)
    assert (unix(last.rise), unix(last.transit), unix(last.set)) == (1657137019, 1657158908, 1657180306)
    assert first.illumination == pytest.approx(0.07165, abs=5e-5)
    assert last.illumination == pytest.approx(0.49855, abs=5e-5)


def test_a_night_near_full_moon():
    (found,) = passages(1601604000, 13 / 24)  # 2020-10-02T02:00Z..15:00Z
    assert (unix(found.rise), unix(found.transit), unix(found.set)) == (1601604126, 1601626268, 1601648836)
    assert found.illumination == pytest.approx(0.9964136768, abs=2e-5)


def test_an_hour_without_a_whole_passage():
    assert passages(1601514000, 1 / 24) == []


def test_a_set_at_the_beginning_and_a_rise_at_the_end_are_left_out():
    whole = passages(JULY_2022, 7)
    within = passages(float(unix_from_tai(whole[1].rise)) + 60, 3)
    assert [unix(each.rise) for each in within] == [unix_from_tai(each.rise) for each in whole[2:4]]


def test_an_instant_has_no_passages():
    assert passages(JULY_2022, 0) == []


@pytest.mark.parametrize("sky", random_skies(50)[::5], ids=lambda sky: f"{sky.latitude_deg:.0f}-{sky.unix_s:.0f}")
def test_as_skyfield_has_it(sky):
    place = sky.latitude_deg, sky.longitude_deg
    found = passages(sky.unix_s, 30, Place(latitude_deg=place[0], longitude_deg=place[1]))
    assert 28 <= len(found) <= 30
    for name, sign in (("rise", 1), ("set", -1)):
        times = np.array([getattr(each, name) for each in found])
        step = 10 / DAY_S
        looks = altitudes_deg("moon", *place, np.concatenate([times, times - step, times + step]))
        at, before, after = looks.reshape(3, -1)
        rates = (after - before) / 20
        assert (np.sign(rates) == sign).all()
        assert np.abs((at + 34 / 60) / rates).max() < TOLERANCE_S
    transits = np.array([each.transit for each in found])
    assert np.abs(hour_angles_h("moon", *place, transits)).max() * 3600 < TOLERANCE_S
    lit = (1 - np.cos(np.radians(elongations_deg(transits)))) / 2
    assert np.abs(lit - [each.illumination for each in found]).max() < 1e-4
    assert all(each.rise < each.transit < each.set for each in found)


def test_months_above_the_polar_circle():
    found = passages(JULY_2022, 200, Place(latitude_deg=75, longitude_deg=20))
    assert found
    for each, following in pairwise(found):
        assert each.rise < each.set < following.rise
        assert each.rise < each.transit < each.rise + 1.1
    assert max(each.set - each.rise for each in found) > 5  # days above the horizon


def test_transits_are_found_exactly_however_the_moon_runs():
    found = passages(JULY_2022, 400)
    transits = np.array([each.transit for each in found])
    assert np.abs(hour_angles_h("moon", 34, -119, transits)).max() * 3600 < TOLERANCE_S
