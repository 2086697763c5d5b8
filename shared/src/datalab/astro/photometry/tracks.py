"""The way of a moving target across the stars, through given positions.

Positions are ICRS degrees or unit vectors, times are MJD (UTC, days) of the middle of an exposure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import ArrayLike

from datalab.astro.photometry.target_positions import PositionError, TimedPosition
from datalab.astro.sky.cross_match import degrees, normalized, unit_vectors
from datalab.astro.types import FloatArray

#: Unit vectors, shape (n, 3).
Vectors = FloatArray
#: More curvature than a parabola's is not in a handful of positions.
_HIGHEST_DEGREE = 2
#: A plane that touches the sphere amid positions shows only those less than 90 degrees away.
_WIDEST_ARC_DEG = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A polynomial of time in the plane that touches the celestial sphere amid the positions it was fitted to.

    `axes` are three unit vectors, shape (3, 3): to the touching point, and along the two coordinates of the plane.
    `coefficients`, shape (degree + 1, 2), give these two for the days since `mjd_zero`. Between `first_mjd` and
    `last_mjd` the track interpolates `n_positions`.
    """

    axes: FloatArray
    coefficients: FloatArray
    mjd_zero: float
    first_mjd: float
    last_mjd: float
    n_positions: int

    @property
    def degree(self) -> int:
        return len(self.coefficients) - 1

    def directions(self, mjd: ArrayLike) -> Vectors:
        """Return where the target is, shape (times, 3)."""
        days = np.asarray(mjd, np.float64) - self.mjd_zero
        in_plane = polynomial.polyval(days, self.coefficients).T
        return normalized(self.axes[0] + in_plane @ self.axes[1:])

    def at(self, mjd: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return where the target is as right ascensions in [0, 360) and declinations, degrees, shape (times,)."""
        ra_deg, dec_deg = degrees(self.directions(mjd))
        ra_deg[ra_deg == 360.0] = 0.0  # what the remainder of a tiny negative angle is rounded to
        return ra_deg, dec_deg


def fit_track(positions: Sequence[TimedPosition]) -> Track:
    """Return the track through positions: the line through two, or the parabola that fits three or more best.

    Raises:
        PositionError: there are none, or two are more than 90 degrees apart.
    """
    if not positions:
        raise PositionError("There is no target position.")
    mjd, vectors = as_arrays(positions)
    if np.min(vectors @ vectors.T) < math.cos(math.radians(_WIDEST_ARC_DEG)):
        raise PositionError("The target positions are more than 90 degrees apart: no track leads through them.")
    return fitted(mjd, vectors)


def fitted(mjd: FloatArray, vectors: Vectors, weights: FloatArray | None = None) -> Track:
    """Return the track that fits positions best; `weights` multiply the residuals."""
    axes = _tangent_axes(vectors)
    towards = vectors @ axes[0]
    in_plane = (vectors @ axes[1:].T) / towards[:, np.newaxis]
    mjd_zero = float(mjd.mean())
    degree = min(np.unique(mjd).size - 1, _HIGHEST_DEGREE)
    return Track(
        axes=axes,
        coefficients=polynomial.polyfit(mjd - mjd_zero, in_plane, degree, w=weights),
        mjd_zero=mjd_zero,
        first_mjd=float(mjd.min()),
        last_mjd=float(mjd.max()),
        n_positions=mjd.size,
    )


def _tangent_axes(vectors: Vectors) -> FloatArray:
    """Return the mean direction and two unit vectors perpendicular to it and to each other, shape (3, 3)."""
    centre = normalized(vectors.mean(axis=0))
    across = np.zeros(3)
    across[np.argmin(np.abs(centre))] = 1.0  # nowhere near the centre, also at the poles
    first = normalized(np.cross(across, centre))
    return np.stack([centre, first, np.cross(centre, first)])


def as_arrays(positions: Sequence[TimedPosition]) -> tuple[FloatArray, Vectors]:
    vectors = unit_vectors([given.ra_deg for given in positions], [given.dec_deg for given in positions])
    return np.array([given.mjd for given in positions]), vectors
