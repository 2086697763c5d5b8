"""Where apertures of a given size on the sky lie in the pixels of a frame."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import ArrayLike

from datalab.astro.sky.positions import sky_positions
from datalab.astro.sky.wcs import celestial_wcs, pixel_scale_arcsec
from datalab.astro.types import FloatArray, Mask

#: A star's sky must end this far from the edge, where reduced frames are often blank or bad.
_EDGE_MARGIN_PX = 2.0
#: A distorted WCS need not have an inverse far from its image: what is further from the centre than this many times
#: the corners is not looked for.
_REACH = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Radii:
    """Of the aperture and of the sky annulus; in arcsec or in pixels."""

    aperture: float
    inner: float
    outer: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ApertureGeometry:
    """One frame's WCS and size (rows, columns), and the radii in its pixels."""

    wcs: WCS
    shape: tuple[int, int]
    radii_px: Radii

    @classmethod
    def of(cls, header: fits.Header, shape: tuple[int, int], radii_arcsec: Radii) -> ApertureGeometry:
        """Read the geometry of an image.

        Raises:
            ValueError: it has no celestial WCS to rely on, or is too small for the annulus.
        """
        wcs = celestial_wcs(header, shape)
        if wcs is None:
            raise ValueError("it has no usable celestial WCS")
        scale = pixel_scale_arcsec(wcs)
        radii_px = Radii(
            aperture=radii_arcsec.aperture / scale, inner=radii_arcsec.inner / scale, outer=radii_arcsec.outer / scale
        )
        if 2.0 * radii_px.outer > min(shape):
            raise ValueError(f"its {shape[1]} x {shape[0]} pixels are too few for the annulus")
        return cls(wcs=wcs, shape=shape, radii_px=radii_px)

    def positions(self, ra_deg: FloatArray, dec_deg: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the pixels x, y of places on the sky (ICRS); NaN for places far from the image.

        As apertures have it: pixel i covers [i, i + 1), so these are 0.5 above the 0-based pixels of the WCS.
        """
        sky = SkyCoord(ra_deg, dec_deg, unit=units.deg)
        rows, columns = self.shape
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # distortions that do not converge outside of the image
            centre, corner = self.wcs.pixel_to_world([(columns - 1) / 2, -0.5], [(rows - 1) / 2, -0.5]).icrs
            near = sky.separation(centre) <= _REACH * centre.separation(corner)
            x, y = np.full((2, *near.shape), np.nan)
            if near.any():
                x[near], y[near] = self.wcs.world_to_pixel(sky[near])
        return x + 0.5, y + 0.5

    def on_sky(self, x: ArrayLike, y: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return right ascension and declination (ICRS, degrees) of pixels, as `positions` counts them; NaN for NaN."""
        return sky_positions(self.wcs, np.asarray(x) - 0.5, np.asarray(y) - 0.5)

    def suits_comparison(self, x: FloatArray, y: FloatArray, target_x: float, target_y: float) -> Mask:
        """Tell which positions have their annulus on the image and neither aperture nor annulus on the target."""
        rows, columns = self.shape
        reach = self.radii_px.outer + _EDGE_MARGIN_PX
        exclusion = max(2.0 * self.radii_px.aperture, self.radii_px.outer)
        on_image = (x >= reach) & (x <= columns - reach) & (y >= reach) & (y <= rows - reach)
        # Not "at least as far": where the target is not known (NaN), no star can lie on it.
        suits: Mask = on_image & ~(np.hypot(x - target_x, y - target_y) < exclusion)
        return suits
