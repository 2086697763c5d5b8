import numpy as np
import pytest

from datalab.astro.photometry.comparison_stars import Candidates
from datalab.astro.photometry.differential import Counts, EnsembleError, calibrate_with_shared_ensemble
from datalab.astro.photometry.evolving_ensemble import calibrate_with_evolving_ensemble, solve_stars

FRAMES = 40
MAGS = np.array([12.0, 12.4, 12.8, 13.1, 13.5, 13.9, 14.2])
ZERO_POINT = 25.0


def stars(mags=MAGS, *, frames=FRAMES):
    count = len(mags)
    table = np.ones((frames, count))
    return Candidates(
        number=np.arange(1, count + 1),
        ra_deg=10.0 + np.arange(count),
        dec_deg=np.zeros(count),
        reference_mag=np.asarray(mags, float),
        isolation_arcsec=np.full(count, 60.0),
        row=table.astype(int),
        flux=table,
        mag=table * mags,
    )


def observed(target_mag, mags=MAGS, *, seed=1, clouds=0.3, scatter=0.0, relative_sigma=0.002):
    """Return counts with photon noise of the given size, clouds of all stars alike, and scatter of each alone."""
    rng = np.random.default_rng(seed)
    all_mags = np.column_stack(
        [np.broadcast_to(target_mag, FRAMES), np.broadcast_to(mags, (FRAMES, np.shape(mags)[-1]))]
    )
    extinction = rng.uniform(0.0, clouds, FRAMES)[:, None]
    true = 10.0 ** (0.4 * (ZERO_POINT - all_mags - extinction - rng.normal(0.0, scatter, all_mags.shape)))
    sigma = relative_sigma * true
    counts = true + rng.normal(0.0, 1.0, true.shape) * sigma
    return Counts(target=counts[:, 0], target_sigma=sigma[:, 0], stars=counts[:, 1:], stars_sigma=sigma[:, 1:])


def shared(counts, mags=MAGS, *, least=5, most=10):
    return calibrate_with_shared_ensemble(counts, stars(mags), least_stars=least, most_stars=most)


def evolving(counts, mags=MAGS, *, least=3, most=10):
    return calibrate_with_evolving_ensemble(counts, stars(mags), least_stars=least, most_stars=most)


def hide(counts, hidden):
    """Return the counts without those where `hidden` (frames, stars) is true."""
    return Counts(
        target=counts.target,
        target_sigma=counts.target_sigma,
        stars=np.where(hidden, np.nan, counts.stars),
        stars_sigma=np.where(hidden, np.nan, counts.stars_sigma),
    )


@pytest.mark.parametrize("calibrate", [shared, evolving])
def test_clouds_leave_no_trace_and_errors_are_those_of_the_noise(calibrate):
    truth = 13.3 + 0.2 * np.sin(np.arange(FRAMES) / 3)
    found = [calibrate(observed(truth, seed=seed)) for seed in range(20)]
    deviation = np.array([(curve.mag - truth) / curve.mag_sigma for curve in found])
    assert abs(deviation.mean()) < 0.3
    assert deviation.std() == pytest.approx(1.0, abs=0.15)
    floors = [note for curve in found for note in curve.notes if "error floor" in note]
    assert len(floors) < 4
    assert not any("extrapolated" in note for curve in found for note in curve.notes)


def test_the_shared_ensemble_is_that_of_its_formulas():
    counts = observed(13.0, clouds=0.0)
    curve = shared(counts, most=5)
    total = counts.stars[:, curve.stars].sum(axis=1)
    sigma = np.sqrt((counts.stars_sigma[:, curve.stars] ** 2).sum(axis=1))
    zero_point = 2.5 * np.log10(total) - 2.5 * np.log10((10 ** (-0.4 * MAGS[curve.stars])).sum())
    relative = counts.target / total
    relative_sigma = relative * np.sqrt((counts.target_sigma / counts.target) ** 2 + (sigma / total) ** 2)
    assert curve.mag == pytest.approx(-2.5 * np.log10(counts.target) + zero_point)
    assert (curve.ensemble_counts, curve.ensemble_sigma) == (pytest.approx(total), pytest.approx(sigma))
    assert curve.relative_flux_sigma == pytest.approx(relative_sigma)
    if not curve.notes:
        assert curve.mag_sigma == pytest.approx(2.5 / np.log(10) * relative_sigma / relative)
    assert sorted(curve.stars) == [1, 2, 3, 4, 5] or sorted(curve.stars) == [0, 1, 2, 3, 4]


def test_what_stars_scatter_beyond_their_noise_becomes_the_floor():
    found = [shared(observed(13.3, seed=seed, scatter=0.02)) for seed in range(10)]
    for curve in found:
        (note,) = [note for note in curve.notes if "empirical error floor" in note]
        assert note.startswith("Applied a ")
        assert float(note.split()[2]) == pytest.approx(20.0, abs=5.0)
        assert curve.mag_sigma == pytest.approx(0.02, abs=0.006)


def test_a_variable_star_and_a_wrong_magnitude_are_not_compared_with():
    mags = np.append(MAGS, [13.3, 13.31])
    true = np.tile(mags, (FRAMES, 1))
    true[:, 7] += 3.0 * np.sin(np.arange(FRAMES))
    counts = observed(13.3, true)
    wrong = mags.copy()
    wrong[8] = 30.0
    curve = shared(counts, wrong)
    assert sorted(curve.stars) == list(range(7))
    assert curve.mag == pytest.approx(13.3, abs=0.02)


def test_a_star_that_an_asteroid_passes_is_left_out_if_there_are_others():
    true = np.tile(MAGS, (FRAMES, 1))
    true[4:6, 2] -= 1.5
    counts = observed(13.3, true)
    assert sorted(shared(counts).stars) == [0, 1, 3, 4, 5, 6]
    assert sorted(shared(counts, least=7).stars) == list(range(7))


def test_the_variability_is_largest_for_the_star_that_varies():
    true = np.tile(MAGS, (FRAMES, 1))
    true[:, 3] += 0.03 * np.sin(np.arange(FRAMES))
    curve = shared(observed(13.3, true))
    assert curve.stars[np.argmax(curve.variability_mag)] == 3


def test_too_few_stars_are_refused_in_words():
    with pytest.raises(EnsembleError, match=r"minimum comparison ensemble\.$"):
        shared(hide(observed(13.3), np.arange(7) > 3), least=5)
    with pytest.raises(EnsembleError, match="Only 0 comparison stars"):
        shared(hide(observed(13.3), np.ones(7, bool)))


def test_too_few_stars_of_each_frame_still_give_fluxes_relative_to_them():
    counts = hide(observed(13.3), np.arange(7) > 3)
    curve = evolving(counts, least=5)
    assert np.isnan(curve.mag).all()
    assert curve.relative_flux == pytest.approx(counts.target / counts.stars[:, :4].sum(axis=1))
    assert any("minimum comparison ensemble" in note for note in curve.notes)
    none = evolving(hide(counts, np.ones(7, bool)))
    assert np.isnan(none.relative_flux).all()
    assert np.isnan(none.mag).all()


@pytest.mark.parametrize("calibrate", [shared, evolving])
def test_a_target_without_light_has_no_magnitude(calibrate):
    counts = observed(13.3)
    counts.target[5], counts.target[6] = 0.0, -12.0
    counts.target[7] = np.nan
    curve = calibrate(counts)
    assert np.isnan(curve.mag[5:8]).all()
    assert np.isnan(curve.mag_sigma[5:8]).all()
    assert np.isfinite(np.delete(curve.mag, [5, 6, 7])).all()
    dark = Counts(
        target=np.zeros(FRAMES), target_sigma=np.ones(FRAMES), stars=counts.stars, stars_sigma=counts.stars_sigma
    )
    assert np.isnan(calibrate(dark).mag).all()


@pytest.mark.parametrize("calibrate", [shared, evolving])
@pytest.mark.parametrize(("mag", "word"), [(11.0, "brighter"), (15.5, "fainter")])
def test_a_target_outside_of_the_ensembles_range_is_noted(calibrate, mag, word):
    notes = [note for note in calibrate(observed(mag)).notes if "extrapolated" in note]
    assert len(notes) == 1
    assert f"{word} than every comparison star" in notes[0]


def test_stars_that_come_and_go_calibrate_every_frame():
    hidden = np.abs(np.arange(FRAMES)[:, None] / FRAMES * 14 - np.arange(14) + 2) > 2.5
    mags = np.linspace(12, 14.2, 14)
    truth = 13.0 + 0.15 * np.sin(np.arange(FRAMES) / 4)
    counts = hide(observed(truth, mags, relative_sigma=0.001), hidden)
    with pytest.raises(EnsembleError):
        shared(counts, mags)
    curve = evolving(counts, mags)
    known = np.isfinite(curve.mag)
    assert known.sum() > 30
    assert (curve.used.sum(axis=1)[known] >= 3).all()
    assert np.corrcoef(curve.mag[known], truth[known])[0, 1] > 0.97
    assert curve.mag[known] == pytest.approx(truth[known], abs=0.01)


def test_no_frame_uses_more_stars_than_asked_for():
    curve = evolving(observed(13.3), most=4)
    assert curve.used.sum(axis=1).tolist() == [4] * FRAMES
    closest = set(np.argsort(np.abs(MAGS - 13.3))[:4])
    assert set(curve.stars) == closest


def test_a_single_star_lends_its_own_error():
    counts = observed(13.3, relative_sigma=0.01)
    curve = evolving(counts, least=1, most=1)
    assert curve.zero_point_sigma == pytest.approx(np.full(FRAMES, 0.010857), rel=0.2)


def test_groups_without_common_stars_are_flagged_and_each_follows_the_catalogue():
    hidden = (np.arange(FRAMES)[:, None] < 20) == (np.arange(14) < 7)
    mags = np.concatenate([MAGS, MAGS])
    curve = evolving(hide(observed(13.3, mags), hidden), mags)
    assert any("groups sharing no common stars" in note for note in curve.notes)
    assert curve.mag == pytest.approx(13.3, abs=0.02)


def test_star_magnitudes_are_found_though_the_catalogue_errs():
    rng = np.random.default_rng(6)
    true = rng.uniform(12, 15, 60)
    zero_point = rng.uniform(24, 25, FRAMES)
    mags = true - zero_point[:, None] + rng.normal(0, 0.003, (FRAMES, 60))
    mags[rng.random(mags.shape) < 0.3] = np.nan
    mags[:, 5] = -10.0 + rng.normal(0, 3.0, FRAMES)
    solution = solve_stars(mags, true + rng.normal(0, 0.1, 60))
    offset = solution.star_mag - true
    assert np.isnan(offset[5])
    offset = np.delete(offset, 5)
    assert np.std(offset) < 0.003  # the catalogue's errors are 0.1 mag
    assert abs(offset.mean()) < 0.05
    assert solution.zero_point == pytest.approx(zero_point + offset.mean(), abs=0.005)
    assert solution.groups == 1


@pytest.mark.parametrize("calibrate", [shared, evolving])
def test_a_star_that_a_cosmic_ray_hits_in_one_frame_is_left_out_there(calibrate):
    truth = 13.3
    clean, hit = observed(truth), observed(truth)
    hit.stars[9, 0] *= 1.2  # the brightest star of the ensemble
    expected, found = calibrate(clean), calibrate(hit)
    place = found.stars.tolist().index(0)
    assert not found.used[9, place]
    assert np.delete(found.used, 9, axis=0).all()
    assert found.mag == pytest.approx(expected.mag, abs=0.003)
    assert found.mag_sigma == pytest.approx(expected.mag_sigma, rel=0.25)


def test_a_frame_without_some_stars_is_as_bright_as_if_it_had_them():
    clean = observed(13.3)
    hidden = np.zeros((FRAMES, 7), bool)
    hidden[3, [0, 2]] = hidden[8, 6] = True
    found = shared(hide(clean, hidden))
    assert found.mag == pytest.approx(shared(clean).mag, abs=0.004)
    assert (found.mag_sigma[3], found.mag_sigma[5]) == (
        pytest.approx(0.003, abs=0.0015),
        pytest.approx(0.0024, abs=0.001),
    )
    assert any("2 frame(s) lack one or more comparison stars" in note for note in found.notes)


@pytest.mark.parametrize("calibrate", [shared, evolving])
def test_a_frame_without_stars_costs_only_itself(calibrate):
    hidden = np.zeros((FRAMES, 7), bool)
    hidden[5] = True
    found = calibrate(hide(observed(13.3), hidden))
    assert np.flatnonzero(np.isnan(found.mag)).tolist() == [5]
    assert np.delete(found.mag, 5) == pytest.approx(13.3, abs=0.02)


@pytest.mark.parametrize("calibrate", [shared, evolving])
def test_what_is_not_seen_has_a_limit_and_no_magnitude(calibrate):
    counts = observed(13.3, clouds=0.0)
    sigma = counts.target_sigma[0]
    counts.target[:4] = 1e-14, 2.9 * sigma, 3.1 * sigma, -5.0 * sigma
    found = calibrate(counts)
    assert np.isfinite(found.mag[:4]).tolist() == [False, False, True, False]
    assert np.isfinite(found.limit_mag[:4]).tolist() == [True, True, False, True]
    zero_point = ZERO_POINT
    assert found.limit_mag[:2] == pytest.approx(zero_point - 2.5 * np.log10(np.array([3.0, 5.9]) * sigma), abs=0.01)
    assert found.limit_mag[3] == pytest.approx(found.limit_mag[0], abs=0.02)
    assert any("below 3 sigma on 3 of 40 frames" in note for note in found.notes)


def test_a_faint_star_may_scatter_as_its_noise_does_and_a_bright_one_may_not():
    rng = np.random.default_rng(4)
    counts = observed(13.3, scatter=0.0)
    counts.stars_sigma[:, 6] = 0.08 * counts.stars[:, 6]
    counts.stars[:, 6] *= 1 + rng.normal(0, 0.08, FRAMES)
    counts.stars[:, 0] *= 1 + 0.08 * np.sin(np.arange(FRAMES) * 1.3)
    assert sorted(shared(counts).stars) == [1, 2, 3, 4, 5, 6]
