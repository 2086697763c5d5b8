"""Combining aligned images pixel by pixel: many planes in, one plane out.

All functions take a stack of shape (planes, rows, columns) and leave it as it is; NaN pixels are blank and do not
count; a pixel that is blank in every plane is NaN in the result. They work in bands of rows that stay in the
processor's cache.

The median is found by a sorting network: a fixed list of compare-exchanges that does not depend on the data, so each
step is one `numpy.minimum` and one `numpy.maximum` over a band.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from datalab.astro.pixels.median_network import median_network
from datalab.astro.robust import SIGMA_PER_MAD

#: Bytes per value -> most planes for which the network is used; beyond, selection is faster. The work per pixel grows
#: with n (log n)^2 in the network and with n in selection, which numpy vectorises for 32 and 64 bits only. Measured on
#: x86-64 with AVX2: they meet at 170 planes of float64 and 450 of float32; with uint16 the network wins by 2 at 2000.
NETWORK_MAX_PLANES = {1: 2000, 2: 2000, 4: 450, 8: 170}
#: Bytes of one plane of a band: long enough to hide the cost of a numpy call (about 0.5 us), short enough for the
#: cache. Measured from 8 to 256 KiB, the optimum is flat around 64.
PLANE_BAND_BYTES = 64 * 1024
#: Bytes of the copy in which selection works, one pixel's values side by side so that it strides no memory.
SELECTION_BYTES = 1024 * 1024
#: Pixels whose values are outliers among the others are looked at again without them, at most so often: from the third
#: time on fewer than one pixel in a thousand changes.
MOST_CLIPPINGS = 5
#: Standard deviation of a normal distribution in units of its mean absolute deviation, sqrt(pi / 2).
_SIGMA_PER_MEAN_DEVIATION = 1.2533141373155003
#: By how much the median absolute deviation of 2, 3, ... values is too small on average. C. Croux and P. J. Rousseeuw,
#: "Time-efficient algorithms for two highly robust estimators of scale", Computational Statistics 1, 411 (1992).
_FEW_VALUES_FACTORS = (1.0, 1.0, 1.196, 1.495, 1.363, 1.206, 1.200, 1.140, 1.129, 1.107)


def median_dtype(dtype: np.dtype) -> np.dtype:
    """Return the type of a median of `dtype`: float32 up to 16-bit integers and for float16/32, float64 otherwise.

    Raises:
        TypeError: `dtype` is not boolean, integer or floating.
    """
    if dtype.kind not in "biuf":
        raise TypeError(f"pixels of type {dtype} have no median")
    fits_float32 = dtype.itemsize <= (4 if dtype.kind == "f" else 2)
    return np.dtype(np.float32 if fits_float32 else np.float64)


def median_rows(stack: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return the median over the first axis; pixels that are NaN in some planes take the median of the others.

    Integers give exactly `numpy.median`, floats `numpy.nanmedian` (two middle values are averaged in the type of the
    result); a pixel that is NaN in every plane stays NaN. `stack` is not modified, and the extra memory is that of a
    few bands (64 KiB per plane), so a caller may hand over an image in bands of rows and run bands in parallel.

    Args:
        stack: planes of pixels, shape (planes, rows, columns), at least one plane.
        out: where to write, shape (rows, columns), type `median_dtype(stack.dtype)`; allocated if not given.

    Returns:
        `out`, in the units of `stack`.

    Raises:
        ValueError: a shape, or the type of `out`, is not as above.
        TypeError: the pixels are not boolean, integer or floating.

    References:
        K. E. Batcher, "Sorting networks and their applications", AFIPS Spring Joint Computing Conference, 1968.
    """
    _check(stack)
    dtype = median_dtype(stack.dtype)
    if out is None:
        out = np.empty(stack.shape[1:], dtype)
    elif out.shape != stack.shape[1:] or out.dtype != dtype:
        raise ValueError(f"out must be {dtype} of shape {stack.shape[1:]}, not {out.dtype} of shape {out.shape}")

    by_network = stack.shape[0] <= NETWORK_MAX_PLANES.get(stack.itemsize, 0)
    median_band = _median_by_network if by_network else _median_by_selection
    # Infinities of both signs average to NaN, and two huge middle values to infinity, as in numpy.median.
    with np.errstate(invalid="ignore", over="ignore"):
        for band in _bands(stack):
            median_band(stack[:, band], out[band])
            if stack.dtype.kind == "f":
                _repair_undefined(stack[:, band], out[band])
    return out


def sum_dtype(dtype: np.dtype, planes: int) -> np.dtype:
    """Return the type of a sum of `planes` values of `dtype`: float32 where it is exact, or as exact as the pixels are.

    Raises:
        TypeError: `dtype` is not boolean, integer or floating.
    """
    mean_dtype = median_dtype(dtype)
    if dtype.kind == "f":
        return mean_dtype
    highest = 1 if dtype.kind == "b" else max(abs(int(limit)) for limit in (np.iinfo(dtype).min, np.iinfo(dtype).max))
    is_exact = planes * highest <= 2 ** (np.finfo(np.float32).nmant + 1)
    return np.dtype(np.float32 if is_exact else np.float64)


class RunningSum:
    """Adds planes one at a time, for when there is no room for all of them; blank pixels do not count.

    `total` is the sum of values times their weights, `weight` that of the weights, both float64 of the given shape.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.total = np.zeros(shape)
        self.weight = np.zeros(shape)

    def add(self, plane: np.ndarray, weight: float = 1.0) -> None:
        """Add a plane of the shape (rows, columns)."""
        is_defined = ~np.isnan(plane)
        np.add(self.total, plane * np.float64(weight), out=self.total, where=is_defined)
        np.add(self.weight, weight, out=self.weight, where=is_defined)

    def sum(self) -> np.ndarray:
        """Return the sum, NaN where every plane was blank."""
        return np.where(self.weight > 0, self.total, np.nan)

    def average(self) -> np.ndarray:
        """Return the weighted mean, NaN where every plane was blank."""
        with np.errstate(invalid="ignore"):
            mean: np.ndarray = self.total / self.weight
        return mean


def sum_rows(stack: np.ndarray, *, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the sum over the first axis, type `sum_dtype`; a pixel that is blank in some planes lacks their light.

    With weights it is the weighted mean of the defined values times the number of planes: on the scale of the sum, and
    nothing is lacking.

    Args:
        stack: shape (planes, rows, columns), at least one plane; its type decides that of the result.
        weights: one for each plane, positive, on any scale.

    Raises:
        ValueError: a shape is not as above.
        TypeError: the pixels are not boolean, integer or floating.
    """
    out = np.empty(stack.shape[1:], sum_dtype(stack.dtype, len(stack)))
    for band, total, weight in _weighted_sums(stack, weights):
        total[weight == 0] = np.nan
        out[band] = total if weights is None else total / weight * len(stack)
    return out


def average_rows(stack: np.ndarray, *, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the mean, or weighted mean, of the defined values over the first axis, type `median_dtype`.

    Arguments and errors are those of `sum_rows`.
    """
    out = np.empty(stack.shape[1:], median_dtype(stack.dtype))
    with np.errstate(invalid="ignore"):  # nothing by nothing is blank
        for band, total, weight in _weighted_sums(stack, weights):
            out[band] = total / weight
    return out


def sigma_clipped_rows(stack: np.ndarray, *, sigma: float = 3.0, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the mean over the first axis of the values that are not outliers, type `median_dtype`.

    For each pixel, values further than `sigma` standard deviations from the median are left out, again and again until
    none is (at most `MOST_CLIPPINGS` times). The standard deviation is taken from the median absolute deviation, which
    up to half of the values being outliers does not change; where that is zero, as more than half of the values are
    equal, from the mean one. Infinite values are always outliers. Of two values none is ever left out.

    Args:
        stack: shape (planes, rows, columns), at least one plane.
        sigma: at least 1.
        weights: one for each plane, positive, on any scale; for the mean only.

    Raises:
        ValueError: `sigma` is less than 1, or a shape is not as above.
        TypeError: the pixels are not boolean, integer or floating.
    """
    if sigma < 1:  # or no value might be left
        raise ValueError(f"sigma must be at least 1, not {sigma}")
    out = average_rows(stack, weights=weights)
    reach = out.dtype.type(sigma * _sigma_per_mad(len(stack)))
    for band in _bands(stack):
        planes = stack[:, band]
        with np.errstate(invalid="ignore", over="ignore"):  # infinities; their pixels are not settled
            deviations = np.subtract(planes, median_rows(planes), dtype=out.dtype)
            np.abs(deviations, out=deviations)
            spread = median_rows(deviations)
            is_settled = (spread > 0) & (deviations.max(axis=0) <= reach * spread)
        rows, columns = np.nonzero(~is_settled)
        at_once = max(1, SELECTION_BYTES // (len(stack) * out.itemsize))
        for start in range(0, rows.size, at_once):
            some = rows[start : start + at_once], columns[start : start + at_once]
            values = planes[:, *some].T.astype(out.dtype, order="C")
            out[band][some] = _clipped_means(values, sigma, weights)
    return out


def _clipped_means(values: np.ndarray, sigma: float, weights: np.ndarray | None) -> np.ndarray:
    """Return the mean of each row of `values`, shape (pixels, planes), without outliers and what is not finite."""
    is_finite = np.isfinite(values)
    ordered = np.sort(np.where(is_finite, values, np.inf), axis=1)
    # What is kept of each row is a part of the ordered one, from `first` to before `stop`.
    first, stop = np.zeros(len(values), np.int32), np.count_nonzero(is_finite, axis=1).astype(np.int32)
    active = np.arange(len(values))
    for _ in range(MOST_CLIPPINGS):
        active = active[stop[active] - first[active] > 2]
        if active.size == 0:
            break
        before = stop[active] - first[active]
        first[active], stop[active] = _clip(ordered[active], first[active], stop[active], sigma)
        active = active[stop[active] - first[active] < before]
    lowest, highest = (_picked(ordered, ranks) for ranks in (first, np.maximum(stop - 1, 0)))
    is_kept = is_finite & (values >= lowest[:, np.newaxis]) & (values <= highest[:, np.newaxis])
    factors = np.ones(values.shape[1]) if weights is None else weights
    with np.errstate(invalid="ignore"):  # nothing by nothing is blank
        means: np.ndarray = (np.where(is_kept, values, 0) @ factors) / (is_kept @ factors)
    return means


def _clip(ordered: np.ndarray, first: np.ndarray, stop: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the new ends of the parts of ordered rows that lie within `sigma` standard deviations of their median."""
    ranks = np.arange(ordered.shape[1], dtype=np.int32)
    is_kept = (ranks >= first[:, np.newaxis]) & (ranks < stop[:, np.newaxis])
    kept = stop - first
    deviations = np.abs(ordered - _middle(ordered, first, kept)[:, np.newaxis])
    deviations[~is_kept] = np.inf
    spread = _middle(np.sort(deviations, axis=1), np.zeros_like(first), kept)
    factors = np.array([_sigma_per_mad(count) for count in range(ordered.shape[1] + 1)], ordered.dtype)
    limits = sigma * factors[kept] * spread
    if (equal := spread == 0).any():
        mean_deviations = np.sum(deviations[equal], axis=1, where=is_kept[equal]) / kept[equal]
        limits[equal] = sigma * _SIGMA_PER_MEAN_DEVIATION * mean_deviations
    is_within = deviations <= limits[:, np.newaxis]
    new_first = is_within.argmax(axis=1)
    return new_first, new_first + np.count_nonzero(is_within, axis=1)


def _middle(ordered: np.ndarray, first: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the median of `counts` values of each ordered row, from rank `first` on."""
    middle: np.ndarray = (_picked(ordered, first + (counts - 1) // 2) + _picked(ordered, first + counts // 2)) / 2
    return middle


def _picked(ordered: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    return np.take_along_axis(ordered, ranks[:, np.newaxis], axis=1)[:, 0]


def _sigma_per_mad(count: int) -> float:
    """Return the standard deviation of `count` normally distributed values by their median absolute deviation."""
    is_few = count < len(_FEW_VALUES_FACTORS)
    return SIGMA_PER_MAD * (_FEW_VALUES_FACTORS[count] if is_few else count / (count - 0.8))


def _weighted_sums(stack: np.ndarray, weights: np.ndarray | None) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yield bands of rows with the sum of their defined values and of the weights of these, both float64."""
    _check(stack)
    if weights is not None and weights.shape != stack.shape[:1]:
        raise ValueError(f"{len(stack)} planes need as many weights, not {weights.shape}")
    for band in _bands(stack):
        yield band, *_weighted_sum(stack[:, band], weights)


@np.errstate(invalid="ignore", over="ignore")
def _weighted_sum(planes: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    factors = np.ones(len(planes)) if weights is None else weights
    total = np.zeros(planes.shape[1:])
    for plane, factor in zip(planes, factors, strict=True):
        total += plane if weights is None else plane * factor
    weight = np.full(planes.shape[1:], factors.sum())
    has_blank = np.isnan(total)
    if has_blank.any():
        running = RunningSum((1, int(np.count_nonzero(has_blank))))
        for plane, factor in zip(planes, factors, strict=True):
            running.add(plane[has_blank][np.newaxis], factor)
        total[has_blank], weight[has_blank] = running.total[0], running.weight[0]
    return total, weight


def _bands(stack: np.ndarray) -> Iterator[slice]:
    """Yield bands of rows, each as large as `PLANE_BAND_BYTES` allows."""
    _, rows, columns = stack.shape
    height = max(1, PLANE_BAND_BYTES // max(1, columns * stack.itemsize))
    for first in range(0, rows, height):
        yield slice(first, min(first + height, rows))


def _check(stack: np.ndarray) -> None:
    if stack.ndim != 3 or stack.shape[0] == 0:
        raise ValueError(f"a stack has the shape (planes, rows, columns) with at least one plane, not {stack.shape}")


def _median_by_network(stack: np.ndarray, out: np.ndarray) -> None:
    """Write the median of a band; a NaN in any plane reaches the result, as every plane has a path to the middle."""
    planes = stack.shape[0]
    lanes = list(stack)
    # Two more than lanes: an exchange writes both sides before it releases what it read.
    free = list(np.empty((planes + 2, *stack.shape[1:]), stack.dtype))
    owned = [False] * planes
    for low, high, keep_low, keep_high in median_network(planes):
        left, right = lanes[low], lanes[high]
        if keep_low:
            lanes[low] = np.minimum(left, right, out=free.pop())
        if keep_high:
            lanes[high] = np.maximum(left, right, out=free.pop())
        if owned[low]:
            free.append(left)
        if owned[high]:
            free.append(right)
        owned[low], owned[high] = keep_low, keep_high
    _write_mean(lanes[(planes - 1) // 2], lanes[planes // 2], out, is_one=planes % 2 == 1)


def _median_by_selection(stack: np.ndarray, out: np.ndarray) -> None:
    """Write the median of a band, NaN where any plane is NaN."""
    planes, rows, columns = stack.shape
    lower, upper = (planes - 1) // 2, planes // 2
    pixels_at_once = max(1, SELECTION_BYTES // (planes * stack.itemsize))
    for row, first in product(range(rows), range(0, columns, pixels_at_once)):
        run = slice(first, first + pixels_at_once)
        pixels = stack[:, row, run].T.copy()
        pixels.partition(upper, axis=1)  # one rank only: numpy has no vector code for two
        below = pixels[:, upper] if lower == upper else pixels[:, :upper].max(axis=1)
        _write_mean(below, pixels[:, upper], out[row, run], is_one=lower == upper)
        if stack.dtype.kind == "f":
            out[row, run][np.isnan(pixels).any(axis=1)] = np.nan


def _write_mean(lower: np.ndarray, upper: np.ndarray, out: np.ndarray, *, is_one: bool) -> None:
    np.copyto(out, lower, casting="unsafe")
    if not is_one:
        out += upper
        out *= 0.5


def _repair_undefined(stack: np.ndarray, out: np.ndarray) -> None:
    """Replace the NaN of a band's result by the median of the planes that are defined there."""
    undefined = np.isnan(out)
    if not undefined.any():
        return
    values = np.sort(stack[:, undefined], axis=0).astype(out.dtype)  # NaN sorts last
    defined = np.count_nonzero(~np.isnan(values), axis=0)
    ranks = np.maximum(np.stack([(defined - 1) // 2, defined // 2]), 0)
    lower, upper = np.take_along_axis(values, ranks, axis=0)
    out[undefined] = np.where(defined % 2 == 1, lower, (lower + upper) * 0.5)
