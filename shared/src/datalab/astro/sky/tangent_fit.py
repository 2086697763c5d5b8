"""Fitting world coordinates to places known both in pixels and on the sky."""

from __future__ import annotations

import math

import numpy as np
from astropy.wcs import WCS

from datalab.astro.sky.cross_match import unit_vectors
from datalab.astro.types import FloatArray

#: Places that fix the six numbers of a linear WCS.
LEAST_PLACES = 3

#: The tangent point is moved to the fitted centre until it stays; each time its error shrinks by orders of magnitude.
_PASSES = 3


class PlaneError(ValueError):
    """Places on the sky do not fit on one tangent plane, or are too few."""


def to_plane(ra_deg: FloatArray, dec_deg: FloatArray, centre: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
    """Return gnomonic standard coordinates (eastward, northward) in degrees; NaN half the sky away from the centre.

    Args:
        ra_deg: of the places, any shape.
        dec_deg: of the same shape.
        centre: (right ascension, declination) of the tangent point in degrees.

    References:
        M. R. Calabretta and E. W. Greisen, A&A 395, 1077 (2002), section 5.1.3.
    """
    delta, dec = np.radians(np.asarray(ra_deg) - centre[0]), np.radians(dec_deg)
    sin_centre, cos_centre = np.sin(np.radians(centre[1])), np.cos(np.radians(centre[1]))
    depth = np.sin(dec) * sin_centre + np.cos(dec) * cos_centre * np.cos(delta)
    depth = np.where(depth > 0, depth, np.nan)
    east = np.cos(dec) * np.sin(delta) / depth
    north = (np.sin(dec) * cos_centre - np.cos(dec) * sin_centre * np.cos(delta)) / depth
    return np.degrees(east), np.degrees(north)


def from_plane(
    east_deg: FloatArray, north_deg: FloatArray, centre: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    """Return right ascension in [0, 360) and declination, in degrees, of standard coordinates; undoes `to_plane`."""
    east, north = np.radians(east_deg), np.radians(north_deg)
    sin_centre, cos_centre = np.sin(np.radians(centre[1])), np.cos(np.radians(centre[1]))
    outward = cos_centre - north * sin_centre
    ra = centre[0] + np.degrees(np.arctan2(east, outward))
    dec = np.degrees(np.arctan2(sin_centre + north * cos_centre, np.hypot(east, outward)))
    return ra % 360.0, dec


def fit_tangent_wcs(
    x: FloatArray, y: FloatArray, ra_deg: FloatArray, dec_deg: FloatArray, shape: tuple[int, int]
) -> WCS:
    """Return the undistorted TAN WCS (ICRS) that fits places best, in the sense of least squares on the sky.

    Its reference point is the middle of the image.

    Args:
        x: 0-based columns of at least three places that are not in line.
        y: their rows.
        ra_deg: their right ascensions.
        dec_deg: their declinations.
        shape: (rows, columns) of the image.

    Raises:
        PlaneError: the places are too few, in line, or on opposite sides of the sky.
    """
    middle_x, middle_y = (shape[1] - 1) / 2, (shape[0] - 1) / 2
    pixels = np.column_stack([np.asarray(x) - middle_x, np.asarray(y) - middle_y, np.ones(np.size(x))])
    if np.linalg.matrix_rank(pixels) < LEAST_PLACES:
        raise PlaneError("world coordinates need three places that are not in line")
    towards_x, towards_y, towards_z = unit_vectors(ra_deg, dec_deg).mean(axis=0)
    centre = (
        math.degrees(math.atan2(towards_y, towards_x)),
        math.degrees(math.atan2(towards_z, math.hypot(towards_x, towards_y))),
    )
    matrix = np.zeros((3, 2))
    for _ in range(_PASSES):
        plane = np.column_stack(to_plane(ra_deg, dec_deg, centre))
        if not np.isfinite(plane).all():
            raise PlaneError("the places lie too far apart on the sky for one plane")
        matrix = np.asarray(np.linalg.lstsq(pixels, plane, rcond=None)[0], np.float64)
        ra, dec = from_plane(matrix[2, 0], matrix[2, 1], centre)
        centre = (float(ra), float(dec))
    wcs = tangent_wcs(centre, matrix[:2].T, crpix=(middle_x + 1, middle_y + 1))
    wcs.array_shape = shape
    return wcs


def tangent_wcs(centre: tuple[float, float], matrix: FloatArray, *, crpix: tuple[float, float]) -> WCS:
    """Return the TAN WCS (ICRS) with this tangent point (degrees), CD matrix and 1-based reference pixel."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.crval = centre
    wcs.wcs.cd = matrix
    wcs.wcs.crpix = crpix
    wcs.wcs.set()
    return wcs
