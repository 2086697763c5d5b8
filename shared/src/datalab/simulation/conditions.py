"""Where the telescope points and through what air."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from astropy.wcs import WCS

from datalab.simulation.detector import Camera
from datalab.simulation.passbands import PASSBANDS
from datalab.simulation.site import airmass_at


@dataclass(frozen=True, kw_only=True)
class Pointing:
    ra_deg: float
    dec_deg: float


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """The circumstances of one exposure.

    `seeing_fwhm_arcsec` is what the image shows, air mass included. `drift_px` (columns, rows) moves the sky on the
    chip. `transparency` below 1 is thin cloud. `sky_mag_per_arcsec2` None means the dark sky of the filter.
    """

    seeing_fwhm_arcsec: float = 2.2
    altitude_deg: float = 60.0
    azimuth_deg: float = 180.0
    drift_px: tuple[float, float] = (0.0, 0.0)
    transparency: float = 1.0
    sky_mag_per_arcsec2: float | None = None
    extinction_mag_per_airmass: Mapping[str, float] = field(
        default_factory=lambda: {name: band.extinction_mag_per_airmass for name, band in PASSBANDS.items()}
    )

    @property
    def airmass(self) -> float:
        return airmass_at(self.altitude_deg)

    def dimming_mag(self, filter_name: str) -> float:
        """Magnitudes lost between space and telescope."""
        return self.extinction_mag_per_airmass[filter_name] * self.airmass - 2.5 * math.log10(self.transparency)

    def sky_brightness_mag_per_arcsec2(self, filter_name: str) -> float:
        if self.sky_mag_per_arcsec2 is not None:
            return self.sky_mag_per_arcsec2
        return PASSBANDS[filter_name].dark_sky_mag_per_arcsec2


def tangent_wcs(camera: Camera, pointing: Pointing, conditions: Conditions) -> WCS:
    """A gnomonic (TAN) WCS: the pointing falls on the middle of the chip, moved by the drift; east is left of north."""
    angle, scale = math.radians(camera.position_angle_deg), camera.pixel_scale_arcsec / 3600.0
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.crval = [pointing.ra_deg, pointing.dec_deg]
    wcs.wcs.crpix = [
        (camera.columns + 1) / 2.0 + conditions.drift_px[0],
        (camera.rows + 1) / 2.0 + conditions.drift_px[1],
    ]
    wcs.wcs.cd = [
        [-scale * math.cos(angle), scale * math.sin(angle)],
        [scale * math.sin(angle), scale * math.cos(angle)],
    ]
    wcs.array_shape = camera.shape
    wcs.wcs.set()
    return wcs
