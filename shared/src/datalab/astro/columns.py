"""Numbers from the columns of a catalogue, whatever was written into them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def has_numbers(table: Table, names: Iterable[str]) -> bool:
    """Tell whether a catalogue has all these columns, each with one number per row."""
    return not without_numbers(table, names)


def without_numbers(table: Table, names: Iterable[str]) -> list[str]:
    """Return which of these columns a catalogue does not have, or has as something else than one number per row."""
    return [name for name in names if not (name in table.colnames and _is_numeric(table, name))]


def floats(table: Table, name: str) -> FloatArray:
    """Return a column as numbers, shape (rows,); NaN where it is masked or infinite, and everywhere if it has none."""
    if not _is_numeric(table, name):
        return np.full(len(table), np.nan)
    numbers: FloatArray = np.ma.filled(np.ma.asarray(table[name]).astype(np.float64), np.nan)
    numbers[np.isinf(numbers)] = np.nan
    return numbers


def _is_numeric(table: Table, name: str) -> bool:
    return table[name].ndim == 1 and table[name].dtype.kind in "biuf"
