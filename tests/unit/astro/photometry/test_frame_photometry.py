import math

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from datalab.astro.headers.detector import Detector
from datalab.astro.photometry.aperture_geometry import ApertureGeometry, Radii
from datalab.astro.photometry.frame_photometry import About, frame_fault, measure_frame

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


#: A target and stars around it, well apart.
FIELD = [(120.3, 100.7, 20_000), *((x, y, 30_000) for x in (40.2, 120.8, 200.4) for y in (40.6, 160.1)),
         (40.7, 100.2, 25_000), (200.1, 100.9, 25_000)]  # fmt: skip
GAIN = 2.0


@pytest.fixture
def frame():
    """Return noisy pixels, and measurements of the undamaged target and stars."""
    rng = np.random.default_rng(7)
    return (rng.poisson(image(FIELD) * GAIN) / GAIN).astype(np.float32)


def in_field(pixels, geometry, stars=FIELD, **further):
    ra, dec = sky_of(*np.transpose(stars)[:2])
    detector = Detector(**{"gain_e_per_adu": GAIN} | further.pop("detector", {}))
    return measure_frame(
        pixels, geometry, detector, target=(ra[0], dec[0]), stars_ra_deg=ra[1:], stars_dec_deg=dec[1:], **further
    )


def about(found):
    return {remark.about: remark for remark in found.target_remarks}


def damaged(pixels, changes):
    changed = pixels.copy()
    for row, column, value in changes:
        changed[row, column] = value
    return changed


RIM = [(100 + 6, 120, np.nan)]
CORE = [(row, column, np.nan) for row in (100, 101) for column in (119, 120, 121)]
TRACK = [(97 + step, 118 + step, 1500.0) for step in range(5)]
SINGLE = [(104, 123, 4000.0)]


@pytest.mark.parametrize(
    ("change", "kind"),
    [(RIM, "1 blank pixel(s)"), (SINGLE, "1 cosmic-ray pixel(s)"), (RIM + SINGLE, "1 blank pixel(s) and 1")],
)
def test_what_little_of_the_target_is_blank_or_hit_is_filled_in_and_noted(geometry, frame, change, kind):
    whole, found = in_field(frame, geometry), in_field(damaged(frame, change), geometry)
    assert whole.target_remarks == ()
    (remark,) = found.target_remarks
    assert remark.about == About.FILLED_IN
    assert not remark.is_flaw
    assert kind in remark.text
    assert found.net[0] == pytest.approx(whole.net[0], abs=0.5 * whole.sigma[0])
    assert (found.x[0], found.y[0]) == pytest.approx((whole.x[0], whole.y[0]), abs=0.05)
    assert 0.999 * whole.sigma[0] <= found.sigma[0] < 1.2 * whole.sigma[0]
    assert found.net[1:] == pytest.approx(whole.net[1:])


@pytest.mark.parametrize("change", [CORE, TRACK])
def test_a_target_that_lost_much_of_its_light_is_not_measured(geometry, frame, change):
    found = in_field(damaged(frame, change), geometry)
    assert np.isnan(found.net[0])
    assert about(found)[About.LOST].is_flaw
    assert np.isfinite(found.net[1:]).all()


def test_one_blank_pixel_costs_no_star(geometry, frame):
    blank = [(int(y) + 5, int(x) - 3, np.nan) for x, y, _ in FIELD[1:]]
    whole, found = in_field(frame, geometry), in_field(damaged(frame, blank), geometry)
    assert found.net[1:] == pytest.approx(whole.net[1:], rel=0.003)
    assert found.target_remarks == ()
    assert found.frame_notes == ("8 comparison star(s): blank pixels or cosmic rays were filled in.",)


def test_a_blank_pixel_is_filled_in_without_stars_to_learn_from(geometry):
    pixels = image([(120.3, 100.7, 20_000)])
    found = in_field(damaged(pixels, RIM), geometry, stars=FIELD[:1])
    assert found.net[0] == pytest.approx(20_000, rel=0.01)
    assert About.FILLED_IN in about(found)


def test_a_neighbour_is_no_cosmic_ray_and_is_noted(geometry, frame):
    beside = frame + image([(125.5, 100.7, 6_000)], sky=0.0)
    found = in_field(beside, geometry)
    assert set(about(found)) == {About.NO_POINT}
    assert found.net[0] > 24_000


def test_narrow_stars_are_no_cosmic_rays(geometry):
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    pixels = np.full(SHAPE, 50.0)
    for x, y, flux in FIELD:
        pixels += flux / (2 * math.pi * 0.36) * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 0.72)
    found = in_field(pixels, geometry)
    assert found.net == pytest.approx([flux for *_, flux in FIELD], rel=0.1)
    assert found.target_remarks == ()


def test_a_clipped_target_is_saturated_though_the_header_does_not_say_where(geometry, frame):
    clipped = in_field(np.minimum(frame, 500.0), geometry)
    assert about(clipped)[About.SATURATED].is_flaw
    assert np.isnan(clipped.net[1:]).all()


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.zeros((20, 30), np.float32), "all of its pixels are 0"),
        (np.full((20, 30), np.nan), "all of its pixels are blank"),
        (np.where(np.arange(600).reshape(20, 30) % 10 < 8, 65535, 100).astype(np.uint16), "most of its pixels are sat"),
    ],
)
def test_a_frame_without_stars_says_why(pixels, reason):
    assert frame_fault(pixels, 65535.0).startswith(reason)
    assert frame_fault(np.arange(600.0).reshape(20, 30), 65535.0) is None


def trailed(pixels, x, y, flux, half_x, half_y):
    for part in np.linspace(-1, 1, 81):
        pixels = pixels + image([(x + part * half_x, y + part * half_y, flux / 81)], sky=0.0)
    return pixels


HALF = 14.0  # pixels: a trail of 28 with apertures of 8


def at_end(x, y):
    ra, dec = sky_of([x + HALF], [y])
    return float(ra[0]), float(dec[0])


def test_a_trailed_target_is_measured_in_a_pill(geometry):
    pixels = trailed(image(FIELD[1:]), 120.3, 100.7, 20_000, HALF, 0.0)
    end = at_end(120.3, 100.7)
    found = in_field(pixels, geometry, target_at_end=end)
    assert found.net[0] == pytest.approx(20_000, rel=0.01)
    assert found.net[1:] == pytest.approx([flux for *_, flux in FIELD[1:]], rel=0.01)
    assert "target is trailed by 28.0 px" in about(found)[About.TRAILED].text
    circle = in_field(pixels, geometry, target_at_end=end, shape="circle")
    assert circle.net[0] < 15_000
    assert about(circle)[About.TRAILED].is_flaw
    assert "aperture_shape" in circle.target_notes[-1]


def test_stars_are_trailed_where_the_telescope_follows_the_target(geometry):
    pixels = image(FIELD[:1])
    for star in FIELD[1:]:
        pixels = trailed(pixels, *star, HALF, 0.0)
    found = in_field(pixels, geometry, target_at_end=at_end(120.3, 100.7))
    assert found.net == pytest.approx([flux for *_, flux in FIELD], rel=0.01)
    assert "stars are trailed" in about(found)[About.TRAILED].text


def test_a_slow_target_is_no_trail(geometry, frame):
    ra, dec = sky_of([120.8], [100.7])
    found = in_field(frame, geometry, target_at_end=(float(ra[0]), float(dec[0])))
    assert found.target_remarks == ()
    assert found.net == pytest.approx(in_field(frame, geometry).net)
    pill = in_field(frame, geometry, target_at_end=(float(ra[0]), float(dec[0])), shape="pill")
    assert set(about(pill)) == {About.TRAILED}
    assert pill.net[0] == pytest.approx(found.net[0], abs=found.sigma[0])


def test_an_unknown_gain_is_seen_in_the_sky(geometry):
    """Counts of a quarter of an electron: a gain of 1 would make the errors a half of what they are."""
    rng = np.random.default_rng(3)
    nets, sigmas = [], []
    for _ in range(12):
        pixels = rng.poisson(image(FIELD, sky=400.0) * 0.25) / 0.25
        found = in_field(pixels, geometry, detector={"gain_e_per_adu": 1.0, "gain_is_known": False})
        nets.append(found.net[0])
        sigmas.append(found.sigma[0])
    truth = math.sqrt(20_000 / 0.25 + math.pi * 64 * 400 / 0.25)
    assert np.median(sigmas) == pytest.approx(truth, rel=0.15)
    assert np.std(nets) == pytest.approx(truth, rel=0.6)


def test_cosmic_rays_and_blank_pixels_add_little_to_the_noise(geometry):
    """The small sister of `benchmarks/photometry_truth.py`, whose limit is 15 %: differences below 0.56 sigma."""
    rng = np.random.default_rng(11)
    deviations, lost = [], 0
    for _ in range(5):
        clean = (rng.poisson(image(FIELD) * GAIN) / GAIN).astype(np.float32)
        hit = clean.copy()
        for _ in range(140):
            column, row, length = rng.integers(0, SHAPE[1] - 8), rng.integers(0, SHAPE[0] - 8), rng.integers(1, 7)
            hit[row + np.arange(length), column + rng.integers(0, 2) * np.arange(length)] += rng.lognormal(6.5, 0.8)
        hit[rng.integers(0, SHAPE[0], 120), rng.integers(0, SHAPE[1], 120)] = np.nan
        whole, found = in_field(clean, geometry), in_field(hit, geometry)
        deviations.append((found.net - whole.net) / whole.sigma)
        lost += np.count_nonzero(np.isnan(found.net))
    deviation = np.array(deviations)
    assert np.count_nonzero(deviation) > 20  # of 45 that have blank or hit pixels
    assert lost < 6
    assert np.sqrt(np.nanmean(deviation**2)) < 0.56
