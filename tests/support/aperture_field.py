"""The field of the predecessor's tests of aperture photometry: 12 comparison stars and a target that brightens."""

import math
from dataclasses import dataclass

import numpy as np
from astropy.io import fits

SIDE = 80
SIGMA_PX = 1.05
SKY = 100.0
TARGET_XY = (30.3, 28.8)
STARS_XY = [
    (12.5, 12.5), (18, 48), (26, 60), (42, 18.5), (48, 46), (55, 22),
    (60, 58), (67, 35), (35, 68), (24, 34.5), (63.5, 14), (51, 63),
]  # fmt: skip
STAR_FLUXES = [12000, 11000, 11500, 11800, 12500, 12700, 12200, 11900, 11700, 11600, 11300, 12100]
STAR_MAGS = [11.9 + 0.1 * number for number in range(12)]
RADII = {"aperture_radius": 4.0, "annulus_inner_radius": 6.0, "annulus_outer_radius": 9.0}
TARGET = {"ra": 100 + TARGET_XY[0] / 3600, "dec": 20 + TARGET_XY[1] / 3600}


@dataclass
class FieldFrame:
    """One frame: its pixels, header cards and catalogue columns, to be changed before it is written."""

    pixels: np.ndarray
    cards: dict
    columns: dict

    def write(self, path):
        header = fits.Header([(key, value) for key, value in self.cards.items() if value is not None])
        hdus = [fits.PrimaryHDU(), fits.ImageHDU(self.pixels.astype(np.float32), header, name="SCI")]
        if self.columns:
            columns = [
                fits.Column(name, "8A" if name == "id" else "D", array=np.asarray(values))
                for name, values in self.columns.items()
            ]
            hdus.append(fits.BinTableHDU.from_columns(columns, name="CAT"))
        fits.HDUList(hdus).writeto(path)
        return path


def add_star(pixels, x, y, flux):
    """Add a Gaussian whose centre is at x, y, where pixel i covers [i, i + 1)."""
    columns = np.arange(max(0, int(x) - 6), min(SIDE, int(x) + 7))
    rows = np.arange(max(0, int(y) - 6), min(SIDE, int(y) + 7))[:, None]
    squared = (columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2
    light = flux / (2 * math.pi * SIGMA_PX**2) * np.exp(-squared / (2 * SIGMA_PX**2))
    pixels[rows, columns] += light


def field_frame(number, count=3, *, target_flux=None):
    """Return frame `number` (from 0) of `count`, the last of which was taken first."""
    pixels = np.full((SIDE, SIDE), SKY)
    add_star(pixels, *TARGET_XY, 8000 + 200 * number if target_flux is None else target_flux)
    for (x, y), flux in zip(STARS_XY, STAR_FLUXES, strict=True):
        add_star(pixels, x, y, flux)
    x, y = np.array(STARS_XY, float).T
    cards = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 100.0, "CRVAL2": 20.0, "CRPIX1": 0.0, "CRPIX2": 0.0,
        "CD1_1": 1 / 3600, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 1 / 3600, "GAIN": 1.7, "RDNOISE": 3.2,
        "FILTER": "rp", "DATE-OBS": f"2025-01-01T00:00:{count - number:02d}",
    }  # fmt: skip
    columns = {"ra": 100 + x / 3600, "dec": 20 + y / 3600, "flux": np.array(STAR_FLUXES, float), "mag": STAR_MAGS}
    columns["id"] = [f"comp-{place:02d}" for place in range(1, 13)]
    return FieldFrame(pixels, cards, columns)


def write_field(folder, count=3, *, change=None, **options):
    """Write the frames `frame-1` ... and return their paths; `change(number, frame)` may change each before."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        frame = field_frame(number, count, **options)
        if change is not None:
            change(number, frame)
        paths.append(frame.write(folder / f"frame-{number + 1}.fits"))
    return paths
