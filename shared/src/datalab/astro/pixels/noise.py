"""How much the pixels of an image scatter."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from datalab.astro.robust import SIGMA_PER_MAD
from datalab.astro.types import PixelRows, Pixels

#: Groups of rows, spread over the image, that the noise is measured in, and rows of each: a median of some 100000
#: differences is good to half a percent.
_GROUPS = 16
_GROUP_ROWS = 4
#: Columns between pixels that are compared: near enough to see the same sky, too far to share noise after resampling.
_DISTANCE_PX = 4


def pixel_noise(image: PixelRows) -> float:
    """Return the standard deviation of single pixels of the sky, in units of the image; NaN if all is blank.

    Taken from the median absolute difference of pixels that are close together, so that neither stars nor the slope of
    the sky count. Reads some rows only.
    """
    rows = image.shape[0]
    return _noise(image.rows(start, min(start + _GROUP_ROWS, rows)) for start in _group_starts(rows))


def array_noise(pixels: Pixels) -> float:
    """Return `pixel_noise` of an image in memory, shape (rows, columns)."""
    return _noise(pixels[start : start + _GROUP_ROWS] for start in _group_starts(pixels.shape[0]))


def _group_starts(rows: int) -> list[int]:
    return sorted({int(start) for start in np.linspace(0, max(0, rows - _GROUP_ROWS), _GROUPS)})


def _noise(groups: Iterable[Pixels]) -> float:
    differences = []
    for group in groups:
        pixels = group.astype(np.float64)
        with np.errstate(invalid="ignore"):  # infinity less infinity counts no more than one of them
            difference = pixels[:, _DISTANCE_PX:] - pixels[:, :-_DISTANCE_PX]
        differences.append(difference[np.isfinite(difference)])
    found = np.concatenate(differences)
    return SIGMA_PER_MAD * float(np.median(np.abs(found))) / math.sqrt(2) if found.size else math.nan
