import math

import pytest
from astropy.io import fits

from datalab.astro.sky.displacement import displacement_px
from datalab.astro.sky.wcs import celestial_wcs


def wcs(**cards):
    header = {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": 0.01,
        "CRVAL2": 40.0,
        "CRPIX1": 50.0,
        "CRPIX2": 50.0,
        "CD1_1": -2e-4,
        "CD1_2": 0.0,
        "CD2_1": 0.0,
        "CD2_2": 2e-4,
    }
    return celestial_wcs(fits.Header(header | cards), (100, 120))


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({}, 0.0),
        ({"CRPIX1": 55.0, "CRPIX2": 47.0}, math.hypot(5, 3)),
        ({"CRVAL1": 359.99}, 0.02 * math.cos(math.radians(40)) / 2e-4),
        ({"CRVAL2": 60.0}, math.inf),
        ({"CD1_1": 2e-4, "CRPIX1": 71.0}, 119.0),
    ],
)
def test_the_distance_between_what_a_pixel_shows_in_two_images(cards, expected):
    assert displacement_px(wcs(), wcs(**cards)) == pytest.approx(expected, abs=0.05)
