import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalab.astro.sky.cross_match import separations_arcsec
from datalab.astro.sky.gaia_query import COLUMNS, MAX_STARS, Circle, CircleError, adql, shared_circle


@given(
    ra=st.floats(-360, 360),
    dec=st.floats(-90, 90),
    radius=st.floats(1e-6, 2.0),
    angle=st.floats(0, 2 * np.pi),
)
def test_the_circle_asked_for_contains_the_one_wanted(ra, dec, radius, angle):
    circle = shared_circle(ra_deg=ra, dec_deg=dec, radius_deg=radius)
    assert 0 <= circle.ra_deg < 360
    assert radius < circle.radius_deg < radius + 0.0011
    assert separations_arcsec([ra], [dec], circle.ra_deg, circle.dec_deg)[0] / 3600 <= circle.radius_deg - radius + 1e-9


def test_nearly_equal_circles_are_one_query():
    first = shared_circle(ra_deg=202.46999, dec_deg=47.19998, radius_deg=0.25)
    second = shared_circle(ra_deg=202.47002 - 360, dec_deg=47.20003, radius_deg=0.2502)
    assert first == second == Circle(202.47, 47.2, 0.251)
    assert adql(first) == adql(second)


@pytest.mark.parametrize(
    ("circle", "name"),
    [
        (Circle(202.47, 47.2, 0.251), "202.4700+47.2000-0.251"),
        (shared_circle(ra_deg=359.99999, dec_deg=-0.00001, radius_deg=0.1), "0.0000+0.0000-0.101"),
        (shared_circle(ra_deg=10, dec_deg=-89.5, radius_deg=2), "10.0000-89.5000-2.001"),
    ],
)
def test_a_circle_has_one_name(circle, name):
    assert circle.name == name


@pytest.mark.parametrize("radius", [0, -0.1, 2.01, 1e9])
def test_circles_of_no_use_or_without_end_are_refused(radius):
    with pytest.raises(CircleError, match="more than 0 and at most 120 arcminutes"):
        shared_circle(ra_deg=10, dec_deg=20, radius_deg=radius)


@pytest.mark.parametrize("numbers", [(np.nan, 20, 1), (10, np.inf, 1), (10, 20, np.nan), (10, 20, np.inf), (10, 91, 1)])
def test_circles_that_are_none_are_refused(numbers):
    with pytest.raises(CircleError, match="in degrees"):
        shared_circle(**dict(zip(("ra_deg", "dec_deg", "radius_deg"), numbers, strict=True)))


def test_the_query_asks_for_every_column_of_the_brightest_stars():
    query = adql(Circle(202.47, -47.2, 0.251))
    selected = re.match(r"SELECT TOP (\d+) (.*) FROM", query)
    assert int(selected[1]) == MAX_STARS
    assert [name.partition(".")[2] for name in selected[2].split(", ")] == list(COLUMNS)
    assert "CIRCLE('ICRS', 202.4700, -47.2000, 0.251)" in query
    assert query.endswith("ORDER BY g.phot_g_mean_mag")
