import numpy as np
import pytest

from datalab.astro.sky.star_matching import MatchOptions, NoMatchError, match_stars
from support.star_frames import Field, view, visible

SIDE = 1000


def lists(seed, *, stars=100, shift=0.2, missing=0.3, error_px=0.2, magnitude_scatter=0.5, rotation_deg=None):
    """Return two lists of one field, each with its own errors, gaps and false stars, and the true transform."""
    rng = np.random.default_rng(seed)
    field = Field.random(seed=seed, side=SIDE, stars_per_side2=stars)
    direction = rng.uniform(0, 2 * np.pi)
    true = view(
        side=SIDE,
        rotation_deg=rng.uniform(-180, 180) if rotation_deg is None else rotation_deg,
        scale=rng.uniform(0.95, 1.05),
        shift_px=(shift * SIDE * np.cos(direction), shift * SIDE * np.sin(direction)),
    )

    def observed(seen):
        x, y, flux = visible(field, seen, (SIDE, SIDE))
        kept = rng.random(x.size) > missing
        false = rng.uniform(0, SIDE, (2, round(missing * kept.sum() / (1 - missing))))
        positions = np.column_stack([x, y])[kept] + rng.normal(0, error_px, (kept.sum(), 2))
        positions = np.concatenate([positions, false.T])
        fluxes = np.concatenate([flux[kept], rng.choice(flux, false.shape[1])])
        fluxes *= np.exp(rng.normal(0, magnitude_scatter, fluxes.size))
        return positions[np.argsort(-fluxes)]

    return observed(view(side=SIDE)), observed(true), true


def error_px(match, true):
    """Return how wrong a transform is in the worst corner of the image."""
    x, y = np.array([0, 0, SIDE, SIDE]), np.array([0, SIDE, 0, SIDE])
    found, expected = match.transform(x, y), true(x, y)
    return np.hypot(found[0] - expected[0], found[1] - expected[1]).max()


@pytest.mark.parametrize(
    ("circumstances", "fields", "least_rate"),
    [
        ({}, 20, 1.0),
        ({"stars": 40}, 20, 0.95),
        ({"stars": 400}, 8, 1.0),
        ({"shift": 0.5}, 20, 0.95),
        ({"error_px": 0.5}, 8, 1.0),
        ({"stars": 400, "magnitude_scatter": 1.0}, 4, 1.0),  # needs the second attempt
        ({"rotation_deg": 180.0}, 8, 1.0),
    ],
)
def test_fields_with_a_third_of_false_and_missing_stars_match(circumstances, fields, least_rate):
    errors = []
    for seed in range(fields):
        stars, reference, true = lists(seed, **circumstances)
        try:
            errors.append(error_px(match_stars(stars, reference), true))
        except NoMatchError:
            continue
    assert len(errors) >= least_rate * fields
    assert max(errors) < 2.5  # a corner, far from the few stars that two shifted fields share; none is a false match
    assert np.median(errors) < 0.6


def test_transform_and_pairs_are_the_true_ones():
    stars, reference, true = lists(1, error_px=0.05, magnitude_scatter=0.0)
    match = match_stars(stars, reference)
    assert match.transform.scale == pytest.approx(true.scale, abs=2e-4)
    assert match.transform.rotation_deg == pytest.approx(true.rotation_deg, abs=0.01)
    assert len(set(match.reference_indices)) == len(match.star_indices) > 30
    x, y = true(*stars[match.star_indices].T)
    partners = reference[match.reference_indices]
    assert np.hypot(x - partners[:, 0], y - partners[:, 1]).max() < 0.5
    assert match.rms == pytest.approx(0.05 * 2, rel=0.3)  # two errors, along two axes


def test_the_inverse_leads_back():
    there = view(side=SIDE, rotation_deg=33, scale=1.03, shift_px=(12, -5))
    x, y = there.inverse()(*there(np.array([1.0, 500.0]), np.array([-7.0, 3.0])))
    np.testing.assert_allclose(x, [1, 500], atol=1e-9)
    np.testing.assert_allclose(y, [-7, 3], atol=1e-9)


def test_strangers_do_not_match():
    for seed, stars in enumerate([5, 10, 30, 500]):
        rng = np.random.default_rng(seed)
        with pytest.raises(NoMatchError, match=f"of {min(stars, 480)} stars in the image and {min(stars, 480)} in"):
            match_stars(rng.uniform(0, SIDE, (stars, 2)), rng.uniform(0, SIDE, (stars, 2)))


def test_a_mirror_image_does_not_match():
    stars, reference, _ = lists(2, missing=0.0, error_px=0.0)
    match_stars(stars, reference)
    with pytest.raises(NoMatchError):
        match_stars(stars * (-1, 1), reference)


def test_a_scale_outside_the_range_does_not_match():
    stars, reference, true = lists(3, missing=0.0)
    match_stars(stars * 2, reference, MatchOptions(scale_range=(0.4, 0.6)))
    with pytest.raises(NoMatchError):
        match_stars(stars * 2, reference, MatchOptions(scale_range=(0.9, 1.1)))
    assert 0.9 < true.scale < 1.1


def test_stars_at_one_place_do_no_harm():
    stars, reference, true = lists(4, missing=0.0)
    assert error_px(match_stars(np.repeat(stars, 2, axis=0), np.repeat(reference, 2, axis=0)), true) < 0.6


@pytest.mark.parametrize(
    ("stars", "reference", "said"),
    [
        (3, 20, "the image has only 3 stars and 4 are needed"),
        (20, 0, "the reference has only 0 stars and 4 are needed"),
    ],
)
def test_too_few_stars_are_counted(stars, reference, said):
    rng = np.random.default_rng(5)
    with pytest.raises(NoMatchError, match=said):
        match_stars(rng.random((stars, 2)), rng.random((reference, 2)))


def test_stars_in_line_are_refused():
    line = np.column_stack([np.arange(20.0) ** 2, np.zeros(20)])
    with pytest.raises(NoMatchError):
        match_stars(line, line)
