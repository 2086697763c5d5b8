"""Statistics of values of which some are not known (NaN), without warnings where none is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def over_known(statistic: Callable[..., Any], values: FloatArray, *, axis: int) -> FloatArray:
    """Reduce one axis of a table by `numpy.nanmedian`, `numpy.nanstd` ...; NaN where no value is known."""
    lines = np.moveaxis(values, axis, 0)
    known = np.isfinite(lines).any(axis=0)
    result = np.full(lines.shape[1], np.nan)
    if known.any():
        result[known] = statistic(lines[:, known], axis=0)
    return result


def median_of_known(values: FloatArray) -> float:
    """Return the median of the finite values, NaN if there is none."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else np.nan


def ratio(dividend: FloatArray, divisor: FloatArray) -> FloatArray:
    """Return the quotient, NaN where the divisor is not positive."""
    quotient: FloatArray = np.divide(
        dividend, divisor, out=np.full(np.broadcast_shapes(dividend.shape, divisor.shape), np.nan), where=divisor > 0.0
    )
    return quotient
