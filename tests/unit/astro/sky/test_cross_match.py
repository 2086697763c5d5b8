import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from datalab.astro.sky.cross_match import nearest, one_to_one, separations_arcsec

ARCSEC = 1 / 3600


@pytest.fixture
def two_catalogues():
    """Two lists of 400 positions in half a degree at declination 60, the second partly the first, 0.5" beside."""
    rng = np.random.default_rng(5)
    first = np.array([rng.uniform(359.5, 360.5, 400) % 360, rng.uniform(59.8, 60.2, 400)])
    moved = first[:, :250] + rng.normal(0, 0.3 * ARCSEC, (2, 250))
    others = np.array([rng.uniform(359.5, 360.5, 150) % 360, rng.uniform(59.8, 60.2, 150)])
    return first, np.concatenate([moved, others], axis=1)[:, rng.permutation(400)]


def test_separations_are_those_of_astropy():
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, 200), np.degrees(np.arcsin(rng.uniform(-1, 1, 200)))
    expected = SkyCoord(ra, dec, unit="deg").separation(SkyCoord(12, -34, unit="deg")).arcsec
    assert separations_arcsec(ra, dec, 12, -34) == pytest.approx(expected, rel=1e-12)


def test_separations_of_a_few_milliarcseconds_keep_their_digits():
    assert separations_arcsec([10.0], [20.0 + 0.001 * ARCSEC], 10, 20) == pytest.approx([0.001], rel=1e-4)


def test_the_nearest_is_that_of_astropy(two_catalogues):
    first, second = two_catalogues
    matches = nearest(*first, *second, radius_arcsec=2)
    stars, catalogue = SkyCoord(*first, unit="deg"), SkyCoord(*second, unit="deg")
    index, separation, _ = stars.match_to_catalog_sky(catalogue)
    close = separation.arcsec <= 2
    assert matches.first.tolist() == np.flatnonzero(close).tolist()
    assert matches.second.tolist() == index[close].tolist()
    assert matches.separation_arcsec == pytest.approx(separation.arcsec[close], abs=1e-6)


def test_the_nearest_need_not_come_first():
    matches = nearest([10], [0], [10 + 3 * ARCSEC, 10 + ARCSEC], [0, 0], radius_arcsec=4)
    assert matches.second.tolist() == [1]


@pytest.mark.parametrize(("distance_arcsec", "found"), [(3.999, 1), (4.0, 1), (4.001, 0), (6, 0)])
def test_nothing_beyond_the_radius_is_found(distance_arcsec, found):
    assert len(nearest([10], [0], [10], [distance_arcsec * ARCSEC], radius_arcsec=4).first) == found


@pytest.mark.parametrize(
    ("star", "other"),
    [
        ((359.9999, 0), (0.0001, 0)),  # 0.72"
        ((10, 60), (10 + 1.5 * ARCSEC, 60)),  # 0.75", as a degree of right ascension is half one of declination
        ((0, 89.9999), (180, 89.9999)),  # 0.72" over the pole
        ((350, -10), (-10, -10)),
    ],
)
def test_matching_works_everywhere_on_the_sky(star, other):
    matches = nearest(*([value] for value in (*star, *other)), radius_arcsec=0.8)
    assert matches.first.tolist() == [0]


def test_each_star_is_matched_once_and_the_closest_keeps_it(two_catalogues):
    first, second = two_catalogues
    distances = SkyCoord(*first, unit="deg")[:, np.newaxis].separation(SkyCoord(*second, unit="deg")).arcsec
    candidates = distances.argmin(axis=1)
    expected = set()
    for wanted in np.unique(candidates):
        rivals = np.flatnonzero(candidates == wanted)
        best = rivals[distances[rivals, wanted].argmin()]
        if distances[best, wanted] <= 60:
            expected.add((best, wanted))
    matches = one_to_one(*first, *second, radius_arcsec=60)
    assert set(zip(matches.first.tolist(), matches.second.tolist(), strict=True)) == expected
    assert len(expected) < np.count_nonzero(distances.min(axis=1) <= 60)  # there was something to decide


def test_a_star_that_loses_its_nearest_gets_none():
    matches = one_to_one([10, 10 + ARCSEC], [0, 0], [10 + 1.2 * ARCSEC, 10 - 1.5 * ARCSEC], [0, 0], radius_arcsec=2)
    assert matches.first.tolist() == [1]
    assert matches.second.tolist() == [0]


@pytest.mark.parametrize(("first", "second"), [(0, 3), (3, 0), (0, 0)])
def test_empty_lists_match_nothing(first, second):
    matches = one_to_one([10.0] * first, [0.0] * first, [10.0] * second, [0.0] * second, radius_arcsec=2)
    assert len(matches.first) == len(matches.second) == len(matches.separation_arcsec) == 0


def test_stars_without_position_match_nothing():
    matches = nearest([np.nan, 10, 10], [0, np.inf, 0], [10, np.nan], [0, 0], radius_arcsec=2)
    assert matches.first.tolist() == [2]
    assert matches.second.tolist() == [0]
