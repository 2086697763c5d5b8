import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalab.astro.sky.cross_match import separations_arcsec
from datalab.astro.sky.gaia_query import COLUMNS, MAX_STARS, RegionError, adql, region_name, shared_region
from datalab.astro.sky.region import SkyRegion


def circle(ra_deg, dec_deg, radius_deg):
    return SkyRegion(ra_deg=ra_deg, dec_deg=dec_deg, radius_deg=radius_deg)


@given(
    ra=st.floats(-360, 360),
    dec=st.floats(-90, 90),
    radius=st.floats(1e-6, 2.0),
    angle=st.floats(0, 2 * np.pi),
)
def test_the_circle_asked_for_contains_the_one_wanted(ra, dec, radius, angle):
    asked = shared_region(circle(ra, dec, radius))
    assert 0 <= asked.ra_deg < 360
    assert radius < asked.radius_deg < radius + 0.0011
    assert separations_arcsec([ra], [dec], asked.ra_deg, asked.dec_deg)[0] / 3600 <= asked.radius_deg - radius + 1e-9


def test_nearly_equal_circles_are_one_query():
    first = shared_region(circle(202.46999, 47.19998, 0.25))
    second = shared_region(circle(202.47002 - 360, 47.20003, 0.2502))
    assert first == second == circle(202.47, 47.2, 0.251)
    assert adql(first) == adql(second)


@pytest.mark.parametrize(
    ("region", "name"),
    [
        (circle(202.47, 47.2, 0.251), "202.4700+47.2000-0.251"),
        (shared_region(circle(359.99999, -0.00001, 0.1)), "0.0000+0.0000-0.101"),
        (shared_region(circle(10, -89.5, 2)), "10.0000-89.5000-2.001"),
    ],
)
def test_a_circle_has_one_name(region, name):
    assert region_name(region) == name


@pytest.mark.parametrize("radius", [0, -0.1, 2.01, 1e9])
def test_circles_of_no_use_or_without_end_are_refused(radius):
    with pytest.raises(RegionError, match="more than 0 and at most 120 arcminutes"):
        shared_region(circle(10, 20, radius))


@pytest.mark.parametrize("numbers", [(np.nan, 20, 1), (10, np.inf, 1), (10, 20, np.nan), (10, 20, np.inf), (10, 91, 1)])
def test_circles_that_are_none_are_refused(numbers):
    with pytest.raises(RegionError, match="in degrees"):
        shared_region(circle(*numbers))


def test_the_query_asks_for_every_column_of_the_brightest_stars():
    query = adql(circle(202.47, -47.2, 0.251))
    selected = re.match(r"SELECT TOP (\d+) (.*) FROM", query)
    assert int(selected[1]) == MAX_STARS
    assert [name.partition(".")[2] for name in selected[2].split(", ")] == list(COLUMNS)
    assert "CIRCLE('ICRS', 202.4700, -47.2000, 0.251)" in query
    assert query.endswith("ORDER BY g.phot_g_mean_mag")
