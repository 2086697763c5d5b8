"""The grid of pixels that several images have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from astropy.coordinates import CartesianRepresentation, UnitSphericalRepresentation
from astropy.wcs import WCS, Sip

from datalab.astro.sky.tangent_fit import tangent_wcs
from datalab.astro.sky.wcs import outline, pixel_scale_arcsec

#: So much of an outermost pixel may be missing from a grid around images.
_EDGE_TOLERANCE_PX = 0.01


class WcsError(ValueError):
    """World coordinates cannot be used together; the text is for users."""


def common_wcs(
    wcses: Sequence[WCS], shapes: Sequence[tuple[int, int]], *, rotation_deg: float = 0.0
) -> tuple[WCS, tuple[int, int]]:
    """Return the smallest gnomonic (TAN) grid around all images, and its shape (rows, columns).

    East is to the left of north, the scale is that of the finest image, the tangent point is the mean of all corners.

    Args:
        wcses: of the images, at least one.
        shapes: (rows, columns) of each.
        rotation_deg: position angle, from north through east, in which rows grow; 0 is north up.

    Raises:
        WcsError: the images lie too far apart on the sky for one plane.

    References:
        M. R. Calabretta and E. W. Greisen, A&A 395, 1077 (2002), section 5.1.3.
    """
    corners = [outline(wcs, shape, points_per_side=1) for wcs, shape in zip(wcses, shapes, strict=True)]
    directions = np.concatenate([sky.cartesian.xyz.value for sky in corners], axis=1)
    centre = CartesianRepresentation(directions.mean(axis=1)).represent_as(UnitSphericalRepresentation)
    scale_deg = min(map(pixel_scale_arcsec, wcses)) / 3600.0
    cosine, sine = np.cos(np.radians(rotation_deg)), np.sin(np.radians(rotation_deg))

    mosaic = tangent_wcs(
        (centre.lon.deg, centre.lat.deg), scale_deg * np.array([[-cosine, sine], [sine, cosine]]), crpix=(1.0, 1.0)
    )

    outlines = [outline(wcs, shape) for wcs, shape in zip(wcses, shapes, strict=True)]
    x, y = np.concatenate([np.array(mosaic.world_to_pixel(sky)) for sky in outlines], axis=1)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise WcsError("the images lie too far apart on the sky to be put on one plane")
    columns, rows = (math.ceil(float(np.ptp(side)) - _EDGE_TOLERANCE_PX) for side in (x, y))
    mosaic.wcs.crpix = [0.5 - x.min(), 0.5 - y.min()]  # the outermost edge becomes that of the first pixel
    mosaic.wcs.set()
    mosaic.array_shape = (rows, columns)
    return mosaic, (rows, columns)


def moved_origin(wcs: WCS, *, x_start: int, y_start: int, shape: tuple[int, int]) -> WCS:
    """Return the WCS of the part of an image that begins at column `x_start`, row `y_start` (counted from 0)."""
    moved = wcs.deepcopy()
    moved.wcs.crpix = moved.wcs.crpix - [x_start, y_start]
    if moved.sip is not None:
        moved.sip = Sip(moved.sip.a, moved.sip.b, moved.sip.ap, moved.sip.bp, moved.wcs.crpix)
    moved.wcs.set()
    moved.array_shape = shape
    return moved
