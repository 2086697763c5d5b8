"""Searching a light curve for a period."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from astropy.timeseries import LombScargle
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from datalab.astro.types import FloatArray

#: A sinusoid on a mean with its period has four unknowns; twice as many points leave something to judge it by.
LEAST_POINTS = 8

#: How far the usual interval between points may be from the cadence, as a part of it.
_CADENCE_RANGE = 0.1
#: How well points keep to a cadence, from 0 to 1, to count as taken in it: with a scatter of 5 %. Points that scatter
#: more are told from an alias by their fit.
_CADENCE_COHERENCE = 0.9
#: Points of the grid per peak, as astropy has them. It may miss a peak's top by a tenth of its width, and 3 % of its
#: power: peaks up to so much lower may be the highest.
_SAMPLES_PER_PEAK = 5
_RIVAL_POWER = 0.95
#: A month of nights has as many peaks, one cycle per day apart, of nearly the height of the highest.
_MOST_RIVALS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodCandidate:
    """A period worth looking at; `kind` says where it comes from."""

    period_days: float
    power: float
    false_alarm_probability: float
    kind: Literal["peak", "double"]
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodSearch:
    """A periodogram and what it says.

    `frequency_per_day`, `power` and `window_power` have one element per frequency searched, in rising order: an even
    grid, and in it the top of the highest peak, which is no point of a grid. So the frequency of the highest power is
    that of `period_days`.
    """

    period_days: float
    false_alarm_probability: float
    frequency_per_day: FloatArray
    power: FloatArray
    window_power: FloatArray
    candidates: tuple[PeriodCandidate, ...]

    def as_output(self) -> dict[str, Any]:
        """Return the keys that clients know."""
        return {
            "period": self.period_days,
            "fap": self.false_alarm_probability,
            "frequency": self.frequency_per_day,
            "power": self.power,
            "period_candidates": [
                {
                    "period": candidate.period_days,
                    "power": candidate.power,
                    "false_alarm_probability": candidate.false_alarm_probability,
                    "kind": candidate.kind,
                    "description": candidate.description,
                }
                for candidate in self.candidates
            ],
            "window_power": self.window_power,
        }


def period_search(times_days: ArrayLike, magnitudes: ArrayLike, errors: ArrayLike) -> PeriodSearch | None:
    """Return the Lomb-Scargle periodogram of a light curve and its best period, or None if it cannot have one.

    Points that are not finite, or whose error is not positive, are left out. None if fewer than eight remain, if they
    are all of one time, or all of one brightness. The best period is that of the highest peak. Points taken in a
    cadence fit a frequency as well as its aliases beyond half that of the cadence, so no higher ones are searched.

    Args:
        times_days: when, in days from any zero, shape (n,), in any order.
        magnitudes: brightness, shape (n,).
        errors: one sigma, shape (n,), in the unit of `magnitudes`.

    References:
        VanderPlas 2018, ApJS 236, 16: the periodogram with floating mean, its frequency grid and its window function.
        Baluev 2008, MNRAS 385, 1279: the false-alarm probability.
    """
    times, values, sigmas = (np.asarray(given, np.float64) for given in (times_days, magnitudes, errors))
    usable = np.isfinite(times) & np.isfinite(values) & np.isfinite(sigmas) & (sigmas > 0)
    times, values, sigmas = times[usable], values[usable], sigmas[usable]
    if times.size < LEAST_POINTS or np.ptp(times) == 0 or np.ptp(values) == 0:
        return None
    times = times - times.min()  # Julian dates would cost the phases seven digits
    periodogram = LombScargle(times, values, sigmas)
    with np.errstate(all="ignore"):  # of times so uneven that some frequencies cannot be told from a constant
        frequency, power = periodogram.autopower(
            samples_per_peak=_SAMPLES_PER_PEAK, maximum_frequency=_highest_frequency(times)
        )
    power = np.where(np.isfinite(power), power, 0.0)
    if not power.any():
        return None
    top = _highest_top(periodogram, frequency, power)
    if top not in frequency:
        place = int(np.searchsorted(frequency, top))
        frequency = np.insert(frequency, place, top)
        power = np.insert(power, place, _power_at(periodogram, top))
    best = int(np.argmax(power))
    false_alarm = float(periodogram.false_alarm_probability(power[best], maximum_frequency=frequency[-1]))
    return PeriodSearch(
        period_days=1.0 / frequency[best],
        false_alarm_probability=false_alarm,
        frequency_per_day=frequency,
        power=power,
        window_power=_window(times).power(frequency),
        candidates=_candidates(frequency[best], power[best], false_alarm),
    )


def _highest_frequency(times: FloatArray) -> float | None:
    """Return half the frequency of the cadence that times were taken in; None if there is none worth a limit.

    Without a limit, astropy searches up to five times half the mean frequency of the points. What repeats in the window
    repeats in the periodogram: that is how a cadence is found, also through gaps and when it is kept with some scatter.
    """
    usual = 1.0 / float(np.median(np.diff(np.unique(times))))
    span = float(np.ptp(times))
    if usual > _SAMPLES_PER_PEAK * times.size / span:
        return None
    step = 1.0 / (_SAMPLES_PER_PEAK * span)
    reach = math.ceil(_CADENCE_RANGE * usual / step)
    trials = usual + step * np.arange(-reach, reach + 1)
    coherence = np.array([abs(np.exp(2j * np.pi * trial * times).mean()) ** 2 for trial in trials])
    highest = int(np.argmax(coherence))
    if coherence[highest] < _CADENCE_COHERENCE:
        return None
    # The last point of astropy's grid may lie half a step beyond what it is told.
    return float(trials[highest]) / 2 - step


def _highest_top(periodogram: LombScargle, frequency: FloatArray, power: FloatArray) -> float:
    """Return the frequency of the highest peak: between the points of the grid, which may show another one higher."""
    padded = np.pad(power, 1, constant_values=-np.inf)
    is_rival = (power >= padded[:-2]) & (power >= padded[2:]) & (power >= _RIVAL_POWER * power.max())
    rivals = np.flatnonzero(is_rival)
    highest_first = rivals[np.argsort(-power[rivals], kind="stable")]
    tops = [_top(periodogram, frequency, power, int(index)) for index in highest_first[:_MOST_RIVALS]]
    return max(tops)[1]


def _top(periodogram: LombScargle, frequency: FloatArray, power: FloatArray, index: int) -> tuple[float, float]:
    """Return the highest power, and its frequency, between the neighbours of a point of the grid."""
    step = frequency[1] - frequency[0]
    found = minimize_scalar(
        lambda trial: -_power_at(periodogram, trial),
        bounds=(max(frequency[index] - step, frequency[0]), min(frequency[index] + step, frequency[-1])),
        method="bounded",
        options={"xatol": 1e-6 * step},
    )
    return max((-float(found.fun), float(found.x)), (float(power[index]), float(frequency[index])))


def _power_at(periodogram: LombScargle, frequency: float) -> float:
    with np.errstate(all="ignore"):
        power = float(periodogram.power(frequency, method="cython"))
    return power if math.isfinite(power) else 0.0


def _window(times: FloatArray) -> LombScargle:
    """Return the periodogram of the times alone: its peaks are periods that the cadence of observing suggests."""
    return LombScargle(times, np.ones_like(times), fit_mean=False, center_data=False)


def _candidates(frequency: float, power: float, false_alarm: float) -> tuple[PeriodCandidate, ...]:
    peak = PeriodCandidate(
        period_days=1.0 / frequency,
        power=power,
        false_alarm_probability=false_alarm,
        kind="peak",
        description="Highest peak of the periodogram",
    )
    double = PeriodCandidate(
        period_days=2.0 / frequency,
        power=power,
        false_alarm_probability=false_alarm,
        kind="double",
        description="Twice the peak: the period of eclipsing binaries and asteroids, which have two maxima per turn",
    )
    return peak, double
