"""What can be said about the levels of a region of an image in a few numbers."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from datalab.astro.pixels.geometry import bands
from datalab.astro.robust import SIGMA_PER_MAD
from datalab.astro.types import Mask, Pixels

#: Clipping ends by itself long before; each pass drops values or is the last.
_MOST_PASSES = 50
#: Integers of so many bytes have few enough levels to be counted.
_COUNTED_BYTES = 2
_BAND_ROWS = 256
_CHUNK = 1024 * 1024
#: Squares of values beyond this leave the range of floats.
_LARGEST_SQUARED = 1e150


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
    again until nothing changes, what is further than `clip_sigma` standard deviations from the median. What is beyond
    the range of floats, as sums may be, is infinite.

    Integers of up to 16 bits are counted by level, in no memory to speak of; others are sorted in a copy.

    Args:
        pixels: shape (rows, columns), any real type; not modified, and read in bands. NaN and infinite pixels are
            undefined.
        clip_sigma: positive.

    Raises:
        EmptyRegionError: no pixel is defined.
    """
    is_counted = pixels.dtype.kind in "iub" and pixels.dtype.itemsize <= _COUNTED_BYTES
    levels: _Levels = _Counted(pixels) if is_counted else _Sorted(pixels)
    if levels.size == 0:
        raise EmptyRegionError("no pixel of the region is defined")
    lowest, highest = levels.ranked(0), levels.ranked(levels.size - 1)
    median = _median(levels, 0, levels.size)
    scale = max(abs(lowest), abs(highest))
    scale = scale if scale > _LARGEST_SQUARED else 1.0
    mean, deviation = _moments(levels, 0, levels.size, median, scale)
    first, last = _clipped(levels, clip_sigma, median, deviation, scale)
    clipped_mean, clipped_deviation = _moments(levels, first, last, median, scale)
    return RegionStatistics(
        pixel_count=levels.size,
        undefined_count=pixels.size - levels.size,
        minimum=lowest,
        minimum_at=_first_at(pixels, lowest),
        maximum=highest,
        maximum_at=_first_at(pixels, highest),
        total=(mean / scale + median / scale) * levels.size * scale,
        mean=median + mean,
        median=median,
        standard_deviation=deviation,
        robust_sigma=SIGMA_PER_MAD * _median_distance(levels, median),
        clipped_count=last - first,
        clipped_mean=median + clipped_mean,
        clipped_median=_median(levels, first, last),
        clipped_standard_deviation=clipped_deviation,
    )


def ellipse(shape: tuple[int, int], *, columns: tuple[float, float], rows: tuple[float, float]) -> Mask:
    """Return which pixels of a region have their centres within an ellipse, or on its rim.

    Args:
        shape: (rows, columns) of the region.
        columns: where the ellipse begins and ends; pixel i covers [i, i + 1).
        rows: likewise.
    """
    (x, half_width), (y, half_height) = ((math.fsum(axis) / 2, abs(axis[1] - axis[0]) / 2) for axis in (columns, rows))
    if not half_width * half_height:
        return np.zeros(shape, bool)
    across = ((np.arange(shape[1]) + 0.5 - x) / half_width) ** 2
    up = ((np.arange(shape[0]) + 0.5 - y) / half_height) ** 2
    return np.asarray(across[None, :] + up[:, None] <= 1.0)


class _Levels(Protocol):
    """Values in rising order, of which each has a rank from 0."""

    size: int

    def ranked(self, rank: int) -> float:
        """Return the value of a rank."""
        ...

    def below(self, value: float, *, included: bool) -> int:
        """Return how many values are lower than one, or as high if they are `included`."""
        ...

    def parts(self, first: int, last: int) -> Iterator[tuple[Pixels, Pixels | float]]:
        """Yield the values of ranks from `first` to before `last` as floats, and how often each comes."""
        ...


class _Sorted:
    def __init__(self, pixels: Pixels) -> None:
        values = pixels.ravel().copy() if pixels.dtype.kind in "iub" else pixels[np.isfinite(pixels)]
        values.sort()
        self._values = values
        self.size = int(values.size)

    def ranked(self, rank: int) -> float:
        return float(self._values[rank])

    def below(self, value: float, *, included: bool) -> int:
        # numpy's own search would first make floats of all of them.
        return (bisect_right if included else bisect_left)(self._values, value, key=float)

    def parts(self, first: int, last: int) -> Iterator[tuple[Pixels, Pixels | float]]:
        for start in range(first, last, _CHUNK):
            yield self._values[start : min(start + _CHUNK, last)].astype(np.float64), 1.0


class _Counted:
    def __init__(self, pixels: Pixels) -> None:
        lowest = int(np.iinfo(pixels.dtype).min) if pixels.dtype.kind != "b" else 0
        count = 2 ** (8 * pixels.dtype.itemsize)
        counts = np.zeros(count, np.int64)
        for start, stop in bands(pixels.shape[0], _BAND_ROWS):
            counts += np.bincount(pixels[start:stop].ravel().astype(np.int64) - lowest, minlength=count)
        there = np.flatnonzero(counts)
        self._levels = (there + lowest).astype(np.float64)
        self._counts = counts[there].astype(np.float64)
        self._ends = np.cumsum(counts[there])
        self.size = int(self._ends[-1]) if there.size else 0

    def ranked(self, rank: int) -> float:
        return float(self._levels[np.searchsorted(self._ends, rank, side="right")])

    def below(self, value: float, *, included: bool) -> int:
        place = int(np.searchsorted(self._levels, value, side="right" if included else "left"))
        return int(self._ends[place - 1]) if place else 0

    def parts(self, first: int, last: int) -> Iterator[tuple[Pixels, Pixels | float]]:
        if first >= last:
            return
        begin = int(np.searchsorted(self._ends, first, side="right"))
        end = int(np.searchsorted(self._ends, last - 1, side="right")) + 1
        counts = self._counts[begin:end].copy()
        counts[0] = float(self._ends[begin] - first)
        counts[-1] -= float(self._ends[end - 1] - last)
        yield self._levels[begin:end], counts


def _moments(levels: _Levels, first: int, last: int, middle: float, scale: float) -> tuple[float, float]:
    """Return mean and standard deviation of the distances from a level, of the values of some ranks.

    From the median, so that squares of small differences do not drown in the square of the level; by `scale`, so that
    those of large ones stay in the range of floats.
    """
    total = squares = 0.0
    for values, counts in levels.parts(first, last):
        above = values / scale - middle / scale
        total += float((above * counts).sum())
        squares += float((above * above * counts).sum())
    mean = total / (last - first)
    return mean * scale, math.sqrt(max(squares / (last - first) - mean * mean, 0.0)) * scale


def _clipped(levels: _Levels, sigma: float, middle: float, deviation: float, scale: float) -> tuple[int, int]:
    """Return the ranks from the first value that is kept to after the last."""
    first, last = 0, levels.size
    for _ in range(_MOST_PASSES):
        reach = sigma * deviation
        low = max(first, levels.below(middle - reach, included=False))
        high = min(last, levels.below(middle + reach, included=True))
        if high - low in (0, last - first):
            break
        first, last = low, high
        middle = _median(levels, first, last)
        _, deviation = _moments(levels, first, last, middle, scale)
    return first, last


def _median(levels: _Levels, first: int, last: int) -> float:
    # Halved before they are added: the sum of two values near the largest float is infinite.
    return levels.ranked(first + (last - first - 1) // 2) / 2 + levels.ranked(first + (last - first) // 2) / 2


def _median_distance(levels: _Levels, middle: float) -> float:
    """Return the median of the distances from a level."""
    zero = levels.below(middle, included=False)
    ranks = {(levels.size - 1) // 2, levels.size // 2}
    return sum(_distance(levels, middle, zero, rank) / len(ranks) for rank in ranks)


def _distance(levels: _Levels, middle: float, zero: int, rank: int) -> float:
    """Return the distance of a rank, from 0, from a level below which there are `zero` values.

    By bisection of how many of the nearer ones are below it.
    """
    above = levels.size - zero
    fewest, most = max(0, rank - above), min(rank, zero)

    def down(number: int) -> float:
        return middle - levels.ranked(zero - 1 - number) if number < zero else math.inf

    def up(number: int) -> float:
        return levels.ranked(zero + number) - middle if number < above else math.inf

    while fewest < most:
        taken = (fewest + most) // 2
        if down(taken) < up(rank - taken - 1):
            fewest = taken + 1
        else:
            most = taken
    return min(down(fewest), up(rank - fewest))


def _first_at(pixels: Pixels, value: Any) -> tuple[int, int]:
    for start, stop in bands(pixels.shape[0], _BAND_ROWS):
        found = pixels[start:stop] == value
        if found.any():
            row, column = np.unravel_index(int(np.argmax(found)), found.shape)
            return start + int(row), int(column)
    raise AssertionError("the value was found among the pixels before")
