"""Pictures of one field of stars, each shifted, turned and scaled in its own way, with the truth about their stars."""

from dataclasses import dataclass

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from datalab.astro.sky.star_matching import Similarity

FWHM_PX = 3.2
_SIGMA_PX = FWHM_PX / 2.3548
_STAMP_PX = 9
SKY_LEVEL = 200.0
PIXEL_SCALE_ARCSEC = 0.6


@dataclass(frozen=True)
class Field:
    """Stars on a plane, in pixels of a camera with scale 1; `flux` brightest first."""

    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray

    @classmethod
    def random(cls, *, seed, side, stars_per_side2):
        """Return a field three times as wide as a camera of `side` pixels in the middle, so that any view is full."""
        rng = np.random.default_rng(seed)
        x, y = rng.uniform(-side, 2 * side, (2, 9 * stars_per_side2))
        flux = np.sort(3000.0 * (1.0 + rng.pareto(1.2, x.size)))[::-1]
        return cls(x, y, np.minimum(flux, 3e5))


def view(*, side, rotation_deg=0.0, scale=1.0, shift_px=(0.0, 0.0)):
    """Return the similarity from the plane of a field to a camera turned about its middle."""
    turn = scale * np.exp(1j * np.radians(rotation_deg))
    middle = (side - 1) / 2 * (1 + 1j)
    return Similarity(turn=complex(turn), shift=complex(middle - turn * middle + complex(*shift_px)))


def visible(field, seen, shape, *, margin_px=0.0):
    """Return x, y, flux of the stars that a camera sees, brightest first."""
    x, y = seen(field.x, field.y)
    rows, columns = shape
    inside = (x > margin_px) & (y > margin_px) & (x < columns - 1 - margin_px) & (y < rows - 1 - margin_px)
    return x[inside], y[inside], field.flux[inside]


def pixels(field, seen, shape, *, seed, noise=4.0):
    """Return what the camera records: Gaussian stars on a sky level, with noise; float32."""
    rng = np.random.default_rng(seed)
    image = rng.normal(SKY_LEVEL, noise, shape)
    for x, y, flux in zip(*visible(field, seen, shape, margin_px=-_STAMP_PX), strict=True):
        rows = np.arange(max(0, round(y) - _STAMP_PX), min(shape[0], round(y) + _STAMP_PX + 1))[:, np.newaxis]
        columns = np.arange(max(0, round(x) - _STAMP_PX), min(shape[1], round(x) + _STAMP_PX + 1))
        distance2 = (columns - x) ** 2 + (rows - y) ** 2
        image[rows, columns] += flux / (2 * np.pi * _SIGMA_PX**2) * np.exp(-distance2 / (2 * _SIGMA_PX**2))
    return image.astype(np.float32)


def catalogue(field, seen, shape, *, seed, error_px=0.03):
    """Return the CAT table of a frame: x, y counted from 1, with errors, and flux."""
    x, y, flux = visible(field, seen, shape, margin_px=4.0)
    errors = np.random.default_rng(seed).normal(0.0, error_px, (2, x.size))
    return Table({"x": x + 1 + errors[0], "y": y + 1 + errors[1], "flux": flux, "fwhm": np.full(x.size, FWHM_PX)})


def sky_wcs(seen, *, ra_deg=83.0, dec_deg=-5.4):
    """Return the TAN WCS of a camera: the plane's point (0, 0) is at the given position, its north is up."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ra_deg, dec_deg]
    wcs.wcs.crpix = [seen.shift.real + 1, seen.shift.imag + 1]
    back = seen.inverse().turn
    matrix = np.array([[back.real, -back.imag], [back.imag, back.real]])
    wcs.wcs.cd = PIXEL_SCALE_ARCSEC / 3600 * np.diag([-1.0, 1.0]) @ matrix
    wcs.wcs.set()
    return wcs


def write(path, image, *, table=None, wcs=None, **cards):
    """Write a frame with its image as SCI and its table, if there is one, as CAT."""
    header = fits.Header() if wcs is None else wcs.to_header()
    header.update(cards)
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(image, header, name="SCI")]
    if table is not None:
        hdus.append(fits.BinTableHDU(table, name="CAT"))
    fits.HDUList(hdus).writeto(path)
    return path
