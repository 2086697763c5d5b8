"""The distortion that is told must lead to the positions that WCSLIB has."""

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits

from datalab.astro.sky.distortion import distortion_of
from datalab.astro.sky.positions import linear_wcs, sky_positions
from datalab.astro.sky.wcs import celestial_wcs

ROWS, COLUMNS = 1500, 2000
SCALE = 0.7 / 3600
TAN = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 12.0,
    "CRVAL2": -75.0,
    "CRPIX1": 800.0,
    "CRPIX2": 900.0,
    "CD1_1": -SCALE,
    "CD1_2": 1e-6,
    "CD2_1": 2e-6,
    "CD2_2": SCALE,
}
SIP = {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 3, "B_ORDER": 2, "A_3_0": 9e-9, "A_1_2": -4e-9}
SIP |= {"B_2_0": 3e-6, "B_1_1": -2e-6}


def told(cards):
    """Return the WCS of cards, and what is told of it."""
    wcs = celestial_wcs(fits.Header(cards), (ROWS, COLUMNS))
    linear = linear_wcs(wcs)
    return wcs, linear, distortion_of(wcs, linear, (ROWS, COLUMNS))


def positions(linear, distortion, x, y):
    """Return what a program finds with nothing but what is told, by spherical trigonometry of astropy's own."""
    u, v = (x - distortion.centre[0]) / distortion.unit_px, (y - distortion.centre[1]) / distortion.unit_px
    powers = [(i, j) for i in range(6) for j in range(6)]
    x = x + sum(distortion.shift_x[i, j] * u**i * v**j for i, j in powers)
    y = y + sum(distortion.shift_y[i, j] * u**i * v**j for i, j in powers)
    offsets = np.array([x - linear.crpix[0], y - linear.crpix[1]])
    east, north = np.radians(np.array([linear.cd1, linear.cd2]) @ offsets)
    centre = SkyCoord(*linear.crval, unit="deg")
    return centre.directional_offset_by(
        np.arctan2(east, north) * units.rad, np.arctan(np.hypot(east, north)) * units.rad
    )


@pytest.mark.parametrize(
    "cards",
    [
        TAN | SIP,
        TAN | {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN"},
        TAN | {"CTYPE1": "RA---ZEA", "CTYPE2": "DEC--ZEA"},
    ],
    ids=["SIP", "SIN", "ZEA"],
)
def test_it_leads_to_the_positions_of_wcslib(cards):
    wcs, linear, distortion = told(cards)
    assert distortion.accuracy_px < 0.01
    rng = np.random.default_rng(3)
    x, y = rng.uniform(1, COLUMNS, 200), rng.uniform(1, ROWS, 200)
    found = positions(linear, distortion, x, y)
    truth = SkyCoord(*sky_positions(wcs, x - 1, y - 1), unit="deg")
    assert found.separation(truth).arcsec.max() < 0.01 * SCALE * 3600


@pytest.mark.parametrize("cards", [TAN, TAN | {"RADESYS": "FK4", "EQUINOX": 1950.0}], ids=["ICRS", "FK4"])
def test_gnomonic_coordinates_have_none(cards):
    assert told(cards)[2] is None


def test_what_no_polynomial_tells_is_known():
    """A projection of the whole sky has places behind the tangent plane."""
    whole = TAN | {
        "CTYPE1": "RA---ZEA",
        "CTYPE2": "DEC--ZEA",
        "CD1_1": -0.07,
        "CD2_2": 0.07,
        "CD1_2": 0.0,
        "CD2_1": 0.0,
    }
    assert told(whole)[2].accuracy_px > 1
