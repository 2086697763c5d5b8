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

#: Fits whose chi-square differs by less are taken for equally good: one sigma. A larger difference than this is seen
#: between a period and its alias of one cycle per day more or less, where the better fit is the better guess.
_EQUAL_FIT_CHI2 = 1.0
#: A grid of five points per peak (astropy's) may miss a peak's top by a tenth of its width, and 3 % of its power.
_RIVAL_POWER = 0.95
#: Equal intervals give one alias per two Nyquist frequencies: five in the range searched (astropy's).
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

    `frequency_per_day`, `power` and `window_power` have one element per frequency searched. `candidates` are points of
    this grid; `period_days` is the place of the highest peak between them, which a short light curve needs: its grid
    is coarse.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Peak:
    """A local maximum: the highest point of the grid near it, and its summit between the points."""

    index: int
    frequency_per_day: float
    power: float


def period_search(times_days: ArrayLike, magnitudes: ArrayLike, errors: ArrayLike) -> PeriodSearch | None:
    """Return the Lomb-Scargle periodogram of a light curve and its best period, or None if it cannot have one.

    Points that are not finite, or whose error is not positive, are left out. None if fewer than eight remain, if they
    are all of one time, or all of one brightness. The best period is that of the highest peak; of peaks that fit the
    points equally well the longest period counts, as frames taken at equal intervals have aliases of equal height.

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
        frequency, power = periodogram.autopower()
    power = np.where(np.isfinite(power), power, 0.0)
    if not power.any():
        return None
    mean = np.average(values, weights=sigmas**-2)
    chi2_of_constant = float(np.sum(((values - mean) / sigmas) ** 2))
    best = _best_peak(periodogram, frequency, power, chi2_of_constant)
    false_alarm = float(periodogram.false_alarm_probability(power[best.index]))
    return PeriodSearch(
        period_days=1.0 / best.frequency_per_day,
        false_alarm_probability=false_alarm,
        frequency_per_day=frequency,
        power=power,
        window_power=_window_power(times, frequency),
        candidates=_candidates(best.frequency_per_day, best.power, false_alarm),
    )


def _best_peak(periodogram: LombScargle, frequency: FloatArray, power: FloatArray, chi2_of_constant: float) -> _Peak:
    """Return the highest peak, or the one of lowest frequency among those that the data cannot tell from it."""
    padded = np.pad(power, 1, constant_values=-np.inf)
    is_maximum = (power >= padded[:-2]) & (power >= padded[2:]) & (power >= _RIVAL_POWER * power.max())
    maxima = np.flatnonzero(is_maximum)
    highest_first = maxima[np.argsort(-power[maxima], kind="stable")]
    peaks = [_summit(periodogram, frequency, int(index)) for index in highest_first[:_MOST_RIVALS]]
    # The power is 1 - chi2 / chi2_of_constant.
    indistinguishable = max(peak.power for peak in peaks) - _EQUAL_FIT_CHI2 / chi2_of_constant
    return min((peak for peak in peaks if peak.power >= indistinguishable), key=lambda peak: peak.frequency_per_day)


def _summit(periodogram: LombScargle, frequency: FloatArray, index: int) -> _Peak:
    """Return the maximum between the neighbours of a point of the grid."""
    step = frequency[1] - frequency[0]

    def depth(trial: float) -> float:
        with np.errstate(all="ignore"):
            power = float(periodogram.power(trial, method="cython"))
        return -power if math.isfinite(power) else 0.0

    found = minimize_scalar(
        depth,
        bounds=(max(frequency[index] - step, frequency[0]), frequency[index] + step),
        method="bounded",
        options={"xatol": 1e-6 * step},
    )
    return _Peak(index=index, frequency_per_day=float(found.x), power=-float(found.fun))


def _window_power(times: FloatArray, frequency: FloatArray) -> FloatArray:
    """Return the periodogram of the times alone: its peaks are periods that the cadence of observing suggests."""
    window = LombScargle(times, np.ones_like(times), fit_mean=False, center_data=False)
    power: FloatArray = window.power(frequency)
    return power


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
