import numpy as np
import pytest

from datalab.astro.catalogues.cluster import guess_membership
from support.star_cluster import simulated_field

MOTIONS = ("pmra", "pmdec", "parallax", "distance", "distance_lo", "distance_hi")


def guess(**columns):
    count = len(columns["pmra"])
    return guess_membership(**{name: np.asarray(columns.get(name, np.full(count, np.nan)), float) for name in MOTIONS})


def clump(pmra, pmdec, *, members=60, field=200, seed=2):
    """Proper motions of a cluster in a wide field."""
    rng = np.random.default_rng(seed)
    return {
        name: np.concatenate([rng.normal(centre, 0.2, members), rng.normal(0, 15, field)])
        for name, centre in (("pmra", pmra), ("pmdec", pmdec))
    }


@pytest.mark.parametrize("centre", [(-5, 3), (20, -45)])
def test_a_clump_of_motions_is_found(centre):
    found = guess(**clump(*centre))
    assert (found.pmra, found.pmdec) == pytest.approx(centre, abs=0.1)
    assert 0.5 <= found.pm_radius <= 5


def test_one_very_fast_star_does_not_stretch_the_map():
    motions = clump(-5, 3)
    motions["pmra"][-1] = 8000
    found = guess(**motions)
    assert (found.pmra, found.pmdec) == pytest.approx((-5, 3), abs=0.1)


def test_stars_without_motion_do_not_count():
    motions = clump(-5, 3, members=9, field=0)
    assert guess(**motions) is None
    motions = {name: np.append(values, [np.nan] * 5) for name, values in motions.items()}
    assert guess(**motions) is None
    assert guess(**clump(-5, 3, members=10, field=0)) is not None


def test_a_field_without_clump_has_no_members():
    rng = np.random.default_rng(4)
    assert guess(pmra=rng.uniform(-60, 60, 300), pmdec=rng.uniform(-60, 60, 300)) is None


def test_windows_are_three_sigmas_around_the_middle():
    rng = np.random.default_rng(6)
    motions = {"pmra": rng.normal(-5, 0.2, 4000), "pmdec": rng.normal(3, 0.2, 4000)}
    parallax, distance = rng.normal(1.25, 0.1, 4000), rng.normal(800, 50, 4000)
    found = guess(**motions, parallax=parallax, distance=distance)
    assert found.pm_radius == pytest.approx(3 * 0.2 * np.sqrt(2 * np.log(2)), rel=0.05)  # 3 medians of a Rayleigh law
    assert (found.parallax_min, found.parallax_max) == pytest.approx((0.95, 1.55), abs=0.02)
    assert (found.distance_min, found.distance_max) == pytest.approx((650, 950), abs=10)


def test_windows_are_not_narrower_than_what_is_known():
    count = 50
    found = guess(
        pmra=np.full(count, -5.0),
        pmdec=np.full(count, 3.0),
        parallax=np.full(count, -0.2),
        distance=np.full(count, 800.0),
        distance_lo=np.full(count, 500.0),
        distance_hi=np.full(count, 1300.0),
    )
    assert found.pm_radius == 0.5
    assert (found.parallax_min, found.parallax_max) == pytest.approx((-0.35, -0.05))  # negative ones are allowed
    assert (found.distance_min, found.distance_max) == (0.0, 2000.0)  # distances are not


def test_the_radius_has_a_limit():
    rng = np.random.default_rng(7)
    found = guess(pmra=rng.uniform(-2, 2, 500), pmdec=rng.uniform(-2, 2, 500))
    assert found.pm_radius <= 5


def test_what_fewer_than_three_stars_tell_is_no_window():
    motions = clump(-5, 3)
    parallax = np.full(260, np.nan)
    parallax[:2] = 1.25
    found = guess(**motions, parallax=parallax)
    assert (found.parallax_min, found.parallax_max, found.distance_min, found.distance_max) == (None,) * 4


@pytest.mark.parametrize("seed", range(8))
def test_members_of_a_simulated_cluster_are_told_from_the_field(seed):
    """150 members among 1000 others: 1 star in 8, down to G = 18, errors as Gaia's."""
    member, stars = simulated_field(members=150, others=1000, seed=seed)
    found = guess(**{name: stars[name] for name in MOTIONS})
    chosen = found.contains(**{name: stars[name] for name in MOTIONS[:4]})
    assert np.count_nonzero(chosen & member) / np.count_nonzero(member) > 0.9
    assert np.count_nonzero(chosen & member) / np.count_nonzero(chosen) > 0.95


def test_unknown_parallax_and_distance_do_not_speak_against_a_star_but_unknown_motion_does():
    _, stars = simulated_field(members=150, others=1000, seed=1)
    found = guess(**{name: stars[name] for name in MOTIONS})
    unknown = np.array([np.nan])
    centre = {"pmra": np.array([found.pmra]), "pmdec": np.array([found.pmdec])}
    assert found.contains(**centre, parallax=unknown, distance=unknown).tolist() == [True]
    assert found.contains(**centre, parallax=np.array([9.0]), distance=unknown).tolist() == [False]
    assert found.contains(**centre, parallax=unknown, distance=np.array([99.0])).tolist() == [False]
    assert found.contains(pmra=unknown, pmdec=unknown, parallax=unknown, distance=unknown).tolist() == [False]
