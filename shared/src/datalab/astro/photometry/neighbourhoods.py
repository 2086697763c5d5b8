"""Pixels around positions, of all stars of an image at once: no loop goes over pixels.

Positions are in pixels, x along columns and y along rows: pixel i covers [i, i + 1), so its centre is i + 0.5 and a
0-based WCS position lies 0.5 lower. So it is in all of aperture photometry.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from datalab.astro.types import FloatArray, IntArray, Pixels

#: No point of a pixel is further than this from its centre.
HALF_DIAGONAL_PX = np.sqrt(0.5)
#: Stars are done in batches with at most this many pixels, so that a rich field does not fill the memory.
_BATCH_PIXELS = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """What is left of a point that moves during an exposure: a line, whose middle is the place; half of it, pixels.

    What is as far from it as a circle's radius is a pill: two half circles and what lies between.
    """

    half_x_px: float = 0.0
    half_y_px: float = 0.0

    @property
    def half_length_px(self) -> float:
        return float(np.hypot(self.half_x_px, self.half_y_px))

    def distances(self, dx: FloatArray, dy: FloatArray) -> FloatArray:
        """Return the distances from the line, given those from its middle; any shape."""
        along = self.half_length_px
        if along == 0.0:
            return np.hypot(dx, dy)
        unit_x, unit_y = self.half_x_px / along, self.half_y_px / along
        parallel = np.maximum(np.abs(dx * unit_x + dy * unit_y) - along, 0.0)
        distances: FloatArray = np.hypot(parallel, dy * unit_x - dx * unit_y)
        return distances


NO_TRAIL = Trail()


def positions(x: ArrayLike, y: ArrayLike) -> tuple[FloatArray, FloatArray]:
    return np.atleast_1d(np.asarray(x, np.float64)), np.atleast_1d(np.asarray(y, np.float64))


def offsets_between(nearest_px: float, furthest_px: float) -> tuple[IntArray, IntArray]:
    """Return the columns and rows, from the pixel with a position in it, of all pixels that far away or nearly so."""
    reach = int(np.ceil(furthest_px)) + 1
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    distance = np.hypot(columns, rows)
    wanted = (distance >= nearest_px) & (distance <= furthest_px)
    return columns[wanted], rows[wanted]


def pixels_around(
    pixels: Pixels, x: FloatArray, y: FloatArray, offsets: tuple[IntArray, IntArray]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the values of pixels around positions, and their centres' distances dx, dy from them, each (n, m)."""
    column, row = (np.floor(place).astype(np.int64)[:, None] for place in (x, y))
    dx = offsets[0] + (column + 0.5 - x[:, None])
    dy = offsets[1] + (row + 0.5 - y[:, None])
    return _values(pixels, (row, column), (offsets[1], offsets[0])), dx, dy


def boxes(pixels: Pixels, first: IntArray, width: int, centre: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the values of boxes (n, width + 1, width + 1) from `first` (n, 2) on, and dx, dy from `centre` (n, 2)."""
    steps = np.arange(width + 1)
    column, row = first[:, 0, None, None], first[:, 1, None, None]
    dx = steps + (column + 0.5 - centre[:, 0, None, None])
    dy = steps[:, None] + (row + 0.5 - centre[:, 1, None, None])
    return _values(pixels, (row, column), (steps[:, None], steps)), dx, dy


def _values(pixels: Pixels, start: tuple[IntArray, IntArray], steps: tuple[IntArray, IntArray]) -> FloatArray:
    """Return the pixels at start + steps (rows, columns each), NaN outside the image."""
    on_image = all(
        here.size == 0 or (here.min() + step.min() >= 0 and here.max() + step.max() < side)
        for here, step, side in zip(start, steps, pixels.shape, strict=True)
    )
    if on_image:  # by far the most; one index is faster than two
        side = pixels.shape[1]
        flat = (start[0] * side + start[1]) + (steps[0] * side + steps[1])
        found: FloatArray = np.take(pixels, flat).astype(np.float64)
        return found
    rows, columns = start[0] + steps[0], start[1] + steps[1]
    last_row, last_column = pixels.shape[0] - 1, pixels.shape[1] - 1
    values: FloatArray = pixels[rows.clip(0, last_row), columns.clip(0, last_column)].astype(np.float64)
    values[(rows < 0) | (rows > last_row) | (columns < 0) | (columns > last_column)] = np.nan
    return values


def batches(count: int, pixels_each: int) -> Iterator[slice]:
    """Cut `count` stars into parts, at least one, that fit in memory."""
    size = max(1, _BATCH_PIXELS // pixels_each)
    for start in range(0, max(count, 1), size):
        yield slice(start, start + size)
