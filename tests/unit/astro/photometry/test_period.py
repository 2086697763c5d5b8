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


def test_forty_points_of_a_sinusoid_give_its_period_and_the_grid_that_astropy_makes():
    times = scattered_times(40, 5.0)
    magnitudes = sinusoid(times, period=0.3, noise=ERROR_MAG)
    errors = np.full(40, ERROR_MAG)
    search = period_search(times, magnitudes, errors)

    frequency, power = LombScargle(times, magnitudes, errors).autopower()
    assert search.period_days == pytest.approx(0.3, abs=0.01)
    np.testing.assert_allclose(search.frequency_per_day, frequency, rtol=1e-12)
    np.testing.assert_allclose(search.power, power, rtol=0, atol=1e-9)
    assert search.window_power.shape == frequency.shape
    peak, double = search.candidates
    assert peak.period_days == search.period_days  # one number for one peak
    assert power.max() <= peak.power < power.max() + 0.03
    assert (peak.kind, double.kind) == ("peak", "double")
    assert double.period_days / peak.period_days == pytest.approx(2.0)


def test_the_false_alarm_probability_is_that_of_the_highest_point():
    times = scattered_times(40, 5.0)
    magnitudes = sinusoid(times, period=0.3, amplitude=0.014, noise=ERROR_MAG)
    errors = np.full(40, ERROR_MAG)
    periodogram = LombScargle(times, magnitudes, errors)
    truth = periodogram.false_alarm_probability(periodogram.autopower()[1].max())
    assert 1e-6 < truth < 0.5
    assert period_search(times, magnitudes, errors).false_alarm_probability == pytest.approx(truth, rel=1e-6)


def test_the_period_is_found_between_the_points_of_a_coarse_grid():
    """8.2 pins the best point of the grid; in one night that is off by percents, so it is a candidate only."""
    times = scattered_times(150, 0.35)
    magnitudes = sinusoid(times, period=0.1, noise=ERROR_MAG)
    search = period_search(times, magnitudes, np.full(150, ERROR_MAG))
    grid_step = search.frequency_per_day[1] - search.frequency_per_day[0]
    assert grid_step > 0.05 / 0.1  # a period known to 5 %
    assert search.period_days == pytest.approx(0.1, rel=1e-3)


def test_of_the_aliases_of_equal_intervals_the_longest_period_counts():
    times = 2_461_114.0 + np.arange(120) * 80 / 86400
    magnitudes = sinusoid(times, period=0.04, noise=ERROR_MAG)
    search = period_search(times, magnitudes, np.full(120, ERROR_MAG))
    assert search.frequency_per_day.max() > 4 / (2 * 80 / 86400)  # aliases are searched too
    assert search.period_days == pytest.approx(0.04, rel=2e-3)


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
    assert list(output) == ["period", "fap", "frequency", "power", "period_candidates", "window_power"]
    assert [list(candidate) for candidate in output["period_candidates"]] == [
        ["period", "power", "false_alarm_probability", "kind", "description"]
    ] * 2
