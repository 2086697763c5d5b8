"""Which stars are a cluster, on fields of which it is known. `benchmarks/cluster_membership.py` has sixty of them."""

import numpy as np
import pytest

from datalab.astro.catalogues.cluster import Windows, cluster_membership
from datalab.simulation.cluster_field import cluster_field

COLUMNS = ("pmra", "pmra_error", "pmdec", "pmdec_error", "parallax", "parallax_error", "distance")


def membership(*, offsets=None, **columns):
    count = len(columns["pmra"])
    given = {name: np.asarray(columns.get(name, np.full(count, np.nan)), float) for name in COLUMNS}
    return cluster_membership(**given, offsets=offsets)


def clump(pmra, pmdec, *, members=60, field=200, seed=2):
    """Proper motions of a cluster in a wide field."""
    rng = np.random.default_rng(seed)
    return {
        name: np.concatenate([rng.normal(centre, 0.2, members), rng.normal(0, 15, field)])
        for name, centre in (("pmra", pmra), ("pmdec", pmdec))
    }


def scores(found, field):
    """Return purity and completeness."""
    right = np.count_nonzero(found & field.member)
    return right / max(np.count_nonzero(found), 1), right / np.count_nonzero(field.member)


@pytest.mark.parametrize("seed", [6, 19])
def test_members_are_told_from_the_field(seed):
    """150 of 3,000 stars, near and far, bright and faint: purity and completeness above 90 %."""
    field = cluster_field(seed)
    found = cluster_membership(**field.kinematics())
    purity, completeness = scores(found.members, field)
    assert purity > 0.92
    assert completeness > 0.92
    assert (found.windows.pmra, found.windows.pmdec) == pytest.approx(field.cluster_motion, abs=0.1)
    assert found.windows.parallax_min < field.cluster_parallax < found.windows.parallax_max


def test_probabilities_are_as_often_right_as_they_say():
    fields = [cluster_field(seed, members=60, stars=600) for seed in range(4)]
    found = [cluster_membership(**field.kinematics()) for field in fields]
    assert sum(each.probabilities.sum() for each in found) == pytest.approx(240, rel=0.06)
    for each, field in zip(found, fields, strict=True):
        assert scores(each.members, field)[0] == pytest.approx(each.expected_purity, abs=0.07)


@pytest.mark.parametrize(("members", "seed"), [(15, 50), (20, 51), (30, 52)])
def test_few_stars_are_found_too(members, seed):
    field = cluster_field(seed, members=members, stars=500)
    purity, completeness = scores(cluster_membership(**field.kinematics()).members, field)
    assert purity >= 0.8
    assert completeness >= 0.8


def test_without_places_motions_alone_tell():
    field = cluster_field(3, members=100, stars=1000)
    purity, completeness = scores(cluster_membership(**field.kinematics() | {"offsets": None}).members, field)
    assert purity > 0.9
    assert completeness > 0.9


@pytest.mark.parametrize(("stars", "seed"), [(60, 1), (300, 2), (1000, 3)])
def test_a_field_without_a_cluster_has_no_members(stars, seed):
    assert cluster_membership(**cluster_field(seed, members=0, stars=stars).kinematics()) is None


def test_evenly_spread_motions_are_no_cluster():
    rng = np.random.default_rng(4)
    assert membership(pmra=rng.uniform(-60, 60, 300), pmdec=rng.uniform(-60, 60, 300)) is None


@pytest.mark.parametrize("centre", [(-5, 3), (20, -45), (0, 0)])
def test_a_clump_of_motions_is_found_without_errors_and_parallaxes(centre):
    found = membership(**clump(*centre))
    assert (found.windows.pmra, found.windows.pmdec) == pytest.approx(centre, abs=0.1)
    assert 0.3 <= found.windows.pm_radius <= 1
    assert found.members[:60].sum() >= 57
    assert found.members[60:].sum() <= 3


def test_one_very_fast_star_does_not_hide_the_cluster():
    motions = clump(-5, 3)
    motions["pmra"][-1] = 8000
    found = membership(**motions)
    assert (found.windows.pmra, found.windows.pmdec) == pytest.approx((-5, 3), abs=0.1)


def test_stars_without_motion_do_not_count():
    motions = clump(-5, 3, members=9, field=0)
    assert membership(**motions) is None
    motions = {name: np.append(values, [np.nan] * 5) for name, values in motions.items()}
    assert membership(**motions) is None
    found = membership(**{name: np.append(values, np.nan) for name, values in clump(-5, 3).items()})
    assert np.isnan(found.probabilities[-1])
    assert not found.members[-1]


def test_a_star_of_unknown_parallax_is_judged_by_its_motion():
    field = cluster_field(0, members=60, stars=500)
    kinematics = field.kinematics()
    for name in ("parallax", "parallax_error", "distance"):
        kinematics[name] = np.where(np.arange(500) < 5, np.nan, kinematics[name])
    assert cluster_membership(**kinematics).members[:5].sum() >= 3


def test_windows_hold_nearly_what_the_probabilities_choose():
    field = cluster_field(0, members=100, stars=1000)
    windows = cluster_membership(**field.kinematics()).windows
    inside = windows.contains(pmra=field.pmra, pmdec=field.pmdec, parallax=field.parallax, distance=field.distance)
    assert min(scores(inside, field)) > 0.85
    assert windows.distance_min >= 0


def test_what_is_unknown_does_not_speak_against_a_star_but_unknown_motion_does():
    windows = Windows(
        pmra=-5.0, pmdec=3.0, pm_radius=0.5, parallax_min=1.0, parallax_max=1.5, distance_min=600, distance_max=1000
    )
    unknown, centre = np.array([np.nan]), {"pmra": np.array([-5.0]), "pmdec": np.array([3.0])}
    assert windows.contains(**centre, parallax=unknown, distance=unknown).tolist() == [True]
    assert windows.contains(**centre, parallax=np.array([9.0]), distance=unknown).tolist() == [False]
    assert windows.contains(**centre, parallax=unknown, distance=np.array([99.0])).tolist() == [False]
    assert windows.contains(pmra=unknown, pmdec=unknown, parallax=unknown, distance=unknown).tolist() == [False]


def test_what_fewer_than_five_stars_tell_is_no_window():
    motions = clump(-5, 3)
    parallax = np.full(260, np.nan)
    parallax[:2] = 1.25
    windows = membership(**motions, parallax=parallax).windows
    assert (windows.parallax_min, windows.parallax_max, windows.distance_min, windows.distance_max) == (None,) * 4


def test_stars_that_are_all_alike_are_inside_of_their_windows():
    count = 50
    found = membership(
        pmra=np.full(count, -5.00012), pmdec=np.full(count, 3.0), parallax=np.full(count, -0.2),
        distance=np.full(count, 0.04),
    )  # fmt: skip
    assert found.members.all()
    assert found.windows.pm_radius == 0.1
    assert (found.windows.parallax_min, found.windows.parallax_max) == pytest.approx((-0.2, -0.2), abs=0.002)
    assert found.windows.distance_min == 0.0  # distances are not negative, parallaxes may be


def test_without_any_star_there_is_no_cluster():
    assert membership(pmra=[], pmdec=[]) is None
    assert membership(pmra=[np.nan] * 30, pmdec=[np.nan] * 30) is None
