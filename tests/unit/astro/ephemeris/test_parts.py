"""Crossings, horizons and time scales, each against something known otherwise."""

import socket
import subprocess
import sys
import warnings

import erfa
import numpy as np
import pytest
from astropy.time import Time
from astropy.utils import iers
from hypothesis import given, settings
from hypothesis import strategies as st

from datalab.astro.ephemeris.bodies import Body, Place, altitude_deg
from datalab.astro.ephemeris.crossings import course
from datalab.astro.ephemeris.horizons import Air, dip_deg, refraction_deg
from datalab.astro.ephemeris.time_scales import (
    accuracy_s,
    tai_from_unix,
    tt_from_tai,
    unix_from_tai,
    ut1_from_tai,
)

DAY_S = 86400


def wave(amplitude, mean, phase):
    """Return what goes up and down once a day."""
    return lambda times: mean + amplitude * np.cos(2 * np.pi * (times - phase))


@given(
    amplitude=st.floats(0.5, 90),
    share=st.floats(-0.999, 0.999),
    phase=st.floats(0, 1),
    horizon=st.floats(-18, 0),
)
@settings(max_examples=60, deadline=None)
def test_crossings_are_where_a_wave_has_them(amplitude, share, phase, horizon):
    """Also those of a wave that is beyond a horizon for minutes only."""
    half = np.arccos(share) / (2 * np.pi)
    found = course(wave(amplitude, horizon - amplitude * share, phase), 100.0, 101.0, [horizon]).crossings[0]
    for times, sign in ((found.rises, -1), (found.sets, 1)):
        expected = [phase + sign * half + turn for turn in range(98, 104)]
        inside = [time for time in expected if 100.0 + 1e-6 < time < 101.0 - 1e-6]
        assert [time for time in times if 100.0 + 1e-6 < time < 101.0 - 1e-6] == pytest.approx(inside, abs=2e-7, rel=0)


@pytest.mark.parametrize("phase", [100 + 1 / 200, 100 + 1 / 49, 101 - 1 / 200, 100.5])
@pytest.mark.parametrize("amplitude", [-40, 40])
def test_a_passage_of_minutes_is_seen_also_at_both_ends(phase, amplitude):
    half = 3 / 1440
    horizon = -6 + amplitude * np.cos(2 * np.pi * half)
    crossings = course(wave(amplitude, -6, phase), 100.0, 101.0, [horizon]).crossings[0]
    first, last = (crossings.rises, crossings.sets) if amplitude > 0 else (crossings.sets, crossings.rises)
    assert first == pytest.approx(np.array([phase - half]), abs=1e-7, rel=0)
    assert last == pytest.approx(np.array([phase + half]), abs=1e-7, rel=0)


def test_an_instant_has_no_crossings():
    (found,) = course(wave(40, -6, 0.25), 100.0, 100.0, [-6]).crossings
    assert (found.rises.size, found.sets.size) == (0, 0)


def test_a_course_knows_how_far_it_goes():
    found = course(wave(0.4, -6, 100.5), 100.0, 101.0, [-6.3, -5.0, -7.0])
    assert (found.lowest_deg, found.highest_deg) == (pytest.approx(-6.4), pytest.approx(-5.6))
    assert [(each.rises.size, each.sets.size) for each in found.crossings] == [(1, 1), (0, 0), (0, 0)]


@pytest.mark.parametrize(("height_m", "dip"), [(0, 0), (-100, 0), (2, 0.0454), (2000, 1.4355)])
def test_the_horizon_of_the_sea_is_lower_for_who_is_higher(height_m, dip):
    assert dip_deg(height_m) == pytest.approx(dip, abs=1e-3)


@pytest.mark.parametrize(
    ("altitude", "arcminutes"),
    [(0.0, 34.5), (1.0, 24.4), (5.0, 9.9), (10.0, 5.3), (45.0, 1.0)],  # Allen, Astrophysical Quantities
)
def test_refraction_at_standard_air(altitude, arcminutes):
    assert refraction_deg(altitude, Air(pressure_hpa=1010, temperature_c=10)) * 60 == pytest.approx(arcminutes, abs=0.3)


def test_thin_warm_air_bends_less():
    standard = refraction_deg(0, Air(pressure_hpa=1010, temperature_c=10))
    assert refraction_deg(0, Air(pressure_hpa=505, temperature_c=10)) == pytest.approx(standard / 2)
    assert refraction_deg(0, Air(pressure_hpa=1010, temperature_c=30)) < standard


def test_leap_seconds_are_those_of_erfa():
    table = erfa.leap_seconds.get()
    table = table[table["year"] >= 1972]
    for year, month, tai_utc_s in table.tolist():
        step = Time(f"{year}-{month:02}-01T00:00:00", scale="utc").unix
        after, before = tai_from_unix([step, step - 1.5])
        assert (after - 2440587.5) * DAY_S - step == pytest.approx(tai_utc_s, abs=1e-4)
        assert (before - 2440587.5) * DAY_S - step + 1.5 == pytest.approx(
            tai_utc_s - (year > 1972 or month > 1), abs=1e-4
        )


@given(st.integers(63158400, 4102358400))
@settings(max_examples=50, deadline=None)
def test_there_and_back_again(unix_s):
    assert float(unix_from_tai(tai_from_unix(unix_s))) == pytest.approx(unix_s, abs=1e-4)


@pytest.mark.parametrize("year", [1975, 1999, 2016.9999, 2017.0001, 2024])
def test_universal_time_is_that_of_astropy(year):
    with iers.conf.set_temp("auto_download", value=False), iers.earth_orientation_table.set(iers.IERS_B.open()):
        time = Time(year, format="jyear", scale="utc")
        tai = np.array([time.tai.jd])
        assert (ut1_from_tai(tai)[0] - time.ut1.jd) * DAY_S == pytest.approx(0, abs=1e-3)
        assert (tt_from_tai(tai)[0] - time.tt.jd) * DAY_S == pytest.approx(0, abs=1e-4)


def test_years_ahead_the_last_measurement_holds_and_says_so():
    now, later = tai_from_unix([1577836800, 4102358400])  # 2020; 2099
    assert accuracy_s(float(now)) == 2.0
    assert 30 < accuracy_s(float(later)) < 60
    instants = np.array([later, later + 3650])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.ptp((ut1_from_tai(instants) - instants) * DAY_S) < 1e-4
        assert np.isfinite(altitude_deg(Body.MOON, Place(latitude_deg=0, longitude_deg=0), instants[:1])).all()


def test_nothing_is_asked_of_the_network_even_in_fifty_years():
    """In a process of its own: what astropy has read before must not matter."""
    program = """
import socket
def refuse(*_, **__): raise AssertionError("the network was asked")
socket.socket.connect = socket.getaddrinfo = refuse
import warnings; warnings.simplefilter("error")
from datalab.astro.ephemeris.bodies import Place
from datalab.astro.ephemeris.site_night import noon_before, site_night
from datalab.astro.ephemeris.moon_passages import moon_passages
place = Place(latitude_deg=34, longitude_deg=-119)
night = site_night(place, noon_before(3000000000, 0))
assert len(night.events) == 26, night
assert moon_passages(place, night.start, night.start + 30)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert socket.socket.connect  # ours is untouched
