"""Arithmetic between whole images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from datalab.astro.types import Pixels

#: Integers of at most this many bytes are counted by value, which takes a third of the time of sorting them.
_COUNTED_BYTES = 2
#: `numpy.bincount` makes integers of 8 bytes of what it counts: so many fit a processor's cache.
_COUNTED_AT_ONCE = 2**18


def exact_dtype(*dtypes: np.dtype[Any]) -> np.dtype[Any]:
    """Return the floating type in which sums, differences and quotients of pixels of these types are formed.

    float32 for integers of up to 16 bits and for float16/32, which it holds exactly; else float64.

    Raises:
        TypeError: a type is not boolean, integer or floating.
    """
    for dtype in dtypes:
        if dtype.kind not in "biuf":
            raise TypeError(f"pixels of type {dtype} are no numbers")
    return np.result_type(np.float32, *dtypes)


def image_median(pixels: Pixels) -> float:
    """Return the median of the defined (not NaN) pixels, in their units; NaN if none is defined.

    Args:
        pixels: any shape, boolean, integer or floating; not modified.
    """
    if pixels.size == 0:
        return float("nan")
    if pixels.dtype.kind == "u" and pixels.dtype.itemsize <= _COUNTED_BYTES:
        return _median_by_counting(pixels)
    if pixels.dtype.kind == "f" and np.isnan(pixels.min()):
        pixels = pixels[~np.isnan(pixels)]
    if not pixels.size:
        return float("nan")
    with np.errstate(over="ignore", invalid="ignore"):
        median = float(np.median(pixels))
        # Of an even number the two in the middle are added up, and their sum may be beyond float32.
        return float(np.median(pixels.astype(np.float64))) if math.isinf(median) else median


def _median_by_counting(pixels: Pixels) -> float:
    counts = np.zeros(np.iinfo(pixels.dtype).max + 1, np.int64)
    flat = pixels.ravel()
    for start in range(0, flat.size, _COUNTED_AT_ONCE):
        counts += np.bincount(flat[start : start + _COUNTED_AT_ONCE], minlength=counts.size)
    below = np.cumsum(counts)
    ranks = [(pixels.size - 1) // 2, pixels.size // 2]
    lower, upper = np.searchsorted(below, ranks, side="right")
    return float(lower + upper) / 2
