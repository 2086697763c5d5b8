"""Choosing between the world coordinates an image has and those fitted to its stars: the result is never the worse one.

Tried are the coordinates as they are, their distortion under a new place, scale and rotation, and a fit of all anew.
More is changed only if the stars say so, by the F-test: what was solved with many stars, or with the distortion of the
optics known, is better than what few stars tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from astropy.wcs import WCS

from datalab.astro.sky.sip_fit import MOST_SIP_ORDER, coefficients_of, distances_arcsec, fit_sip_wcs, grid, is_better
from datalab.astro.sky.tangent_fit import PlaneError, fit_tangent_wcs
from datalab.astro.sky.wcs import pixel_scale_arcsec
from datalab.astro.types import FloatArray, Mask

#: A distortion of another convention is taken over if SIP tells it this well, pixels.
_SAME_DISTORTION_PX = 0.02
#: What is fitted has errors of its own, as large in the squares as what is gained by chance: with twice that a fit is
#: as right as what it replaces, on the average, with four times it nearly always is better.
_LEAST_GAIN = 4.0
#: Numbers of a place, scale and rotation, skewed: those of a matrix and a point.
_LINEAR_PARAMETERS = 6

How = Literal["fitted", "distortion kept", "kept"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Stars that are known in the image (x, y, 0-based) and on the sky (ICRS degrees), arrays of shape (n,)."""

    x: FloatArray
    y: FloatArray
    ra_deg: FloatArray
    dec_deg: FloatArray

    def distances_arcsec(self, wcs: WCS) -> FloatArray:
        """Return how far the stars are from where a WCS has them."""
        return distances_arcsec(wcs, self.x, self.y, self.ra_deg, self.dec_deg)

    def rows(self, which: Mask) -> Places:
        """Return some of them."""
        return Places(x=self.x[which], y=self.y[which], ra_deg=self.ra_deg[which], dec_deg=self.dec_deg[which])

    def squares(self, wcs: WCS) -> float:
        """Return the sum of squared distances, infinite for a WCS that does not hold there."""
        squares = float((self.distances_arcsec(wcs) ** 2).sum())
        return squares if np.isfinite(squares) else np.inf


def choose(fitted: WCS, order: int, before: WCS | None, places: Places, shape: tuple[int, int]) -> tuple[WCS, How]:
    """Return the best world coordinates of an image, and how they came to be.

    Args:
        fitted: those fitted to the places.
        order: of their distortion, 1 if there is none.
        before: those the image had, if any.
        places: the stars.
        shape: (rows, columns) of the image.
    """
    if before is None:
        return fitted, "fitted"
    measured = 2 * places.x.size
    best, how, squares, parameters = before, "kept", places.squares(before), 0
    moved = _moved(before, places, shape)
    tries: list[tuple[WCS, How, int]] = [] if moved is None else [(moved, "distortion kept", _LINEAR_PARAMETERS)]
    for wcs, name, count in [*tries, (fitted, "fitted", 2 * coefficients_of(order))]:
        improved = places.squares(wcs)
        added = max(1, count - parameters)
        if is_better(squares, improved, measured=measured, parameters=count, added=added, least_ratio=_LEAST_GAIN):
            best, how, squares, parameters = wcs, name, improved, count
    return best, how  # type: ignore[return-value]


def _moved(before: WCS, places: Places, shape: tuple[int, int]) -> WCS | None:
    """Return world coordinates with the distortion of others, fitted to the places; None if these have none."""
    if not _is_distorted(before, shape):
        return None
    undistorted = _without_distortion(before, shape)
    try:
        u, v = _undistorted(before, undistorted, places.x, places.y)
        linear = fit_tangent_wcs(u, v, places.ra_deg, places.dec_deg, shape)
        x, y = grid(shape)
        sky_ra_deg, sky_dec_deg = linear.all_pix2world(*_undistorted(before, undistorted, x, y), 0)
        moved = fit_sip_wcs(x, y, sky_ra_deg, sky_dec_deg, shape, order=MOST_SIP_ORDER)
    except (PlaneError, ValueError, np.linalg.LinAlgError):
        return None
    off_arcsec = distances_arcsec(moved, x, y, sky_ra_deg, sky_dec_deg).max()
    return moved if off_arcsec < _SAME_DISTORTION_PX * pixel_scale_arcsec(moved) else None


def _without_distortion(wcs: WCS, shape: tuple[int, int]) -> WCS:
    """Return the tangent plane that touches the sky at the middle of an image and agrees with it there."""
    x, y = np.array([-1.0, 1.0, -1.0, 1.0]) + (shape[1] - 1) / 2, np.array([-1.0, -1.0, 1.0, 1.0]) + (shape[0] - 1) / 2
    sky = wcs.pixel_to_world(x, y).icrs
    return fit_tangent_wcs(x, y, sky.ra.deg, sky.dec.deg, shape)


def _undistorted(wcs: WCS, plane: WCS, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    sky = wcs.pixel_to_world(x, y).icrs
    u, v = plane.all_world2pix(sky.ra.deg, sky.dec.deg, 0)
    return np.asarray(u), np.asarray(v)


def _is_distorted(wcs: WCS, shape: tuple[int, int]) -> bool:
    x, y = grid(shape)
    u, v = _undistorted(wcs, _without_distortion(wcs, shape), x, y)
    return bool(np.hypot(u - x, v - y).max() > _SAME_DISTORTION_PX)
