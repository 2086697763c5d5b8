"""The values of an image along a straight line."""

from __future__ import annotations

import math

import numpy as np

from datalab.astro.types import FloatArray, Pixels

#: What a sample beyond the image's pixels has: the archive's clients know it.
OUTSIDE = -1.0


class LineTooLongError(ValueError):
    """The line has far more samples than the image could fill."""


def line_profile(pixels: Pixels, start: tuple[float, float], end: tuple[float, float]) -> FloatArray:
    """Return samples about one pixel apart from `start` to `end`, both included, interpolated bilinearly.

    A sample beyond the outermost pixel centres is -1. One is NaN if a pixel that it depends on is.

    Args:
        pixels: shape (rows, columns), any real type; not modified.
        start: (row, column); pixel centres are whole numbers.
        end: likewise.

    Returns:
        ceil(length) + 1 values, in the units of the image.

    Raises:
        LineTooLongError: the line is more than twice as long as the image's diagonal.
    """
    rows, columns = pixels.shape
    length = math.dist(start, end)
    if length > 2 * math.hypot(rows, columns):
        raise LineTooLongError(f"a line of {length:.0f} pixels across an image of {columns} x {rows}")
    count = math.ceil(length) + 1
    row, column = (np.linspace(begin, stop, count) for begin, stop in zip(start, end, strict=True))
    inside = (row >= 0) & (row <= rows - 1) & (column >= 0) & (column <= columns - 1)
    profile = np.full(count, OUTSIDE)
    profile[inside] = _interpolated(pixels, row[inside], column[inside])
    return profile


def _interpolated(pixels: Pixels, row: FloatArray, column: FloatArray) -> FloatArray:
    lower, left = np.floor(row).astype(np.intp), np.floor(column).astype(np.intp)
    total = np.zeros(row.size)
    for row_index, row_weight in ((lower, 1 - (row - lower)), (lower + 1, row - lower)):
        for column_index, column_weight in ((left, 1 - (column - left)), (left + 1, column - left)):
            weight = row_weight * column_weight
            counts = weight > 0  # an undefined or missing pixel without weight changes nothing
            total[counts] += weight[counts] * pixels[row_index[counts], column_index[counts]].astype(np.float64)
    return total
