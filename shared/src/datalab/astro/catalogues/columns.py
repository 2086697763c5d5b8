"""Numbers from the columns of a catalogue, whatever was written into them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from astropy.table import Table

from datalab.astro.types import FloatArray

#: The Sun has -27; catalogues have 99 or 999 where they know no magnitude.
_MOST_MAG = 90.0


class CatalogueError(ValueError):
    """A catalogue cannot be used; the text says why."""


def has_numbers(table: Table, names: Iterable[str]) -> bool:
    """Tell whether a catalogue has all these columns, each with one number per row."""
    return not without_numbers(table, names)


def without_numbers(table: Table, names: Iterable[str]) -> list[str]:
    """Return which of these columns a catalogue does not have, or has as something else than one number per row."""
    return [name for name in names if not (name in table.colnames and _is_numeric(table, name))]


def require_columns(table: Table, names: Iterable[str]) -> None:
    """Raise `CatalogueError` that names the columns `table` does not have, or not as numbers."""
    if missing := without_numbers(table, names):
        raise CatalogueError(f"its source catalogue has no column {', '.join(missing)}")


def floats(table: Table, name: str) -> FloatArray:
    """Return a column as numbers, shape (rows,); NaN where it is masked or infinite, and everywhere if it has none."""
    if not _is_numeric(table, name):
        return np.full(len(table), np.nan)
    numbers: FloatArray = np.ma.filled(np.ma.asarray(table[name]).astype(np.float64), np.nan)
    numbers[np.isinf(numbers)] = np.nan
    return numbers


def sky_positions(table: Table) -> tuple[FloatArray, FloatArray]:
    """Return the columns ra and dec (degrees), each of shape (rows,); NaN for what is no place on the sky."""
    ra, dec = floats(table, "ra"), floats(table, "dec")
    nowhere = ~((np.abs(ra) <= 360.0) & (np.abs(dec) <= 90.0))
    ra[nowhere], dec[nowhere] = np.nan, np.nan
    return ra, dec


def magnitudes(table: Table, name: str) -> FloatArray:
    """Return a column as magnitudes, shape (rows,); like `floats`, and NaN for what no source has."""
    found = floats(table, name)
    found[np.abs(found) > _MOST_MAG] = np.nan
    return found


def _is_numeric(table: Table, name: str) -> bool:
    return table[name].ndim == 1 and table[name].dtype.kind in "biuf"
