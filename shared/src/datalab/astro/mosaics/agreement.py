"""Whether images show the same places in the same pixels, by their world coordinates."""

from __future__ import annotations

import numpy as np
from astropy.wcs import WCS

from datalab.astro.sky.wcs import between

_POINTS_PER_AXIS = 9


def largest_offset_px(wcs: WCS, reference: WCS, shape: tuple[int, int]) -> float:
    """Return how far apart two images show the same place, where it is worst, in pixels of the second one.

    0 for images on the same grid; infinite where one shows what the other's projection cannot. Images that are
    combined pixel by pixel should differ by less than a star is wide.

    Args:
        wcs: of one image.
        reference: of the other.
        shape: (rows, columns) of the pixels, from the first on, that are combined.
    """
    rows, columns = (np.linspace(0.0, length - 1.0, _POINTS_PER_AXIS) for length in shape)
    x, y = (axis.ravel() for axis in np.meshgrid(columns, rows))
    there_x, there_y = between(wcs, reference)(x, y)
    offset_px = np.hypot(there_x - x, there_y - y)
    return float(offset_px.max()) if np.isfinite(offset_px).all() else float("inf")
