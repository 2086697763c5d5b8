"""Pairs of images of one sky, of the kinds that make alignment hard, and the truth about how they lie.

A detector is described as the headers of FITS files describe it: from pixels by the polynomials of SIP and a CD matrix
to the tangent plane (D. L. Shupe et al., ASP Conf. Ser. 347, 491, 2005), so that its true WCS is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

PIXEL_SCALE_ARCSEC = 0.8
_RA_DEG, _DEC_DEG = 83.0, -5.4
_INVERSION_PASSES = 30
_GRID_POINTS = 25


@dataclass(frozen=True, slots=True)
class Detector:
    """How a camera shows the plane of the sky, whose unit is a pixel of `PIXEL_SCALE_ARCSEC`.

    `middle` is the place on the plane that its middle shows; `matrix` (2, 2) leads from its pixels to the plane;
    `bend` is how far, in pixels, distortion moves what it shows in the corners.
    """

    shape: tuple[int, int]
    middle: tuple[float, float] = (0.0, 0.0)
    matrix: tuple[tuple[float, float], tuple[float, float]] = ((1.0, 0.0), (0.0, 1.0))
    bend: float = 0.0
    tilt: float = 0.0

    @classmethod
    def turned(
        cls,
        shape: tuple[int, int],
        *,
        rotation_deg: float = 0.0,
        scale: float = 1.0,
        aspect: float = 1.0,
        flipped: bool = False,
        middle: tuple[float, float] = (0.0, 0.0),
        bend: float = 0.0,
        tilt: float = 0.0,
    ) -> Detector:
        """Return a detector: its pixels are `scale` wide and `scale` times `aspect` high, and may be mirrored."""
        angle = np.radians(rotation_deg)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        (a, b), (c, d) = (turn @ np.diag([scale * (-1.0 if flipped else 1.0), scale * aspect])).tolist()
        return cls(shape, middle, ((a, b), (c, d)), bend, tilt)

    @property
    def reference_pixel(self) -> tuple[float, float]:
        return (self.shape[1] - 1) / 2, (self.shape[0] - 1) / 2

    @property
    def sip(self) -> dict[str, float]:
        """Coefficients of SIP: cubic about the middle, and a quadratic part as of a tilted plane."""
        half = 0.5 * float(np.hypot(*self.shape))
        cubic, quadratic = self.bend / half**3, self.tilt / half**2
        return {
            "A_3_0": cubic, "A_1_2": cubic, "B_0_3": cubic, "B_2_1": cubic,
            "A_2_0": quadratic, "A_1_1": 0.0, "A_0_2": 0.0, "B_1_1": quadratic, "B_2_0": 0.0, "B_0_2": 0.0,
        }  # fmt: skip

    def to_plane(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the places on the plane that pixels show."""
        u, v = np.asarray(x) - self.reference_pixel[0], np.asarray(y) - self.reference_pixel[1]
        f, g = self._bent(u, v)
        (a, b), (c, d) = self.matrix
        return self.middle[0] + a * (u + f) + b * (v + g), self.middle[1] + c * (u + f) + d * (v + g)

    def to_pixels(self, east: FloatArray, north: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the pixels that show places on the plane: undoes `to_plane` on the image and not far around it."""
        inverse = np.linalg.inv(np.array(self.matrix))
        east, north = np.asarray(east) - self.middle[0], np.asarray(north) - self.middle[1]
        bent_u, bent_v = (row[0] * east + row[1] * north for row in inverse)
        u, v = bent_u, bent_v
        far = 2.0 * max(self.shape)
        for _ in range(_INVERSION_PASSES if self.bend or self.tilt else 0):
            f, g = self._bent(np.clip(u, -far, far), np.clip(v, -far, far))
            u, v = bent_u - f, bent_v - g
        return u + self.reference_pixel[0], v + self.reference_pixel[1]

    def binned(self, across: int, down: int) -> Detector:
        """Return the same camera with so many columns and rows added up."""
        rows, columns = self.shape[0] // down, self.shape[1] // across
        (a, b), (c, d) = self.matrix
        # Where the middle of the binned image is on the unbinned one, which may have lines left over.
        middle = self.to_plane(np.array(columns * across / 2 - 0.5), np.array(rows * down / 2 - 0.5))
        matrix = ((a * across, b * down), (c * across, d * down))
        return replace(self, shape=(rows, columns), middle=(float(middle[0]), float(middle[1])), matrix=matrix)

    def wcs_cards(self, *, with_sip: bool = True, offset: tuple[float, float] = (0.0, 0.0)) -> fits.Header:
        """Return the cards of its WCS; `offset` is an error of its pointing, in pixels of the plane."""
        degrees = PIXEL_SCALE_ARCSEC / 3600.0
        header = fits.Header()
        bent = with_sip and bool(self.bend or self.tilt)
        suffix = "-SIP" if bent else ""
        header["CTYPE1"], header["CTYPE2"] = f"RA---TAN{suffix}", f"DEC--TAN{suffix}"
        header["CRVAL1"], header["CRVAL2"] = _RA_DEG, _DEC_DEG
        (a, b), (c, d) = self.matrix
        header["CD1_1"], header["CD1_2"] = -degrees * a, -degrees * b
        header["CD2_1"], header["CD2_2"] = degrees * c, degrees * d
        # CRVAL stays the plane's (0, 0): SIP needs its reference pixel in the middle, so distorted cameras lie there.
        zero_x, zero_y = self.to_pixels(np.array(-offset[0]), np.array(-offset[1]))
        header["CRPIX1"], header["CRPIX2"] = float(zero_x) + 1.0, float(zero_y) + 1.0
        if bent:
            east, north = self.middle[0] + offset[0], self.middle[1] + offset[1]
            header["CRVAL1"], header["CRVAL2"] = _on_sky(east * degrees, north * degrees)
            header["CRPIX1"], header["CRPIX2"] = (value + 1.0 for value in self.reference_pixel)
            header["A_ORDER"], header["B_ORDER"] = 3, 3
            header.update(self.sip)
        return header

    def _bent(self, u: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
        sip = self.sip
        r2 = u**2 + v**2
        return (
            sip["A_3_0"] * u * r2 + sip["A_2_0"] * u * u,
            sip["B_0_3"] * v * r2 + sip["B_1_1"] * u * v,
        )


def _on_sky(east_deg: float, north_deg: float) -> tuple[float, float]:
    """Return right ascension and declination of a place on the plane.

    Two planes that touch the sky at different places differ by less than 0.01 px over the fields made here.
    """
    return _RA_DEG - east_deg / np.cos(np.radians(_DEC_DEG)), _DEC_DEG + north_deg


@dataclass(frozen=True, slots=True)
class Exposure:
    """Pixels (rows, columns) as a camera wrote them, its header, and how the camera lay."""

    pixels: NDArray[np.float32]
    header: fits.Header
    detector: Detector


@dataclass(frozen=True, slots=True)
class ImagePair:
    """Two images and the truth: `to_image` leads from pixels of the reference to those of the image.

    `common` is how many stars both show clearly; `alignable` is false for different skies.
    """

    kind: str
    image: Exposure
    reference: Exposure
    common: int
    alignable: bool = True

    def to_image(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self.image.detector.to_pixels(*self.reference.detector.to_plane(x, y))

    def to_reference(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self.reference.detector.to_pixels(*self.image.detector.to_plane(x, y))

    def largest_error_px(self, to_image: Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]) -> float:
        """Return by how many pixels of the image a mapping is wrong where it is worst, of places that both show.

        Infinite where it has no value, and for different skies.
        """
        if not self.alignable:
            return float("inf")
        (rows, columns), (image_rows, image_columns) = self.reference.detector.shape, self.image.detector.shape
        x, y = (
            axis.ravel()
            for axis in np.meshgrid(np.linspace(0, columns - 1, _GRID_POINTS), np.linspace(0, rows - 1, _GRID_POINTS))
        )
        true_x, true_y = self.to_image(x, y)
        both = (true_x > 0) & (true_y > 0) & (true_x < image_columns - 1) & (true_y < image_rows - 1)
        found_x, found_y = to_image(x[both], y[both])
        error_px = np.hypot(found_x - true_x[both], found_y - true_y[both])
        return float(error_px.max()) if np.isfinite(error_px).all() else float("inf")
