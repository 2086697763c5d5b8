"""How far two images on the same pixels are from showing the same sky."""

from __future__ import annotations

import math

import numpy as np
from astropy.wcs import WCS

from datalab.astro.sky.wcs import between
from datalab.astro.types import FloatArray

#: Places along each axis that are compared: corners, middle and between.
_PLACES = 5


def displacement_px(wcs: WCS, other: WCS) -> float:
    """Return the largest distance (pixels of `wcs`) between what the same pixel shows in two images.

    It is looked for where both have pixels, and infinite if the images share no sky.

    Args:
        wcs: with its `array_shape`, as `celestial_wcs` returns it.
        other: likewise.
    """
    if not (_sees(wcs, other) or _sees(other, wcs)):
        return math.inf
    rows, columns = (min(pair) for pair in zip(wcs.array_shape, other.array_shape, strict=True))
    x, y = _places((rows, columns))
    there_x, there_y = between(other, wcs)(x, y)
    distances = np.hypot(there_x - x, there_y - y)
    return float(np.max(distances)) if np.isfinite(distances).all() else math.inf


def _sees(wcs: WCS, other: WCS) -> bool:
    """Tell whether any of some places in an image lies on another one."""
    x, y = between(wcs, other)(*_places(wcs.array_shape))
    rows, columns = other.array_shape
    with np.errstate(invalid="ignore"):
        return bool(((x > -0.5) & (x < columns - 0.5) & (y > -0.5) & (y < rows - 0.5)).any())


def _places(shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    rows, columns = shape
    x, y = np.meshgrid(np.linspace(0.0, columns - 1.0, _PLACES), np.linspace(0.0, rows - 1.0, _PLACES))
    return x.ravel(), y.ravel()
