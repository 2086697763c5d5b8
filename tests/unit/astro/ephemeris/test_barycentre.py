"""Barycentric times, against astropy with its own tables."""

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import EarthLocation, SkyCoord
from astropy.time import Time

from datalab.astro.ephemeris.barycentre import barycentric_jd

#: Tenths of a microsecond are lost to a Julian date in one float.
TOLERANCE_DAYS = 2e-3 / 86400
#: What light takes from the centre of the Earth to the ground.
GROUND_DAYS = 0.022 / 86400


@pytest.mark.parametrize(("ra", "dec"), [(83.82, -5.39), (0.0, 90.0), (250.4, 36.46), (359.99, -66.56)])
def test_as_astropy_has_it_all_year(ra, dec):
    utc = 2459000.25 + np.arange(0.0, 2200.0, 37.3)
    place = EarthLocation.from_geocentric(0, 0, 0, unit="m")
    times = Time(utc, format="jd", scale="utc", location=place)
    truth = (times.tdb + times.light_travel_time(SkyCoord(ra, dec, unit="deg"), ephemeris="builtin")).jd
    assert barycentric_jd(utc, ra, dec) == pytest.approx(truth, abs=TOLERANCE_DAYS, rel=0)


def test_from_the_ground_it_is_right_to_what_is_promised():
    place = EarthLocation(lon=-70.8 * units.deg, lat=-30.2 * units.deg, height=2200 * units.m)
    utc = 2459000.0 + np.linspace(0.0, 1.0, 25)
    times = Time(utc, format="jd", scale="utc", location=place)
    truth = (times.tdb + times.light_travel_time(SkyCoord(83.82, -5.39, unit="deg"), ephemeris="builtin")).jd
    assert barycentric_jd(utc, 83.82, -5.39) == pytest.approx(truth, abs=GROUND_DAYS, rel=0)


def test_one_moment_has_one_time_and_unknown_ones_have_none():
    assert np.shape(barycentric_jd(2459000.25, 10.0, 20.0)) == ()
    assert np.isnan(barycentric_jd([np.nan, 2459000.25], 10.0, 20.0)).tolist() == [True, False]
    assert np.isnan(barycentric_jd([1.0, 5373484.5, 2459000.25], 10.0, 20.0)).tolist() == [True, True, False]
