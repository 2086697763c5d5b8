"""Small FITS files in memory."""

import io

import numpy as np
from astropy.io import fits

CARDS = {
    "OBJECT": "M 51",
    "DATE-OBS": "2026-05-04T22:00:01.417",
    "DAY-OBS": "20260504",
    "EXPTIME": 12.5,
    "FILTER": "rp",
    "AIRMASS": 1.21,
    "SITEID": "tst",
    "INSTRUME": "cam01",
    "PROPID": "PTR2026-007",
    "USERNAME": "Ada",
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 202.47,
    "CRVAL2": 47.2,
    "CRPIX1": 20.5,
    "CRPIX2": 16.5,
    "CD1_1": -2e-4,
    "CD1_2": 0.0,
    "CD2_1": 0.0,
    "CD2_2": 2e-4,
}


def image_header(**cards):
    """Return the header of an exposure; None removes a card."""
    values = {name: value for name, value in (CARDS | cards).items() if value is not None}
    return fits.Header(list(values.items()))


def pixels(rows=32, columns=40):
    return np.random.default_rng(5).normal(1000, 12, (rows, columns)).astype(np.uint16)


def written(*hdus):
    buffer = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(buffer)
    return buffer.getvalue()


def plain_fits(**cards):
    """Return a file with the image in its primary HDU."""
    return written(fits.PrimaryHDU(pixels(), image_header(**cards)))


def packed_fits(**cards):
    """Return a `.fits.fz` as observatories make it: nothing in the primary HDU, the image and a catalogue behind it."""
    catalogue = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=[1.0, 2.0])], name="CAT")
    image = fits.CompImageHDU(pixels(), image_header(**cards), name="SCI", compression_type="RICE_1")
    return written(fits.PrimaryHDU(), image, catalogue)


def header_text(**cards):
    """Return the header file an observatory sends ahead: glued cards, END, blanks."""
    header = fits.PrimaryHDU(pixels(), image_header(**cards)).header
    return header.tostring().encode()
