"""What the linear part of world coordinates leaves out, as polynomials that programs without WCSLIB can evaluate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS

from datalab.astro.sky.positions import LinearWcs, sky_positions
from datalab.astro.sky.tangent_fit import to_plane
from datalab.astro.types import FloatArray

#: SIP of up to this order is told as it is; what other conventions and projections do is so to 0.01 pixels on images
#: of a few degrees.
ORDER = 5
#: Points along each axis that the polynomials are fitted to, and that they are compared at.
_FITTED_POINTS, _COMPARED_POINTS = 25, 41
#: Places along each axis by which departures are judged: they are largest at edges and corners.
_LOOKED_AT = 9
#: Less is no distortion.
_LEAST_PX = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Distortion:
    """How far from its place each pixel has to be taken for the linear part (gnomonic) to tell its position.

    The shift of pixel (x, y), which count from 1, is the sum of `shift_x[i][j] * u**i * v**j` (`shift_y` likewise) with
    u = (x - centre[0]) / unit_px and v = (y - centre[1]) / unit_px. `accuracy_px` is the largest error of it.
    """

    centre: tuple[float, float]
    unit_px: float
    shift_x: FloatArray
    shift_y: FloatArray
    accuracy_px: float


def distortion_of(wcs: WCS, linear: LinearWcs, shape: tuple[int, int]) -> Distortion | None:
    """Return what the linear part lacks on an image; None if that is nothing.

    Where the image reaches beyond the half of the sky around CRVAL, `accuracy_px` is infinite.

    Args:
        wcs: celestial, two axes.
        linear: its linear part.
        shape: (rows, columns) of the image.
    """
    rows, columns = shape
    centre, unit = ((columns + 1) / 2, (rows + 1) / 2), max(rows, columns) / 2
    powers = [(i, j) for i in range(ORDER + 1) for j in range(ORDER + 1 - i)]
    coefficients = np.zeros((2, ORDER + 1, ORDER + 1))

    def left_out(points: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        x, y = _grid(shape, points)
        return (x - centre[0]) / unit, (y - centre[1]) / unit, _shifts(wcs, linear, x, y)

    u, v, shifts = left_out(_FITTED_POINTS)
    known = np.isfinite(shifts).all(axis=0)
    if known.all() and np.abs(shifts).max() < _LEAST_PX:
        return None
    if np.count_nonzero(known) >= len(powers):
        terms = np.column_stack([u**i * v**j for i, j in powers])
        fitted = np.linalg.lstsq(terms[known], shifts.T[known], rcond=None)[0]
        coefficients[:, *np.transpose(powers)] = fitted.T
    u, v, shifts = left_out(_COMPARED_POINTS)
    errors = [
        shift - np.polynomial.polynomial.polyval2d(u, v, c) for shift, c in zip(shifts, coefficients, strict=True)
    ]
    largest = float(np.max(np.hypot(*errors)))
    return Distortion(
        centre=centre,
        unit_px=unit,
        shift_x=coefficients[0],
        shift_y=coefficients[1],
        accuracy_px=largest if math.isfinite(largest) else math.inf,
    )


def departure_px(wcs: WCS, linear: LinearWcs, shape: tuple[int, int]) -> float | None:
    """Return how far positions on an image are at most from where the linear part has them, in pixels.

    None if nothing of the image is on the sky; `shape` is its rows and columns.
    """
    away = np.hypot(*_shifts(wcs, linear, *_grid(shape, _LOOKED_AT)))
    known = away[np.isfinite(away)]
    return float(known.max()) if known.size else None


def _grid(shape: tuple[int, int], points: int) -> tuple[FloatArray, FloatArray]:
    """Return x and y of so many places along each axis of an image, from its first pixel, 1, to its last."""
    rows, columns = shape
    x, y = np.meshgrid(np.linspace(1, columns, points), np.linspace(1, rows, points))
    return x.ravel(), y.ravel()


def _shifts(wcs: WCS, linear: LinearWcs, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return how far pixels, counted from 1, are from where the linear part has their positions; shape (2, n)."""
    east_north = np.array(to_plane(*sky_positions(wcs, x - 1, y - 1), linear.crval))
    there = np.linalg.solve(np.array([linear.cd1, linear.cd2]), east_north) + np.array(linear.crpix)[:, None]
    return np.asarray(there - np.array([x, y]))
