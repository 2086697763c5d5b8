"""The camera: what it does to the light that reaches it, from electrons to the numbers in a file."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from datalab.simulation.passbands import PASSBANDS

FloatArray = NDArray[np.float64]
PixelArray = NDArray[np.uint16]

ADC_LIMIT_ADU = 65_535
_COSMIC_RAY_LENGTH_PX = 4.0  # mean; muons crossing a thick CCD at a slant
_COSMIC_RAY_STEP_PX = 0.25
_FIXED_PATTERN_STREAM = 0x0F1A7


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A CCD camera on its telescope, with its own fixed patterns (drawn from `seed`).

    Defaults are those of a small research camera: 0.74 arcsec pixels on a 0.4 m telescope, 9 micrometre pixels. A
    pixel is saturated where the well (`full_well_e`) or the 16-bit converter is full, whichever is first.
    `cosmic_rays_per_cm2_s`: one per square centimetre and minute is the rule of thumb at sea level. `vignetting` is
    the light lost in the corners, `pixel_response_sd` the relative spread of the sensitivity of the pixels.
    `position_angle_deg` turns the camera: the angle of image "up" from north through east.
    """

    rows: int = 1024
    columns: int = 1024
    pixel_scale_arcsec: float = 0.74
    pixel_size_um: float = 9.0
    position_angle_deg: float = 0.8
    gain_e_per_adu: float = 1.5
    read_noise_e: float = 7.0
    full_well_e: float = 110_000.0
    bias_adu: float = 500.0
    bias_column_sd_adu: float = 1.5
    dark_current_e_per_s: float = 0.03
    hot_pixel_fraction: float = 2e-4
    hot_pixel_e_per_s: float = 20.0
    vignetting: float = 0.12
    pixel_response_sd: float = 0.006
    cosmic_rays_per_cm2_s: float = 1.0 / 60.0
    cosmic_ray_e_per_px: float = 1_500.0
    psf_beta: float = 3.5
    readout_s: float = 8.0
    zero_points_mag: Mapping[str, float] = field(
        default_factory=lambda: {name: band.zero_point_mag for name, band in PASSBANDS.items()}
    )
    seed: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.columns

    @property
    def saturation_adu(self) -> float:
        """The raw level at or above which a pixel no longer counts light."""
        return min(float(ADC_LIMIT_ADU), math.floor(self.full_well_e / self.gain_e_per_adu + self.bias_adu))

    @property
    def field_radius_deg(self) -> float:
        """Half of the diagonal of the field of view."""
        return 0.5 * math.hypot(*self.shape) * self.pixel_scale_arcsec / 3600.0

    @cached_property
    def flat(self) -> FloatArray:
        """Relative sensitivity (rows, columns): 1 in the centre, vignetting falling with the square of the distance."""
        y, x = np.ogrid[: self.rows, : self.columns]
        centre_y, centre_x = (self.rows - 1) / 2.0, (self.columns - 1) / 2.0
        corner = max(centre_y**2 + centre_x**2, 1.0)
        vignetting = 1.0 - self.vignetting * ((y - centre_y) ** 2 + (x - centre_x) ** 2) / corner
        pixels: FloatArray = np.clip(self._patterns(0).normal(1.0, self.pixel_response_sd, self.shape), 0.5, 1.5)
        return vignetting * pixels

    @cached_property
    def bias_level_adu(self) -> FloatArray:
        """The noiseless bias (1, columns): an offset that differs a little from column to column."""
        return self.bias_adu + self._patterns(1).normal(0.0, self.bias_column_sd_adu, (1, self.columns))

    @cached_property
    def dark_rate_e_per_s(self) -> FloatArray:
        """Dark current (rows, columns), with hot pixels of exponentially distributed excess."""
        rng = self._patterns(2)
        rate = np.full(self.shape, self.dark_current_e_per_s)
        n_hot = round(self.hot_pixel_fraction * rate.size)
        hot = rng.integers(0, rate.size, n_hot)
        rate.ravel()[hot] += rng.exponential(self.hot_pixel_e_per_s, n_hot)
        return rate

    def cosmic_rays(self, exposure_s: float, rng: np.random.Generator) -> FloatArray:
        """Electrons (rows, columns) left by cosmic rays in an exposure: short straight trails at random angles."""
        charge = np.zeros(self.shape)
        area_cm2 = charge.size * (self.pixel_size_um * 1e-4) ** 2
        for _ in range(rng.poisson(self.cosmic_rays_per_cm2_s * area_cm2 * exposure_s)):
            x, y = rng.uniform(-0.5, self.columns - 0.5), rng.uniform(-0.5, self.rows - 0.5)
            angle = rng.uniform(0.0, 2.0 * math.pi)
            path = np.arange(0.0, rng.exponential(_COSMIC_RAY_LENGTH_PX) + _COSMIC_RAY_STEP_PX, _COSMIC_RAY_STEP_PX)
            column = np.rint(x + path * math.cos(angle)).astype(int)
            row = np.rint(y + path * math.sin(angle)).astype(int)
            inside = (column >= 0) & (column < self.columns) & (row >= 0) & (row < self.rows)
            deposit = rng.exponential(self.cosmic_ray_e_per_px) * _COSMIC_RAY_STEP_PX
            np.add.at(charge, (row[inside], column[inside]), deposit)
        return charge

    def read_out(self, electrons: FloatArray, rng: np.random.Generator) -> PixelArray:
        """Raw pixels for the charge in the wells: full well, read noise, gain, bias, conversion to 16 bits."""
        filled = np.minimum(electrons, self.full_well_e)
        noise = self.read_noise_e * rng.standard_normal(self.shape, dtype=np.float32)
        adu = (filled + noise) / self.gain_e_per_adu + self.bias_level_adu
        full = electrons >= self.full_well_e
        adu[full] = np.maximum(adu[full], self.saturation_adu)  # read noise must not hide that a well was full
        counts: PixelArray = np.clip(np.rint(adu), 0, ADC_LIMIT_ADU).astype(np.uint16)
        return counts

    def _patterns(self, which: int) -> np.random.Generator:
        return np.random.default_rng([_FIXED_PATTERN_STREAM, which, self.seed])
