"""Whether two lists of stars show the same sky."""

import numpy as np
import pytest

from datalab.astro.catalogues.agreement import agreement

ARCSEC = 1 / 3600
RADIUS = 2.0


def field(count, *, seed=1, ra=10.0, dec=20.0, side_arcsec=900.0):
    rng = np.random.default_rng(seed)
    east, north = rng.uniform(-side_arcsec / 2, side_arcsec / 2, (2, count)) * ARCSEC
    return ra + east / np.cos(np.radians(dec)), dec + north


def moved(places, east_arcsec, north_arcsec):
    ra, dec = places
    return (ra + east_arcsec * ARCSEC / np.cos(np.radians(dec))) % 360.0, dec + north_arcsec * ARCSEC


def test_lists_that_agree_need_no_shift():
    places = field(200)
    found = agreement(places, moved(places, 0.3, -0.2), pairs=200, radius_arcsec=RADIUS)
    assert (found.expected, found.shift, found.is_chance) == (pytest.approx(200, abs=3), None, False)
    assert found.share == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(("ra", "dec"), [(10.0, 20.0), (0.0, -65.0), (200.0, 80.0)])
@pytest.mark.parametrize("shift", [(3.0, 0.0), (-25.0, 40.0)])
def test_a_shift_is_found(ra, dec, shift):
    places = field(150, ra=ra, dec=dec)
    other = moved((places[0][:120], places[1][:120]), *shift)
    found = agreement((places[0] % 360.0, places[1]), other, pairs=1, radius_arcsec=RADIUS)
    assert (found.shift.east_arcsec, found.shift.north_arcsec) == pytest.approx(shift, abs=0.2)
    assert found.shift.stars > 80
    assert found.is_chance


def test_a_shift_is_found_in_a_crowd():
    places = field(3000)
    found = agreement(places, moved(places, 5.0, 5.0), pairs=140, radius_arcsec=RADIUS)
    assert found.shift.arcsec == pytest.approx(7.07, abs=0.2)


def test_unrelated_lists_agree_by_chance():
    found = agreement(field(300), field(300, seed=2), pairs=1, radius_arcsec=RADIUS)
    assert (found.shift, found.is_chance) == (None, True)
    assert found.by_chance == pytest.approx(300**2 * np.pi * 4 / 900**2, rel=0.05)


def test_of_a_few_stars_nothing_is_said():
    places = field(4)
    found = agreement(places, moved(places, 5.0, 0.0), pairs=0, radius_arcsec=RADIUS)
    assert (found.shift, found.is_chance) == (None, False)
    nothing = agreement((np.empty(0), np.empty(0)), places, pairs=0, radius_arcsec=RADIUS)
    assert (nothing.expected, nothing.share) == (0, 1.0)


def test_fields_that_hardly_overlap_are_compared_where_they_do():
    places = field(400)
    west = places[0] < np.quantile(places[0], 0.55)
    east = places[0] > np.quantile(places[0], 0.45)
    one, other = ((places[0][part], places[1][part]) for part in (west, east))
    found = agreement(one, other, pairs=np.count_nonzero(west & east), radius_arcsec=RADIUS)
    assert found.share == pytest.approx(1.0, abs=0.1)
