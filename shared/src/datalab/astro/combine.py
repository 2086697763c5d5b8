"""Combining aligned images pixel by pixel: many planes in, one plane out.

The median is found by a sorting network: a fixed list of compare-exchanges that does not depend on the data, so each
step is one `numpy.minimum` and one `numpy.maximum` over a band of rows that stays in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np

#: Bytes per value -> most planes for which the network is used; beyond, selection is faster. The work per pixel grows
#: with n (log n)^2 in the network and with n in selection, which numpy vectorises for 32 and 64 bits only. Measured on
#: x86-64 with AVX2: they meet at 170 planes of float64 and 450 of float32; with uint16 the network wins by 2 at 2000.
NETWORK_MAX_PLANES = {1: 2000, 2: 2000, 4: 450, 8: 170}

#: Bytes of one plane of a band: long enough to hide the cost of a numpy call (about 0.5 us), short enough for the
#: cache. Measured from 8 to 256 KiB, the optimum is flat around 64.
PLANE_BAND_BYTES = 64 * 1024

#: Bytes of the copy in which selection works, one pixel's values side by side so that it strides no memory.
SELECTION_BYTES = 1024 * 1024


class Exchange(NamedTuple):
    """Put planes `low` and `high` in order; a side that no later step reads is not written."""

    low: int
    high: int
    keep_low: bool
    keep_high: bool


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
    if stack.ndim != 3 or stack.shape[0] == 0:
        raise ValueError(f"a stack has the shape (planes, rows, columns) with at least one plane, not {stack.shape}")
    dtype = median_dtype(stack.dtype)
    if out is None:
        out = np.empty(stack.shape[1:], dtype)
    elif out.shape != stack.shape[1:] or out.dtype != dtype:
        raise ValueError(f"out must be {dtype} of shape {stack.shape[1:]}, not {out.dtype} of shape {out.shape}")

    planes, rows, columns = stack.shape
    by_network = planes <= NETWORK_MAX_PLANES.get(stack.itemsize, 0)
    median_band = _median_by_network if by_network else _median_by_selection
    band_rows = max(1, PLANE_BAND_BYTES // max(1, columns * stack.itemsize))
    # Infinities of both signs average to NaN, and two huge middle values to infinity, as in numpy.median.
    with np.errstate(invalid="ignore", over="ignore"):
        for first in range(0, rows, band_rows):
            band = slice(first, min(first + band_rows, rows))
            median_band(stack[:, band], out[band])
            if stack.dtype.kind == "f":
                _repair_undefined(stack[:, band], out[band])
    return out


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


@lru_cache(maxsize=64)
def median_network(planes: int) -> tuple[Exchange, ...]:
    """Return the exchanges that bring the one or two middle ranks of `planes` values to their places, in order.

    Batcher's odd-even merge sort without the exchanges, and the sides of exchanges, that no middle rank depends on.
    """
    needed = {(planes - 1) // 2, planes // 2}
    kept: list[Exchange] = []
    for low, high in reversed(list(_sort_exchanges(planes))):
        if low in needed or high in needed:
            kept.append(Exchange(low, high, low in needed, high in needed))
            needed |= {low, high}
    return tuple(reversed(kept))


def _sort_exchanges(planes: int) -> Iterator[tuple[int, int]]:
    """Yield a sorting network depth first, so that the planes of a small sub-sort are still in cache when merged.

    It is made for the next power of two; the planes beyond the last one count as infinite, so exchanges with them
    change nothing and are left out.
    """
    size = 1 << (planes - 1).bit_length()
    return ((low, high) for low, high in _sort(0, size) if high < planes)


def _sort(first: int, size: int) -> Iterator[tuple[int, int]]:
    if size > 1:
        half = size // 2
        yield from _sort(first, half)
        yield from _sort(first + half, half)
        yield from _merge(first, size, 1)


def _merge(first: int, size: int, distance: int) -> Iterator[tuple[int, int]]:
    """Merge the sorted halves of every `distance`-th plane of `size` planes starting at `first`."""
    step = 2 * distance
    if step < size:
        yield from _merge(first, size, step)
        yield from _merge(first + distance, size, step)
        yield from ((low, low + distance) for low in range(first + distance, first + size - distance, step))
    else:
        yield (first, first + distance)
