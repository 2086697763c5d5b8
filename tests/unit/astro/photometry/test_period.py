import subprocess
import sys

import numpy as np
import pytest
from astropy.timeseries import LombScargle

from datalab.astro.photometry.period import period_search

ERROR_MAG = 0.01


def sinusoid(times, *, period, amplitude=0.3, noise=0.0, seed=3):
    scatter = np.random.default_rng(seed).normal(0.0, noise, times.size) if noise else 0.0
    return 13.5 + amplitude * np.sin(2 * np.pi * times / period) + scatter


def scattered_times(n, days, seed=8):
    return np.sort(np.random.default_rng(seed).uniform(0.0, days, n))


def test_forty_points_of_a_sinusoid_give_its_period_on_the_grid_that_astropy_makes_and_the_top_of_the_peak():
    times = scattered_times(40, 5.0)
    magnitudes = sinusoid(times, period=0.3, noise=ERROR_MAG)
    errors = np.full(40, ERROR_MAG)
    search = period_search(times, magnitudes, errors)

    frequency, power = LombScargle(times, magnitudes, errors).autopower()
    top = np.flatnonzero(~np.isclose(search.frequency_per_day[:, np.newaxis], frequency, rtol=1e-12).any(axis=1))
    assert search.period_days == pytest.approx(0.3, abs=0.01)
    assert search.frequency_per_day[top] == pytest.approx([1 / search.period_days])
    np.testing.assert_allclose(np.delete(search.frequency_per_day, top), frequency, rtol=1e-12)
    np.testing.assert_allclose(np.delete(search.power, top), power, rtol=0, atol=1e-9)
    assert search.window_power.shape == search.frequency_per_day.shape
    peak, double, *_ = search.candidates
    assert peak.period_days == search.period_days  # one number for one peak
    assert power.max() <= peak.power < power.max() + 0.03
    assert (peak.kind, double.kind) == ("peak", "double")
    assert double.period_days / peak.period_days == pytest.approx(2.0)


DAY_S = 86400
CADENCE_D = 80 / DAY_S


def nights(count, *, points, hours_apart):
    """Each begins at some time of the evening."""
    begins = np.random.default_rng(5).uniform(0.0, 0.02, count)
    return np.concatenate([night + begin + np.arange(points) * hours_apart / 24 for night, begin in enumerate(begins)])


def with_scatter(times, days, seed=6):
    return times + np.random.default_rng(seed).normal(0.0, days, times.size)


#: Times, the period of the star, where the aliases begin if there are any.
CADENCES = [
    pytest.param(np.arange(120) * CADENCE_D, 0.04, 0.5 / CADENCE_D, id="equal intervals"),
    pytest.param(np.arange(10) * 0.01, 0.05, 50.0, id="ten frames"),
    pytest.param(with_scatter(np.arange(120) * CADENCE_D, 2 / DAY_S), 0.04, 0.5 / CADENCE_D, id="readout that varies"),
    pytest.param(np.delete(np.arange(300), slice(90, 200)) * CADENCE_D, 0.04, 0.5 / CADENCE_D, id="with clouds"),
    pytest.param(np.arange(60) * 0.99727, 7.3, 0.5 / 0.99727, id="each night at one sidereal time"),
    pytest.param(nights(3, points=100, hours_apart=80 / 3600), 0.04, None, id="three nights"),
    pytest.param(nights(12, points=12, hours_apart=0.6), 0.21, None, id="twelve nights"),
    pytest.param(with_scatter(np.arange(60.0), 0.1), 0.55, None, id="each night at some time"),
    pytest.param(scattered_times(40, 5.0), 0.3, None, id="scattered"),
]


@pytest.mark.parametrize(("times", "period", "aliases_begin"), CADENCES)
@pytest.mark.parametrize("seed", range(5))
def test_the_highest_power_that_is_sent_is_at_the_period(times, period, aliases_begin, seed):
    """Clients take the period from there, to fold by it."""
    times = 2_461_114.0 + times
    magnitudes = sinusoid(times, period=period, noise=ERROR_MAG, seed=seed)
    search = period_search(times, magnitudes, np.full(times.size, ERROR_MAG))
    assert 1 / search.frequency_per_day[np.argmax(search.power)] == search.period_days
    assert search.power.max() == search.candidates[0].power
    assert (np.diff(search.frequency_per_day) > 0).all()
    cycles = np.ptp(times) / period
    assert search.period_days == pytest.approx(period, rel=0.05 / cycles)  # to a twentieth of a cycle over all
    if aliases_begin is None:
        assert search.frequency_per_day.max() > 0.9 * LombScargle(times, magnitudes).autofrequency().max()
    else:
        assert 0.9 * aliases_begin < search.frequency_per_day.max() <= aliases_begin


def test_the_false_alarm_probability_is_that_of_the_highest_power():
    times = scattered_times(40, 5.0)
    magnitudes = sinusoid(times, period=0.3, amplitude=0.014, noise=ERROR_MAG)
    errors = np.full(40, ERROR_MAG)
    search = period_search(times, magnitudes, errors)
    truth = LombScargle(times, magnitudes, errors).false_alarm_probability(search.power.max())
    assert 1e-6 < truth < 0.5
    assert search.false_alarm_probability == pytest.approx(truth, rel=1e-6)


def test_the_period_is_found_between_the_points_of_a_coarse_grid():
    """8.2 pins the best point of the grid; in one night that is off by percents, so it is a candidate only."""
    times = scattered_times(150, 0.35)
    magnitudes = sinusoid(times, period=0.1, noise=ERROR_MAG)
    search = period_search(times, magnitudes, np.full(150, ERROR_MAG))
    grid_step = np.diff(search.frequency_per_day).max()
    assert grid_step > 0.05 / 0.1  # a period known to 5 %
    assert search.period_days == pytest.approx(0.1, rel=1e-3)


def test_the_errors_decide_how_much_a_point_counts():
    times = scattered_times(60, 2.0)
    magnitudes = sinusoid(times, period=0.3, noise=ERROR_MAG)
    errors = np.full(60, ERROR_MAG)
    magnitudes[::4] += np.where(np.arange(15) % 2, 5.0, -5.0)
    errors[::4] = 50.0
    assert period_search(times, magnitudes, errors).period_days == pytest.approx(0.3, rel=1e-2)


def test_the_window_shows_the_rhythm_of_observing():
    times = np.concatenate([night + scattered_times(12, 0.3, seed=night) for night in range(12)])
    search = period_search(times, sinusoid(times, period=0.21), np.full(times.size, ERROR_MAG))
    near_a_day = np.abs(search.frequency_per_day - 1.0) < 0.05
    assert search.window_power[near_a_day].max() > 0.7
    assert np.median(search.window_power) < 0.2


@pytest.mark.parametrize("fault", [np.nan, np.inf])
def test_unusable_points_are_left_out(fault):
    times = scattered_times(30, 2.0)
    magnitudes, errors = sinusoid(times, period=0.3), np.full(30, ERROR_MAG)
    expected = period_search(times[3:], magnitudes[3:], errors[3:])
    magnitudes[0], errors[1], errors[2] = fault, fault, 0.0
    assert period_search(times, magnitudes, errors).period_days == expected.period_days


@pytest.mark.parametrize(
    ("times", "magnitudes", "errors"),
    [
        pytest.param(np.arange(7.0), np.arange(7.0) % 3, np.ones(7), id="seven points"),
        pytest.param(np.arange(9.0), np.arange(9.0) % 3, np.array([0.0, -1.0, *[1.0] * 7]), id="seven usable points"),
        pytest.param(np.full(9, 2.0), np.arange(9.0) % 3, np.ones(9), id="one time"),
        pytest.param(np.arange(9.0), np.full(9, 14.0), np.ones(9), id="one brightness"),
    ],
)
def test_what_cannot_have_a_period_has_none(times, magnitudes, errors):
    assert period_search(times, magnitudes, errors) is None


def test_the_output_has_the_keys_clients_know():
    times = scattered_times(40, 5.0)
    search = period_search(times, sinusoid(times, period=0.3), np.full(40, ERROR_MAG))
    output = search.as_output()
    known = ["period", "fap", "frequency", "power", "period_candidates", "window_power"]
    assert list(output) == [*known, "period_notes"]
    assert [list(candidate) for candidate in output["period_candidates"]] == [
        ["period", "power", "false_alarm_probability", "kind", "description"]
    ] * 2


def test_the_double_period_is_judged_where_it_is():
    times = scattered_times(60, 6.0)
    magnitudes, errors = sinusoid(times, period=0.3, noise=ERROR_MAG), np.full(60, ERROR_MAG)
    _, double, *_ = period_search(times, magnitudes, errors).candidates
    periodogram = LombScargle(times - times.min(), magnitudes, errors)
    assert double.power == pytest.approx(float(periodogram.power(1 / double.period_days, method="cython")), abs=1e-9)
    assert double.power < 0.2
    assert double.false_alarm_probability > 0.5


#: What the usual range of a search, five times half the mean rate, does not reach.
SPARSE = [
    pytest.param(with_scatter(np.arange(120.0), 0.1), 0.31, id="once a night for months, at some time"),
    pytest.param(with_scatter(np.arange(120.0), 0.01), 0.5567, id="once a night, within half an hour"),
    pytest.param(with_scatter(np.arange(120.0), 0.01), 7.3, id="once a night, a slow star"),
    pytest.param(
        np.concatenate([night + scattered_times(6, 0.3, seed=night) for night in (0, 1, 2, 3, 7, 8, 30, 31, 33, 60)]),
        0.0871,
        id="a few nights of two months",
    ),
    pytest.param(
        np.concatenate([night + np.arange(150) / 1440 for night in (0, 1, 5, 9)]), 0.0031, id="minutes, over a week"
    ),
]


@pytest.mark.parametrize(("times", "period"), SPARSE)
def test_periods_are_found_as_far_as_the_data_carry(times, period):
    search = period_search(times, sinusoid(times, period=period, noise=ERROR_MAG), np.full(times.size, ERROR_MAG))
    assert search.period_days == pytest.approx(period, rel=0.05 * period / np.ptp(times))
    assert search.power.max() == search.candidates[0].power
    assert 1 / search.frequency_per_day[np.argmax(search.power)] == search.period_days
    assert not [candidate for candidate in search.candidates if candidate.kind == "alias"]


def test_what_one_sidereal_time_cannot_tell_is_named_as_alias():
    times = np.arange(60) * 0.99727
    search = period_search(times, sinusoid(times, period=0.5567, noise=ERROR_MAG), np.full(60, ERROR_MAG))
    aliases = [candidate for candidate in search.candidates if candidate.kind == "alias"]
    assert any(alias.period_days == pytest.approx(0.5567, rel=1e-3) for alias in aliases)
    assert all(alias.power == pytest.approx(search.power.max(), abs=1e-6) for alias in aliases)
    assert any("cannot be told from longer ones" in note for note in search.notes)


@pytest.mark.parametrize(
    ("times", "period", "amplitude"),
    [
        pytest.param(with_scatter(np.arange(120.0), 0.01), 0.5567, 0.02, id="faint"),
        pytest.param(nights(60, points=1, hours_apart=1)[np.r_[0:20, 40:60]] * 3.0, 0.41, 0.3, id="every third night"),
    ],
)
def test_aliases_that_fit_as_well_are_named(times, period, amplitude):
    magnitudes = sinusoid(times, period=period, amplitude=amplitude, noise=ERROR_MAG)
    search = period_search(times, magnitudes, np.full(times.size, ERROR_MAG))
    named = [candidate.period_days for candidate in search.candidates if candidate.kind != "double"]
    assert any(found == pytest.approx(period, rel=2e-3) for found in named)
    assert any(note.startswith("Aliases that fit as well") for note in search.notes)


def test_noise_and_a_fraction_of_a_cycle_are_said_to_be_so():
    times = scattered_times(40, 20.0)
    noise = period_search(times, sinusoid(times, period=1.0, amplitude=0.0, noise=ERROR_MAG), np.full(40, ERROR_MAG))
    assert any("No period is significant" in note for note in noise.notes)
    assert [candidate.kind for candidate in noise.candidates] == ["peak", "double"]
    slow = period_search(times, sinusoid(times, period=25.0, noise=ERROR_MAG), np.full(40, ERROR_MAG))
    assert any("cover only 0." in note for note in slow.notes)


def test_a_search_loads_nothing_of_scipy_that_it_does_not_need():
    code = (
        "import sys, numpy as np; from datalab.astro.photometry.period import period_search as p; t = np.arange(99.0); "
        "p(t, np.sin(t) + 5, t * 0 + 0.1); print(sum(name in sys.modules for name in ('scipy.signal', 'scipy.stats')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
