"""Searching a light curve for a period."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from astropy.timeseries import LombScargle
from numpy.typing import ArrayLike

from datalab.astro.types import FloatArray

#: A sinusoid on a mean with its period has four unknowns; twice as many points leave something to judge it by.
LEAST_POINTS = 8

_UNKNOWNS = 4
#: How far the usual interval between points may be from the cadence, as a part of it.
_CADENCE_RANGE = 0.1
#: How well points keep to a cadence, from 0 to 1, to count as taken in it: with a scatter of 5 %. Points that scatter
#: more are told from an alias by their fit.
_CADENCE_COHERENCE = 0.9
#: Points that keep a cadence better than this, with a scatter of 0.5 %, do not tell an alias however good they are.
_STRICT_COHERENCE = 0.999
#: Days. Exposures that come more rarely are much shorter than what lies between them: a star may vary meanwhile.
_RARE_CADENCE_DAYS = 0.1
#: Points of the grid per peak, as astropy has them. It may miss a peak's top by a tenth of its width, and 3 % of its
#: power: peaks up to so much lower may be the highest.
_SAMPLES_PER_PEAK = 5
_RIVAL_POWER = 0.95
#: Months of nights have hundreds of peaks, one cycle per day apart, of nearly the height of the highest.
_MOST_RIVALS, _MOST_FINALISTS = 500, 5
#: Where a peak is looked at before it is searched, in steps of the grid.
_BETWEEN = np.linspace(-0.8, 0.8, 9)
#: Cycles per day that few points a night may carry too: RR Lyrae stars, contact binaries, asteroids and most delta
#: Scuti stars are below.
_FREQUENCY_OF_STARS = 20.0
#: Of one search; a hundredth of a second for each 10,000.
_MOST_FREQUENCIES = 200_000
#: Chi-squared by which one period must fit better than another to be told from it: 5 sigma.
_TELLING_CHI2 = 25.0
#: The window's power from which it makes aliases worth a look, how many of its peaks are looked at, and how many
#: aliases are named.
_WINDOW_PEAK, _MOST_WINDOW_PEAKS, _MOST_ALIASES = 0.25, 3, 4
#: A period with a higher false-alarm probability is no discovery.
_LEAST_SIGNIFICANT = 0.01
#: Fewer cycles than this leave a period open.
_FEW_CYCLES = 1.5
#: Steps of the search for the top of a peak: each has a tenth of the width of the one before.
_ZOOMS, _POINTS_PER_ZOOM = 6, 21
#: As many points of a regular grid make the faster way, by a Fourier transform, worth while; astropy's rule.
_FAST_FROM = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodCandidate:
    """A period worth looking at; `kind` says where it comes from."""

    period_days: float
    power: float
    false_alarm_probability: float
    kind: Literal["peak", "double", "alias"]
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodSearch:
    """A periodogram and what it says.

    `frequency_per_day`, `power` and `window_power` have one element per frequency shown, in rising order: an even
    grid, and in it the top of the highest peak, which is no point of a grid. So the frequency of the highest power is
    that of `period_days`. `notes` say in words how far the search went and what the data cannot tell.
    """

    period_days: float
    false_alarm_probability: float
    frequency_per_day: FloatArray
    power: FloatArray
    window_power: FloatArray
    candidates: tuple[PeriodCandidate, ...]
    notes: tuple[str, ...] = ()

    def as_output(self) -> dict[str, Any]:
        """Return the keys that clients know, and `period_notes`."""
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
            "period_notes": list(self.notes),
        }


def period_search(times_days: ArrayLike, magnitudes: ArrayLike, errors: ArrayLike) -> PeriodSearch | None:
    """Return the Lomb-Scargle periodogram of a light curve and its best period, or None if it cannot have one.

    Points that are not finite, or whose error is not positive, are left out. None if fewer than eight remain, if they
    are all of one time, or all of one brightness. The best period is that of the highest peak. Points taken in a
    cadence fit a frequency as well as its aliases beyond half that of the cadence, so no higher ones are searched;
    where the cadence is a night, the aliases are candidates too. Few points a night that do not keep a cadence are
    searched up to 20 cycles per day, frequent ones up to half their usual rate: a period beyond the usual range must
    fit better, by 5 sigma, than all in it. Aliases by the rhythm of observing that fit as well are named as such.

    Args:
        times_days: when, in days from any zero, shape (n,), in any order.
        magnitudes: brightness, shape (n,).
        errors: one sigma, shape (n,), in the unit of `magnitudes`.

    References:
        VanderPlas 2018, ApJS 236, 16: the periodogram with floating mean, its frequency grid, its window function and
        its aliases.
        Baluev 2008, MNRAS 385, 1279: the false-alarm probability.
    """
    times, values, sigmas = (np.asarray(given, np.float64) for given in (times_days, magnitudes, errors))
    usable = np.isfinite(times) & np.isfinite(values) & np.isfinite(sigmas) & (sigmas > 0)
    times, values, sigmas = times[usable], values[usable], sigmas[usable]
    if times.size < LEAST_POINTS or np.ptp(times) == 0 or np.ptp(values) == 0:
        return None
    times = times - times.min()  # Julian dates would cost the phases seven digits
    periodogram, band = _Periodogram(times, values, sigmas), _Band.of(times)
    frequency = periodogram.grid(band.searched)
    power = periodogram.on_grid(frequency)
    if not power.any():
        return None
    usual = periodogram.grid(band.usual).size
    top_power, top = periodogram.highest_top(frequency[:usual], power[:usual])
    if frequency.size > usual:
        beyond_power, beyond = periodogram.highest_top(frequency, power)
        if beyond > frequency[usual - 1] and periodogram.tells(beyond_power, top_power):
            top_power, top = beyond_power, beyond
    false_alarm = periodogram.false_alarm(top_power, frequency[-1])
    window = periodogram.window(frequency)
    aliases = []
    if false_alarm <= _LEAST_SIGNIFICANT:  # noise has no aliases
        aliases = _aliases(periodogram, band, frequency, power, window, top=top, top_power=top_power)
    shown = max(usual, int(np.searchsorted(frequency, 1.1 * top)))
    frequency, power, window = frequency[:shown], power[:shown], window[:shown]
    # What is sent must be highest at the period: clients take it from there.
    higher = power >= top_power
    higher[np.isclose(frequency, top, rtol=1e-12, atol=0.0)] = False
    power[higher] = np.nextafter(top_power, 0.0)
    if top not in frequency:
        place = int(np.searchsorted(frequency, top))
        frequency = np.insert(frequency, place, top)
        power = np.insert(power, place, top_power)
        window = np.insert(window, place, periodogram.window(np.array([top]))[0])
    candidates = (
        PeriodCandidate(
            period_days=1.0 / top,
            power=top_power,
            false_alarm_probability=false_alarm,
            kind="peak",
            description="Highest peak of the periodogram",
        ),
        _double(periodogram, top, band.searched),
        *aliases,
    )
    return PeriodSearch(
        period_days=1.0 / top,
        false_alarm_probability=false_alarm,
        frequency_per_day=frequency,
        power=power,
        window_power=window,
        candidates=candidates,
        notes=tuple(_notes(band, top, false_alarm, float(np.ptp(times)), aliases)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Band:
    """Up to which frequencies (cycles per day) a search goes usually, and how far with what must fit far better.

    `cadence` is the frequency of the cadence that points were taken in, None if in none; `strict` if it leaves no
    difference between a frequency and its aliases.
    """

    usual: float
    searched: float
    cadence: float | None
    strict: bool

    @classmethod
    def of(cls, times: FloatArray) -> _Band:
        span = float(np.ptp(times))
        step = 1.0 / (_SAMPLES_PER_PEAK * span)
        cadence, coherence = _cadence(times)
        of_intervals = 0.5 / float(np.median(np.diff(np.unique(times))))
        most = step * _MOST_FREQUENCIES
        if cadence is None:
            # Five times half the mean frequency of the points, as astropy has it.
            usual = 2.5 * times.size / span
            return cls(
                usual=min(usual, most),
                searched=min(max(usual, _FREQUENCY_OF_STARS, of_intervals), most),
                cadence=None,
                strict=False,
            )
        # The last point of a grid may lie half a step beyond what it is made for.
        usual = cadence / 2 - step
        strict = coherence >= _STRICT_COHERENCE or 1.0 / cadence < _RARE_CADENCE_DAYS
        searched = usual if strict else max(usual, _FREQUENCY_OF_STARS)
        return cls(usual=min(usual, most), searched=min(searched, most), cadence=cadence, strict=strict)


def _cadence(times: FloatArray) -> tuple[float | None, float]:
    """Return the frequency of the cadence that times were taken in, None if in none, and how well they keep it.

    What repeats in the window repeats in the periodogram: that is how a cadence is found, also through gaps and when it
    is kept with some scatter.
    """
    usual = 1.0 / float(np.median(np.diff(np.unique(times))))
    span = float(np.ptp(times))
    if usual > _SAMPLES_PER_PEAK * times.size / span:
        return None, 0.0
    step = 1.0 / (_SAMPLES_PER_PEAK * span)
    reach = math.ceil(_CADENCE_RANGE * usual / step)
    trials = usual + step * np.arange(-reach, reach + 1)
    coherence = np.array([abs(np.exp(2j * np.pi * trial * times).mean()) ** 2 for trial in trials])
    highest = int(np.argmax(coherence))
    if coherence[highest] < _CADENCE_COHERENCE:
        return None, float(coherence[highest])
    return float(trials[highest]), float(coherence[highest])


class _Periodogram:
    """Lomb-Scargle powers of a light curve, and of its window. No method of astropy that loads scipy.signal is used."""

    def __init__(self, times: FloatArray, values: FloatArray, sigmas: FloatArray) -> None:
        self._of_values = LombScargle(times, values, sigmas)
        self._of_times = LombScargle(times, np.ones_like(times), fit_mean=False, center_data=False)
        weights = sigmas**-2.0
        mean = (weights * values).sum() / weights.sum()
        self._chi2_of_constant = float((weights * (values - mean) ** 2).sum())
        self._freedom = values.size - _UNKNOWNS

    def grid(self, highest: float) -> FloatArray:
        """Return astropy's grid of frequencies up to one."""
        frequencies: FloatArray = self._of_values.autofrequency(
            samples_per_peak=_SAMPLES_PER_PEAK, maximum_frequency=highest
        )
        return frequencies

    def on_grid(self, frequency: FloatArray) -> FloatArray:
        return _powers(self._of_values, frequency, "fast" if frequency.size > _FAST_FROM else "cython")

    def at(self, frequency: FloatArray) -> FloatArray:
        """Return the powers at any frequencies; 0 where they cannot be told from a constant."""
        return _powers(self._of_values, frequency, "cython")

    def window(self, frequency: FloatArray) -> FloatArray:
        """Return the powers of the times alone, on a grid: their peaks are what the rhythm of observing suggests."""
        return _powers(self._of_times, frequency, "fast" if frequency.size > _FAST_FROM else "cython")

    def highest_top(self, frequency: FloatArray, power: FloatArray) -> tuple[float, float]:
        """Return power and frequency of the highest peak: the points of the grid may show another one higher."""
        padded = np.pad(power, 1, constant_values=-np.inf)
        is_rival = (power >= padded[:-2]) & (power >= padded[2:]) & (power >= _RIVAL_POWER * power.max())
        rivals = np.flatnonzero(is_rival)
        rivals = rivals[np.argsort(-power[rivals], kind="stable")][:_MOST_RIVALS]
        if rivals.size > _MOST_FINALISTS:  # only the highest are worth a search to the last digit
            step = frequency[1] - frequency[0]
            closer = frequency[rivals][:, np.newaxis] + step * _BETWEEN
            reached = self.at(closer.ravel()).reshape(closer.shape).max(axis=1)
            rivals = rivals[np.argsort(-reached, kind="stable")][:_MOST_FINALISTS]
        return max(self.top(frequency, int(index)) for index in rivals)

    def top(self, frequency: FloatArray, index: int) -> tuple[float, float]:
        """Return the highest power, and its frequency, between the neighbours of a point of the grid."""
        best, half = float(frequency[index]), float(frequency[1] - frequency[0]) if frequency.size > 1 else 0.0
        for _ in range(_ZOOMS):
            trials = np.linspace(
                max(best - half, frequency[0]), min(best + half, frequency[-1]), _POINTS_PER_ZOOM, endpoint=True
            )
            trials = np.append(trials, best)
            powers = self.at(trials)
            place = int(np.argmax(powers))
            best, half = float(trials[place]), half / 10.0
        return float(powers[place]), best

    def tells(self, higher: float, lower: float) -> bool:
        """Tell whether one power is so much higher than another that its period is the better one, not by chance."""
        chi2, other = (self._chi2_of_constant * (1.0 - power) for power in (higher, lower))
        # Errors that are too small must not make a difference of what is noise.
        return other - chi2 >= _TELLING_CHI2 * max(1.0, chi2 / self._freedom)

    def false_alarm(self, power: float, highest: float) -> float:
        return float(self._of_values.false_alarm_probability(power, maximum_frequency=highest))


def _powers(periodogram: LombScargle, frequency: FloatArray, method: str) -> FloatArray:
    with np.errstate(all="ignore"):  # of times so uneven that some frequencies cannot be told from a constant
        power = periodogram.power(frequency, method=method, assume_regular_frequency=True)
    known: FloatArray = np.where(np.isfinite(power), np.clip(power, 0.0, 1.0), 0.0)  # rounding goes beyond
    return known


def _double(periodogram: _Periodogram, frequency: float, highest: float) -> PeriodCandidate:
    power = float(periodogram.at(np.array([frequency / 2.0]))[0])
    return PeriodCandidate(
        period_days=2.0 / frequency,
        power=power,
        false_alarm_probability=periodogram.false_alarm(power, highest),
        kind="double",
        description="Twice the peak: the period of eclipsing binaries and asteroids, which have two maxima per turn",
    )


def _aliases(
    periodogram: _Periodogram,
    band: _Band,
    frequency: FloatArray,
    power: FloatArray,
    window: FloatArray,
    *,
    top: float,
    top_power: float,
) -> list[PeriodCandidate]:
    """Return the aliases of the highest peak by the rhythm of observing that fit as well: none can be told apart."""
    resolution = _SAMPLES_PER_PEAK * (frequency[1] - frequency[0]) if frequency.size > 1 else np.inf
    found: dict[float, tuple[float, float]] = {}
    if band.cadence is not None and band.strict:
        if 1.0 / band.cadence >= _RARE_CADENCE_DAYS:  # beyond what is searched, where the powers repeat
            places = [rhythm + sign * top for rhythm in (band.cadence, 2.0 * band.cadence) for sign in (-1, 1)]
            found = {place: (float(periodogram.at(np.array([place]))[0]), band.cadence) for place in places}
    else:
        rhythms = _window_peaks(frequency, window, resolution) if band.cadence is None else [band.cadence]
        for rhythm in rhythms:
            most = math.ceil(2.0 * band.searched / rhythm) if band.cadence else 2
            places = np.abs(top + rhythm * np.arange(-most, most + 1))
            apart = (np.abs(places - top) > 2.0 * resolution) & (places > resolution) & (places < frequency[-1])
            for place in np.unique(places[apart]):
                near = np.flatnonzero(np.abs(frequency - place) <= resolution)
                index = int(near[np.argmax(power[near])])
                if periodogram.tells(top_power, power[index] / _RIVAL_POWER):  # also if the grid missed its top
                    continue
                height, exact = periodogram.top(frequency, index)
                if all(abs(exact - other) > resolution for other in found):
                    found[exact] = height, rhythm
    candidates = [
        PeriodCandidate(
            period_days=1.0 / alias,
            power=height,
            false_alarm_probability=periodogram.false_alarm(height, float(frequency[-1])),
            kind="alias",
            description=(
                f"Alias of the peak: the observations repeat {rhythm:.4f} times a day, so they fit this period as well"
            ),
        )
        for alias, (height, rhythm) in found.items()
        if alias > 0.0 and not periodogram.tells(top_power, height)
    ]
    return sorted(candidates, key=lambda candidate: -candidate.power)[:_MOST_ALIASES]


def _window_peaks(frequency: FloatArray, window: FloatArray, resolution: float) -> FloatArray:
    """Return the frequencies, highest peak first, that the rhythm of observing repeats with."""
    padded = np.pad(window, 1, constant_values=-np.inf)
    is_peak = (window >= padded[:-2]) & (window >= padded[2:]) & (window >= _WINDOW_PEAK) & (frequency > 3 * resolution)
    peaks = np.flatnonzero(is_peak)
    chosen: list[float] = []
    for peak in frequency[peaks[np.argsort(-window[peaks], kind="stable")]].tolist():
        if all(abs(peak - other) > 2.0 * resolution for other in chosen):
            chosen.append(peak)
        if len(chosen) == _MOST_WINDOW_PEAKS:
            break
    return np.array(chosen)


def _notes(band: _Band, top: float, false_alarm: float, span: float, aliases: list[PeriodCandidate]) -> list[str]:
    notes = [
        f"Searched frequencies up to {band.searched:.4g} cycles per day, periods from {1.0 / band.searched:.4g} d."
    ]
    if band.cadence is not None and band.strict:
        notes.append(
            f"The points were taken every {1.0 / band.cadence:.5g} d: periods below {2.0 / band.cadence:.5g} d "
            "cannot be told from longer ones, which are their aliases."
        )
    if aliases:
        named = ", ".join(f"{alias.period_days:.6g} d" for alias in aliases)
        notes.append(f"Aliases that fit as well as the best period, {1.0 / top:.6g} d: {named}.")
    if false_alarm > _LEAST_SIGNIFICANT:
        notes.append(f"No period is significant: the false-alarm probability of the best one is {false_alarm:.2g}.")
    if top * span < _FEW_CYCLES:
        notes.append(f"The points cover only {top * span:.1f} cycles of the best period: it is uncertain.")
    return notes
