"""The image of a point: a Moffat profile integrated over pixels."""

import math
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_LOST_FLUX = 2e-4  # fraction of a star's light allowed beyond its stamp: a fifth of the 0.1 % we promise
_EDGE_BRIGHTNESS = 0.25  # units of flux per pixel at the rim of a stamp: far below the read noise of any camera
_PIXELS_AT_ONCE = 1 << 20  # 8 MB per temporary array
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)


@dataclass(frozen=True)
class Moffat:
    """Round profile I(r) = (beta - 1) / (pi alpha^2) (1 + r^2 / alpha^2)^-beta, unit flux (Moffat 1969, A&A 3, 455).

    `fwhm_px` is the full width at half maximum in pixels; beta 3.5 lies between the 2.5 of old focal-reducer images
    and the 4.765 of pure Kolmogorov turbulence (Trujillo et al. 2001, MNRAS 328, 977).
    """

    fwhm_px: float
    beta: float = 3.5

    @property
    def alpha_px(self) -> float:
        return self.fwhm_px / (2.0 * math.sqrt(2.0 ** (1.0 / self.beta) - 1.0))

    @overload
    def enclosed_fraction(self, radius_px: float) -> float: ...
    @overload
    def enclosed_fraction(self, radius_px: FloatArray) -> FloatArray: ...
    def enclosed_fraction(self, radius_px: float | FloatArray) -> float | FloatArray:
        """The share of the light within a circle around the centre."""
        return 1.0 - (1.0 + (radius_px / self.alpha_px) ** 2) ** (1.0 - self.beta)

    def radius_enclosing(self, fraction: float) -> float:
        """The radius (pixels) of the circle that holds this share of the light."""
        return self.alpha_px * math.sqrt((1.0 - fraction) ** (-1.0 / (self.beta - 1.0)) - 1.0)

    def surface_brightness(self, dx: FloatArray, dy: FloatArray) -> FloatArray:
        """Flux per square pixel at offsets (pixels) from the centre."""
        return self._peak * (1.0 + (dx**2 + dy**2) / self.alpha_px**2) ** -self.beta

    def add_sources(self, image: FloatArray, x: FloatArray, y: FloatArray, flux: FloatArray) -> None:
        """Add sources to an image in place.

        image (rows, columns); x, y (n,) centres in pixels, 0-based, a pixel's centre at whole numbers; flux (n,)
        total light. Stars are drawn on square stamps wide enough to lose less than 0.02 % of their light and to end
        without a visible rim; what falls beyond the image is cut.
        """
        faint_half = math.ceil(self.radius_enclosing(1.0 - _LOST_FLUX))
        rim = self.alpha_px * (np.maximum(flux, 1e-9) * self._peak / _EDGE_BRIGHTNESS) ** (0.5 / self.beta)
        doublings = np.ceil(np.log2(np.maximum(rim / faint_half, 1.0))).astype(int)
        for doubling in np.unique(doublings):
            half = min(faint_half << int(doubling), max(image.shape))
            members = np.flatnonzero(doublings == doubling)
            batch = max(1, _PIXELS_AT_ONCE // (2 * half + 1) ** 2)
            for first in range(0, members.size, batch):
                some = members[first : first + batch]
                self._add_batch(image, x[some], y[some], flux[some], half)

    @property
    def _peak(self) -> float:
        return (self.beta - 1.0) / (math.pi * self.alpha_px**2)

    def _add_batch(self, image: FloatArray, x: FloatArray, y: FloatArray, flux: FloatArray, half: int) -> None:
        column, row = np.rint(x).astype(int), np.rint(y).astype(int)
        stamps = flux[:, None, None] * self._pixel_fractions(column - x, row - y, half)
        rows, columns = image.shape
        for stamp, left, bottom in zip(stamps, (column - half).tolist(), (row - half).tolist(), strict=True):
            size = 2 * half + 1
            y0, y1, x0, x1 = max(bottom, 0), min(bottom + size, rows), max(left, 0), min(left + size, columns)
            if y0 < y1 and x0 < x1:
                image[y0:y1, x0:x1] += stamp[y0 - bottom : y1 - bottom, x0 - left : x1 - left]

    def _pixel_fractions(self, dx0: FloatArray, dy0: FloatArray, half: int) -> FloatArray:
        """Integrals over the pixels of stamps (n, 2 half + 1, 2 half + 1), middle pixel at (dx0, dy0) from the star.

        The core (out to one FWHM and a pixel) by 4 x 4 Gauss-Legendre nodes per pixel; the wings by the value at the
        pixel's centre with the second-order term of the integral, Laplacian / 24, which for a Moffat is analytic.
        """
        steps = np.arange(-half, half + 1, dtype=np.float64)
        u = (
            (dx0[:, None, None] + steps[None, None, :]) ** 2 + (dy0[:, None, None] + steps[None, :, None]) ** 2
        ) / self.alpha_px**2
        laplacian = self.beta * (self.beta * u - 1.0) / (6.0 * self.alpha_px**2 * (1.0 + u) ** 2)
        stamps: FloatArray = self._peak * (1.0 + u) ** -self.beta * (1.0 + laplacian)

        core = min(math.ceil(self.fwhm_px) + 1, half)
        inner = np.arange(-core, core + 1, dtype=np.float64)
        fine = (inner[:, None] + 0.5 * _NODES[None, :]).ravel()
        weight = np.tile(0.5 * _WEIGHTS, inner.size)
        fx, fy = dx0[:, None, None] + fine[None, None, :], dy0[:, None, None] + fine[None, :, None]
        values = self.surface_brightness(fx, fy) * weight[None, None, :] * weight[None, :, None]
        nodes = _NODES.size
        integrals = values.reshape(dx0.size, inner.size, nodes, inner.size, nodes).sum(axis=(2, 4))
        stamps[:, half - core : half + core + 1, half - core : half + core + 1] = integrals
        return stamps
