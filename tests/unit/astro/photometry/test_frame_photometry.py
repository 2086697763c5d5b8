import math

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from datalab.astro.headers.detector import Detector
from datalab.astro.photometry.aperture_geometry import ApertureGeometry, Radii
from datalab.astro.photometry.frame_photometry import measure_frame

SHAPE = (200, 240)
RADII = Radii(aperture=4.0, inner=8.0, outer=12.0)


def header(**cards):
    """Return a rotated TAN solution with half an arcsec per pixel."""
    cosine, sine = (function(math.radians(20)) * 0.5 / 3600 for function in (math.cos, math.sin))
    solution = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 0.001, "CRVAL2": 41.0, "CRPIX1": 120.5, "CRPIX2": 100.5,
        "CD1_1": -cosine, "CD1_2": sine, "CD2_1": sine, "CD2_2": cosine,
    }  # fmt: skip
    return fits.Header({key: value for key, value in (solution | cards).items() if value is not None})


@pytest.fixture
def geometry():
    return ApertureGeometry.of(header(), SHAPE, RADII)


def sky_of(x, y):
    """Return right ascension and declination of pixels as apertures count them."""
    return WCS(header()).wcs_pix2world(np.subtract(x, 0.5), np.subtract(y, 0.5), 0)


def image(stars, *, sky=50.0):
    pixels = np.full(SHAPE, sky)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    for x, y, flux in stars:
        pixels += flux / (2 * math.pi * 4) * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8)
    return pixels.astype(np.float32)


def measured(pixels, geometry, target, stars=((), ()), **detector):
    ra, dec = (np.asarray(angle, float) for angle in stars)
    return measure_frame(pixels, geometry, Detector(**detector), target=target, stars_ra_deg=ra, stars_dec_deg=dec)


def test_radii_are_pixels_and_positions_half_a_pixel_above_the_wcs(geometry):
    assert (geometry.radii_px.aperture, geometry.radii_px.inner, geometry.radii_px.outer) == pytest.approx((8, 16, 24))
    ra, dec = np.array([0.01, 359.99]), np.array([41.003, 41.001])
    x, y = geometry.positions(ra, dec)
    expected_x, expected_y = WCS(header()).wcs_world2pix(ra, dec, 0)
    assert x == pytest.approx(expected_x + 0.5, abs=1e-6)
    assert y == pytest.approx(expected_y + 0.5, abs=1e-6)


def test_what_is_far_from_the_image_has_no_position(geometry):
    x, y = geometry.positions(np.array([180.0, 1.0, 0.001]), np.array([-41.0, 41.0, 41.0]))
    assert np.isnan(x).tolist() == np.isnan(y).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("cards", "shape", "text"),
    [
        ({"CTYPE1": None, "CTYPE2": None}, SHAPE, "no usable celestial WCS"),
        ({"CD1_1": 0.0, "CD1_2": 0.0}, SHAPE, "no usable celestial WCS"),
        ({}, (200, 40), "40 x 200 pixels are too few"),
    ],
)
def test_frames_without_geometry_are_refused_in_words(cards, shape, text):
    with pytest.raises(ValueError, match=text):
        ApertureGeometry.of(header(**cards), shape, RADII)


def test_comparison_stars_keep_away_from_target_and_edge(geometry):
    x = np.array([26.1, 25.9, 213.9, 214.1, 100.0, 100.0, 100.0])
    y = np.array([100.0, 100.0, 100.0, 100.0, 60.0, 83.9, 84.1])
    assert geometry.suits_comparison(x, y, 100.0, 60.0).tolist() == [True, False, True, False, False, False, True]
    assert geometry.suits_comparison(x, y, np.nan, np.nan).tolist() == [True, False, True, False, True, True, True]


def test_target_and_stars_are_measured_at_their_light(geometry):
    stars = [(120.3, 100.7, 20_000), (60.2, 150.9, 9_000), (180.6, 40.1, 5_000)]
    ra, dec = sky_of(*np.transpose(stars)[:2])
    near_ra, near_dec = sky_of(*(np.transpose(stars)[:2] + 1.5))
    found = measured(image(stars), geometry, (near_ra[0], near_dec[0]), (near_ra[1:], near_dec[1:]))
    exact = measured(image(stars), geometry, (ra[0], dec[0]), (ra[1:], dec[1:]))
    assert found.x == pytest.approx([120.3, 60.2, 180.6], abs=0.05)
    assert found.y == pytest.approx([100.7, 150.9, 40.1], abs=0.05)
    assert found.net == pytest.approx([20_000, 9_000, 5_000], rel=2e-3)
    assert found.net == pytest.approx(exact.net, rel=1e-5)
    assert found.target_notes == ()


def test_a_neighbour_is_not_taken_for_the_star(geometry):
    ra, dec = sky_of([100.0, 150.0], [60.0, 130.0])
    pixels = image([(107.0, 60.0, 30_000), (157.0, 130.0, 30_000)])
    found = measured(pixels, geometry, (ra[0], dec[0]), (ra[1:], dec[1:]))
    assert (found.x[0], found.y[0]) == pytest.approx((100.0, 60.0), abs=1e-6)
    assert "WCS position" in found.target_notes[0]
    assert np.isnan(found.net[1])


def test_a_saturated_target_is_noted_and_a_saturated_star_left_out(geometry):
    ra, dec = sky_of([100.0, 150.0], [60.0, 130.0])
    pixels = image([(100.0, 60.0, 30_000), (150.0, 130.0, 30_000)])
    found = measured(pixels, geometry, (ra[0], dec[0]), (ra[1:], dec[1:]), saturation_adu=900.0)
    assert np.isfinite(found.net).tolist() == [True, False]
    assert "saturated" in found.target_notes[0]


@pytest.mark.parametrize(
    ("target", "note"),
    [
        pytest.param((90.0, 10.0), "not on this image", id="elsewhere on the sky"),
        pytest.param(sky_of(-3.0, 60.0), "blank or off the image", id="beside the image"),
    ],
)
def test_a_target_off_the_image_costs_no_star(geometry, target, note):
    ra, dec = sky_of([150.0], [130.0])
    pixels = image([(150.0, 130.0, 30_000)])
    found = measured(pixels, geometry, tuple(map(float, target)), (ra, dec))
    assert np.isfinite(found.net).tolist() == [False, True]
    assert any(note in text for text in found.target_notes)
