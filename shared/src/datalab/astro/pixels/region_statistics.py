"""What can be said about the levels of a region of an image in a few numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from datalab.astro.robust import SIGMA_PER_MAD
from datalab.astro.types import FloatArray, Pixels

#: Clipping ends by itself long before; each pass drops values or is the last.
_MOST_PASSES = 50
_RADIX_BYTES = 2


class EmptyRegionError(ValueError):
    """No pixel of the region is defined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionStatistics:
    """Levels in the units of the image; positions as (row, column) within the region, the first one of equals."""

    pixel_count: int
    undefined_count: int
    minimum: float
    minimum_at: tuple[int, int]
    maximum: float
    maximum_at: tuple[int, int]
    total: float
    mean: float
    median: float
    standard_deviation: float
    robust_sigma: float
    clipped_count: int
    clipped_mean: float
    clipped_median: float
    clipped_standard_deviation: float


def region_statistics(pixels: Pixels, *, clip_sigma: float = 3.0) -> RegionStatistics:
    """Describe the defined pixels of a region.

    `robust_sigma` is 1.4826 times the median absolute deviation from the median. Clipped values leave out, again and
    again until nothing changes, what is further than `clip_sigma` standard deviations from the median.

    Args:
        pixels: shape (rows, columns), any real type; not modified. NaN and infinite pixels are undefined.
        clip_sigma: positive.

    Raises:
        EmptyRegionError: no pixel is defined.
    """
    ordered = _ordered(pixels)
    if ordered.size == 0:
        raise EmptyRegionError("no pixel of the region is defined")
    lowest, highest, median = ordered[0], ordered[-1], _middle(ordered)
    # From the median, so that squares of small differences do not drown in the square of the level.
    above = ordered.astype(np.float64)
    above -= median
    kept = _clipped(above, clip_sigma)
    mean, deviation = _moments(above)
    clipped_mean, clipped_deviation = _moments(kept)
    return RegionStatistics(
        pixel_count=ordered.size,
        undefined_count=pixels.size - ordered.size,
        minimum=float(lowest),
        minimum_at=_first_at(pixels, lowest),
        maximum=float(highest),
        maximum_at=_first_at(pixels, highest),
        total=float(ordered.sum(dtype=np.float64)),
        mean=median + mean,
        median=median,
        standard_deviation=deviation,
        robust_sigma=SIGMA_PER_MAD * _median_distance(above),
        clipped_count=kept.size,
        clipped_mean=median + clipped_mean,
        clipped_median=median + _middle(kept),
        clipped_standard_deviation=clipped_deviation,
    )


def _ordered(pixels: Pixels) -> Pixels:
    """Return the defined values in rising order."""
    values = pixels.ravel() if pixels.dtype.kind in "iub" else pixels[np.isfinite(pixels)]
    # Of numpy's ways to sort, "stable" is the radix sort for 16 bits and less, several times faster there.
    return np.sort(values, kind="stable" if values.itemsize <= _RADIX_BYTES else None)


def _clipped(above: FloatArray, sigma: float) -> FloatArray:
    for _ in range(_MOST_PASSES):
        middle, reach = _middle(above), sigma * _moments(above)[1]
        first, last = np.searchsorted(above, middle - reach), np.searchsorted(above, middle + reach, side="right")
        if last - first in (0, above.size):
            break
        above = above[first:last]
    return above


def _moments(values: FloatArray) -> tuple[float, float]:
    """Return mean and standard deviation of values around zero, without a copy of them."""
    mean = float(values.mean())
    return mean, math.sqrt(max(float(values @ values) / values.size - mean**2, 0.0))


def _middle(ordered: Pixels) -> float:
    return float(ordered[(ordered.size - 1) // 2]) / 2 + float(ordered[ordered.size // 2]) / 2


def _median_distance(ordered: FloatArray) -> float:
    """Return the median of the distances from zero of values in rising order."""
    zero = int(np.searchsorted(ordered, 0.0))
    below, above = -ordered[:zero][::-1], ordered[zero:]
    ranks = {(ordered.size - 1) // 2, ordered.size // 2}
    return sum(_ranked(below, above, rank) for rank in ranks) / len(ranks)


def _ranked(one: FloatArray, other: FloatArray, rank: int) -> float:
    """Return the value of a rank, from 0, among two arrays in rising order, by bisection of how many `one` gives."""
    fewest, most = max(0, rank - other.size), min(rank, one.size)
    while fewest < most:
        taken = (fewest + most) // 2
        if one[taken] < other[rank - taken - 1]:
            fewest = taken + 1
        else:
            most = taken
    return float(min([*one[fewest : fewest + 1], *other[rank - fewest : rank - fewest + 1]]))


def _first_at(pixels: Pixels, value: Any) -> tuple[int, int]:
    row, column = np.unravel_index(int(np.argmax(pixels == value)), pixels.shape)
    return int(row), int(column)
