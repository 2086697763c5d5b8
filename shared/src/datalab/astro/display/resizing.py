"""Images with as many pixels as a screen has.

A position on a display is in its pixels, from the left and from the bottom edge of the picture, so that pixel i covers
[i, i + 1). An image of `columns` x `rows` pixels fills a display of `width` x `height`, whatever their ratios.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datalab.astro.types import Picture, Pixels

#: Of a picture that is not square, what clients need. A strip more than sixteen times as long as wide is not enlarged
#: as much: it would be hundreds of megabytes to draw.
_SHORTEST_SIDE_PX = 1024
_LONGEST_SIDE_PX = 16 * 1024


@dataclass(frozen=True, slots=True)
class DisplayScale:
    """How many image pixels one display pixel spans, along x (columns) and y (rows)."""

    x: float
    y: float

    @classmethod
    def of(cls, shape: tuple[int, int], *, width: float, height: float) -> DisplayScale:
        """Return the scale of an image of `shape` (rows, columns) on a display of `width` x `height` pixels."""
        rows, columns = shape
        return cls(x=columns / width, y=rows / height)

    @property
    def radius(self) -> float:
        """Image pixels per display pixel for lengths without direction: a circle keeps its area."""
        return math.sqrt(self.x * self.y)


def enlarged_picture(picture: Picture) -> Picture:
    """Return a picture with every pixel so many times that clients can show it; the same one if they can already.

    They draw the centre of pictures that are not square from a canvas of 1024 pixels, which it must fill.
    """
    short, long = sorted(picture.shape[:2])
    if short == long or short >= _SHORTEST_SIDE_PX:
        return picture
    times = max(1, min(-(-_SHORTEST_SIDE_PX // short), _LONGEST_SIDE_PX // long))
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def area_resized(pixels: Pixels, shape: tuple[int, int]) -> NDArray[np.floating]:
    """Return an image with another number of pixels, each the mean of what it covers of the old ones.

    Undefined pixels (NaN, infinite) are left out of the means; a mean of nothing else is NaN. Sides are scaled each by
    itself. Enlarged, old pixels become rectangles whose shared edges are mixed.

    Args:
        pixels: shape (rows, columns), any real type; not modified, and read in bands, so that it may lie on disk.
        shape: of the result, each side at least 1.

    Returns:
        Shape `shape`, float32 for up to 16-bit integers and float32, else float64.
    """
    working_type = np.result_type(pixels.dtype, np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        resized = _resized_both(pixels, shape, working_type)
        if np.isfinite(resized).all():
            return resized
        defined = np.isfinite(pixels)
        total = _resized_both(np.where(defined, pixels, 0), shape, working_type)
        covered = _resized_both(defined, shape, working_type)
        return np.where(covered > 0, total / covered, np.nan).astype(working_type)


def _resized_both(pixels: Pixels, shape: tuple[int, int], working_type: np.dtype) -> NDArray[np.floating]:
    fewer_rows = _resized_rows(pixels, shape[0], working_type)
    return np.ascontiguousarray(_resized_rows(np.ascontiguousarray(fewer_rows.T), shape[1], working_type).T)


def _resized_rows(pixels: Pixels, count: int, working_type: np.dtype) -> NDArray[np.floating]:
    """Return `count` rows, each the weighted mean of those it covers.

    The overlaps are counted in whole `count`-ths of a row: rounding must not let a row weigh in that only touches.
    """
    rows = pixels.shape[0]
    resized = np.empty((count, pixels.shape[1]), working_type)
    for row in range(count):
        begin, end = row * rows, (row + 1) * rows
        first, last = begin // count, -(-end // count)
        edges = np.arange(first, last + 1) * count
        overlaps = np.minimum(edges[1:], end) - np.maximum(edges[:-1], begin)
        np.matmul((overlaps / rows).astype(working_type), pixels[first:last].astype(working_type), out=resized[row])
    return resized
