"""The levels of an image: how often each occurs, and which are worth showing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from astropy.visualization import ZScaleInterval
from numpy.typing import NDArray

from datalab.astro.display.stretch import zscale_limits
from datalab.astro.pixels.geometry import bands
from datalab.astro.types import FloatArray, IntArray, Pixels

#: Rows counted at once: the floats of a band stay in the cache.
_BAND_ROWS = 256
#: How many steps the histogram of `level_histogram` has below, between and above the display limits, and how far beyond
#: the limits the middle part reaches, as parts of them: what the user interface of the archive draws.
_OUTER_STEPS = 10
_INNER_STEPS = 100
_MARGIN = 0.2
#: As a power of ten: what float32 tells apart of 1.
_SMALLEST_STEP = -7
#: Highest level by bits per pixel, where the header names no saturation; the archive's interface counts up to there.
_HIGHEST_LEVEL = {8: 255.0, 16: 65_504.0}
_LARGEST = float(np.finfo(np.float64).max)
#: Edges of steps are so far from each other, as parts of the largest of them.
_APART = 4 * float(np.finfo(np.float64).eps)
#: IRAF fits its line to about this many samples, a share of which it rejects as outliers.
_ZSCALE_LEAST_SAMPLES = 5


@dataclass(frozen=True, slots=True)
class LevelHistogram:
    """Pixels counted by level: `counts[i]` from `edges[i]` to `edges[i + 1]`, in steps of `step` units of the image."""

    edges: IntArray | FloatArray
    counts: IntArray
    step: float

    @property
    def log_counts(self) -> FloatArray:
        """Decimal logarithms of the counts, 0 where there is none."""
        return np.log10(np.maximum(self.counts, 1))

    @property
    def middles(self) -> IntArray | FloatArray:
        """The middle of each level's range in units of the image, a whole number of steps."""
        if self.edges.dtype.kind == "f":  # halved before they are added: the sum may be infinite
            return (self.edges[1:] / 2 + self.edges[:-1] / 2) * self.step
        middles = (self.edges[1:] + self.edges[:-1]) // 2
        return middles if self.step == 1.0 else np.round(middles * self.step, step_digits(self.step))


@dataclass(frozen=True, slots=True)
class EvenHistogram:
    """Pixels counted in even steps: `counts[i]` from `edges[i]` to below `edges[i + 1]`, the last edge included."""

    edges: FloatArray
    counts: IntArray
    below: int
    above: int
    undefined: int


def level_step(samples: FloatArray) -> float:
    """Return the step in which limits are worth choosing: 1, or a power of ten of which the display has a hundred.

    Args:
        samples: sorted finite values of the whole image, at least one, from which the display limits follow.
    """
    low, high = zscale_limits(samples)
    span = high - low
    return 10.0 ** max(_SMALLEST_STEP, math.floor(math.log10(span / _INNER_STEPS))) if 0 < span < _INNER_STEPS else 1.0


def step_digits(step: float) -> int:
    """Return how many decimal places a step has."""
    return round(-math.log10(step))


def level_histogram(
    values: FloatArray | NDArray[np.floating],
    samples: FloatArray,
    *,
    bits: int,
    saturation: float | None,
    step: float = 1.0,
) -> LevelHistogram:
    """Count values in steps that are fine between the display limits and coarse outside.

    Args:
        values: to be counted, any shape; undefined ones are left out.
        samples: sorted finite values of the whole image, at least one, from which the limits follow.
        bits: bits per pixel of the image's file, which say how high its levels may be.
        saturation: highest level of the detector, if known.
        step: smallest difference between edges, in units of the image.

    Returns:
        Edges from the lowest sample (or 0, if that is lower) to the highest level: integers, unless some of the limits
        are none of 64 bits.
    """
    low, high = (limit / step for limit in zscale_limits(samples))
    highest = saturation if saturation is not None else _HIGHEST_LEVEL.get(bits, float(np.finfo(np.float32).max))
    highest /= step
    start = math.floor(min(float(samples[0]) / step, 0.0))
    first = max(start, _beyond(math.floor(low), -_MARGIN))
    second = max(first + 1, _beyond(math.ceil(high), _MARGIN))
    third = max(second + 1, int(highest))
    edges = sorted(
        {
            *_steps(start, first, _OUTER_STEPS),
            *_steps(first, second, _INNER_STEPS),
            *_steps(second, third, _OUTER_STEPS),
            third,
        }
    )
    ordered = np.sort(values[np.isfinite(values)], axis=None)
    below = np.searchsorted(ordered, np.array(edges, np.float64) * step)
    below[-1] = np.searchsorted(ordered, third * step, side="right")
    limits = np.iinfo(np.int64)
    if start < limits.min or second > limits.max:
        return LevelHistogram(edges=np.array(edges, np.float64), counts=np.diff(below), step=step)
    as_integers = np.array([min(edge, limits.max) for edge in edges], np.int64)
    return LevelHistogram(edges=as_integers, counts=np.diff(below), step=step)


def even_histogram(pixels: Pixels, *, bins: int, low: float | None, high: float | None) -> EvenHistogram:
    """Count every pixel of an image in even steps, band by band.

    Args:
        pixels: shape (rows, columns), any real type; not modified. NaN and infinite pixels are undefined.
        bins: number of steps, at least 1.
        low: lower limit in the units of the image; the lowest pixel if not given.
        high: upper limit, above the lower one; the highest pixel if not given.

    Raises:
        ValueError: floats cannot tell the steps between the limits apart.
    """
    parts = [pixels[start:stop] for start, stop in bands(pixels.shape[0], _BAND_ROWS)]
    both_given = low is not None and high is not None
    if low is None or high is None:
        extremes = [(float(part.min()), float(part.max())) for part in map(_defined, parts) if part.size]
        low = min((least for least, _ in extremes), default=0.0) if low is None else low
        high = max((most for _, most in extremes), default=low + 1.0) if high is None else high
    if not low < high:  # all pixels alike, or all beyond the one limit given: a step of one unit holds them
        low, high = low - 0.5, low + 0.5
    # Far from zero floats are further apart than that; and the range may be beyond the largest float.
    largest = max(abs(low), abs(high), 1.0)
    scale = largest if largest > _LARGEST / 4 else 1.0
    least = bins * _APART / 2 * (largest / scale)
    if high / scale - low / scale < 2 * least:
        if both_given:
            raise ValueError(f"the limits {low:g} and {high:g} are too close for {bins} steps")
        middle = low / scale / 2 + high / scale / 2
        edges = np.linspace(middle - least, middle + least, bins + 1)
    else:
        edges = np.linspace(low / scale, high / scale, bins + 1)
    counts = np.zeros(bins, np.int64)
    below = above = undefined = 0
    for band in parts:
        values = _defined(band)
        undefined += band.size - values.size
        if scale != 1.0:
            values /= scale
        below += int(np.count_nonzero(values < edges[0]))
        above += int(np.count_nonzero(values > edges[-1]))
        counts += np.histogram(values, bins=bins, range=(edges[0], edges[-1]))[0]
    return EvenHistogram(np.clip(edges * scale, -_LARGEST, _LARGEST), counts, below, above, undefined)


def iraf_zscale(samples: FloatArray, *, contrast: float) -> tuple[float, float]:
    """Return display limits as IRAF's zscale finds them: a line through the sorted samples, without outliers.

    Args:
        samples: finite values, at least one, in any order.
        contrast: the line's slope is divided by this (IRAF: 0.25).

    References:
        IRAF `display` task, help page, "ZSCALE ALGORITHM".
    """
    if samples.size < _ZSCALE_LEAST_SAMPLES:
        return float(samples.min()), float(samples.max())
    low, high = ZScaleInterval(n_samples=samples.size, contrast=contrast).get_limits(samples)
    return float(low), float(high)


def _defined(pixels: Pixels) -> FloatArray:
    values = pixels.astype(np.float64)
    return values[np.isfinite(values)]


def _beyond(level: int, part: float) -> int:
    """Return a level and a part of it, that level where there is no float for it."""
    return level if abs(level) > _LARGEST / 2 else int(level + part * abs(level))


def _steps(start: int, stop: int, count: int) -> range:
    """Return about `count` whole numbers from `start` on, before `stop`."""
    return range(start, stop, max(1, (stop - start) // count))
