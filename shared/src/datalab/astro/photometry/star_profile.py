"""How the light of a frame's stars is spread over pixels, found from the stars themselves.

Positions are counted as in `neighbourhoods`: the centre of pixel [0, 0] is (0.5, 0.5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from datalab.astro.photometry.neighbourhoods import NO_TRAIL, Trail, offsets_between, pixels_around
from datalab.astro.robust import SIGMA_PER_MAD, medians_of_known
from datalab.astro.types import FloatArray, Pixels

#: Width of the rings the profile is taken in; less would leave rings of a few stars empty.
_RING_PX = 0.5
#: Beyond the aperture the profile goes on for so many of its radii: boxes of centroids have corners.
_REACH = 1.5
#: Sigma, in radii of the aperture, assumed where no star shows it: apertures hold nearly all of a star's light.
_ASSUMED_SIGMA = 1 / 3
#: Smaller apertures hold a part of one pixel.
_LEAST_APERTURE_PX = 0.5
#: How often stars are scaled by the profile and the profile found from them; pixels with more than this share of the
#: brightest one's light scale a star.
_PASSES, _CORE = 3, 0.2
#: No star's light is longer than this many times its width, but for trails, which have a treatment of their own.
_MOST_ELONGATION = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StarProfile:
    """The share of a star's light per pixel, by distance from its centre.

    `radius_px` (rising) and `share`, shape (rings,), and `scatter`, how much the shares of stars differ from it (one
    sigma). Rings are ellipses: `shape_matrix` (2, 2), of determinant 1, makes squares of radii of x and y offsets.
    `n_stars` it was found from, 0 if it is assumed.
    """

    radius_px: FloatArray
    share: FloatArray
    scatter: FloatArray
    shape_matrix: FloatArray
    n_stars: int

    @classmethod
    def assumed(cls, aperture_px: float) -> StarProfile:
        """Return a round Gaussian that fits into an aperture."""
        aperture_px = max(aperture_px, _LEAST_APERTURE_PX)
        sigma = _ASSUMED_SIGMA * aperture_px
        radius = np.arange(0.0, _REACH * aperture_px + _RING_PX, _RING_PX)
        share = np.exp(-0.5 * (radius / sigma) ** 2) / (2 * math.pi * sigma**2)
        return cls(radius_px=radius, share=share, scatter=np.zeros_like(share), shape_matrix=np.identity(2), n_stars=0)

    @property
    def fwhm_px(self) -> float:
        """Full width at half maximum, the geometric mean of that along and across."""
        below = np.flatnonzero(self.share < 0.5 * self.share[0])
        if not below.size:
            return 2.0 * float(self.radius_px[-1])
        outer = int(below[0])
        radii, shares = self.radius_px[outer - 1 : outer + 1], self.share[outer - 1 : outer + 1]
        return 2.0 * float(np.interp(-0.5 * self.share[0], -shares, radii))

    def widths_px(self, unit_x: float, unit_y: float) -> tuple[float, float]:
        """Return the full widths at half maximum along a direction, and across it."""
        along, across = np.array([unit_x, unit_y]), np.array([-unit_y, unit_x])
        inverse = np.linalg.inv(self.shape_matrix)
        return tuple(self.fwhm_px * math.sqrt(float(way @ inverse @ way)) for way in (along, across))  # type: ignore[return-value]

    def at(self, dx: FloatArray, dy: FloatArray, trail: Trail = NO_TRAIL) -> FloatArray:
        """Return the share of pixels at offsets from the centre, any shape; of a trailed star not normalised."""
        shares: FloatArray = np.interp(self._radii(dx, dy, trail), self.radius_px, self.share, right=0.0)
        return shares

    def scatter_at(self, dx: FloatArray, dy: FloatArray) -> FloatArray:
        scatters: FloatArray = np.interp(self._radii(dx, dy, NO_TRAIL), self.radius_px, self.scatter)
        return scatters

    def _radii(self, dx: FloatArray, dy: FloatArray, trail: Trail) -> FloatArray:
        if trail.half_length_px:
            return trail.distances(dx, dy)
        (xx, xy), (_, yy) = self.shape_matrix
        radii: FloatArray = np.sqrt(xx * dx**2 + 2.0 * xy * dx * dy + yy * dy**2)
        return radii


def star_profile(
    pixels: Pixels, x: FloatArray, y: FloatArray, *, counts: FloatArray, level: FloatArray, aperture_px: float
) -> StarProfile:
    """Return the profile of stars; what few of them have for themselves, neighbours or damaged pixels, does not matter.

    Args:
        pixels: shape (rows, columns), counts.
        x: columns of the centres, shape (n,); without stars the profile is an assumption.
        y: rows, likewise.
        counts: of the stars in the aperture, to some ten per cent.
        level: counts of a pixel of the sky around each.
        aperture_px: radius of the aperture.
    """
    if x.size == 0:
        return StarProfile.assumed(aperture_px)
    aperture_px = max(aperture_px, _LEAST_APERTURE_PX)
    values, dx, dy = pixels_around(pixels, x, y, offsets_between(0.0, _REACH * aperture_px))
    light = values - level[:, np.newaxis]
    scale = counts[:, np.newaxis]
    inside = np.hypot(dx, dy) <= aperture_px
    for _ in range(_PASSES):
        matrix = _shape_matrix(light / scale, dx, dy, aperture_px)
        (xx, xy), (_, yy) = matrix
        radius = np.sqrt(xx * dx**2 + 2.0 * xy * dx * dy + yy * dy**2)
        found = _rings(light / scale, radius, aperture_px)
        if found is None:
            return StarProfile.assumed(aperture_px)
        radii, shares, scatters = found
        share = np.interp(radius, radii, shares, right=0.0)
        whole = np.sum(np.where(inside, share, 0.0), axis=1, keepdims=True)
        core = (share >= _CORE * shares[0]) & np.isfinite(light)
        by_pixel = np.where(core, light / np.maximum(share, 1e-12), np.nan)
        # In units of the profile as it is, so that its sum becomes 1.
        anew = medians_of_known(by_pixel)[:, np.newaxis] * whole
        scale = np.where(anew > 0.0, anew, scale)
    return StarProfile(radius_px=radii, share=shares, scatter=scatters, shape_matrix=matrix, n_stars=int(x.size))


def _rings(
    light: FloatArray, radius: FloatArray, aperture_px: float
) -> tuple[FloatArray, FloatArray, FloatArray] | None:
    """Return radii, medians and scatter of the light in rings, None if there is no light in the middle."""
    # Hardly a pixel has its centre within a quarter of a pixel of the star's: the first two rings are one.
    ring = np.maximum(np.rint(radius / _RING_PX).astype(np.int64), 1)
    known = np.isfinite(light)
    rings = [known & (ring == number) for number in range(1, int(_REACH * aperture_px / _RING_PX) + 1)]
    rings = [here for here in rings if here.any()]
    if not rings:
        return None
    radii = np.array([np.median(radius[here]) for here in rings])
    shares = np.minimum.accumulate([max(float(np.median(light[here])), 0.0) for here in rings])
    if not shares[0] > 0.0:
        return None
    # From the profile between the rings: within one it falls by more than stars differ.
    off = np.abs(light - np.interp(radius, radii, shares, right=0.0))
    scatters = SIGMA_PER_MAD * np.array([np.median(off[here]) for here in rings])
    return radii, shares, scatters


def _shape_matrix(light: FloatArray, dx: FloatArray, dy: FloatArray, aperture_px: float) -> FloatArray:
    """Return the matrix of squared elliptical radii, of determinant 1, from second moments; round if they make none.

    A Gaussian weight keeps the noise of the rim out, and is taken out of the result.
    """
    window = (0.5 * aperture_px) ** 2
    weight = np.where(np.isfinite(light), light, 0.0) * np.exp(-0.5 * (dx**2 + dy**2) / window)
    total = weight.sum(axis=1)
    known = total > 0.0
    if not known.any():
        return np.identity(2)
    moments = [
        float(np.median((weight * product)[known].sum(axis=1) / total[known]))
        for product in (dx * dx, dx * dy, dy * dy)
    ]
    weighted = np.array([[moments[0], moments[1]], [moments[1], moments[2]]])
    if not np.all(np.linalg.eigvalsh(weighted) > 0.0):
        return np.identity(2)
    inverse = np.linalg.inv(weighted) - np.identity(2) / window
    values = np.linalg.eigvalsh(inverse)
    if not values[0] > 0.0 or values[1] > _MOST_ELONGATION**2 * values[0]:
        inverse = np.linalg.inv(weighted)
        values = np.linalg.eigvalsh(inverse)
    matrix: FloatArray = inverse / math.sqrt(float(values[0] * values[1]))
    return matrix
