"""What is measured of a frame, against what the simulator put into it."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from datalab.astro.headers.detector import Detector
from datalab.astro.measuring.quality import measure_frame
from datalab.astro.measuring.reference_stars import ReferenceStars
from datalab.astro.sky.wcs import celestial_wcs
from datalab.astro.sources.detection import ExtractionError
from datalab.simulation.camera import Camera, Conditions, Pointing, expose
from datalab.simulation.psf import Moffat
from datalab.simulation.sky import StarField

TIME = datetime(2026, 3, 14, 3, tzinfo=UTC)
POINTING = Pointing(ra_deg=150.0, dec_deg=20.0)


def taken(*, seeing=2.2, sky=20.5, stars=1200, exposure_s=60.0, side=640, beta=3.5, transparency=1.0, seed=1):
    """Return the camera, an exposure, and the catalogue of its field."""
    camera = Camera(rows=side, columns=side, psf_beta=beta)
    field = StarField.random(
        seed=seed,
        centre_ra_deg=POINTING.ra_deg,
        centre_dec_deg=POINTING.dec_deg,
        radius_deg=1.2 * camera.field_radius_deg,
        n_stars=stars,
        magnitude_range=(11.0, 21.0),
    )
    conditions = Conditions(seeing_fwhm_arcsec=seeing, sky_mag_per_arcsec2=sky, transparency=transparency)
    exposure = expose(
        field=field,
        camera=camera,
        conditions=conditions,
        pointing=POINTING,
        filter_name="rp",
        exposure_s=exposure_s,
        time=TIME,
        seed=seed,
        reduced=True,
    )
    known = field.at(TIME, "rp")
    return camera, exposure, ReferenceStars(ra_deg=known.ra_deg, dec_deg=known.dec_deg, mag=known.magnitude)


def measured(camera, exposure, reference, pixels=None):
    pixels = exposure.pixels if pixels is None else pixels
    return measure_frame(
        pixels,
        detector=Detector.of(exposure.header),
        pixel_scale_arcsec=camera.pixel_scale_arcsec,
        wcs=celestial_wcs(exposure.header, pixels.shape),
        reference=reference,
    )


def faintest(camera, exposure, exposure_s):
    """Return the magnitude of a star whose light, weighted by its profile, stands 5 sigma above the noise of pixels."""
    truth = exposure.truth
    shares = np.zeros((121, 121))
    Moffat(truth.fwhm_px, camera.psf_beta).add_sources(shares, np.array([60.2]), np.array([60.3]), np.ones(1))
    sky_e = truth.sky_e_per_px + camera.dark_current_e_per_s * exposure_s + camera.read_noise_e**2

    def signal_to_noise(electrons):
        return math.sqrt(float((electrons**2 * shares**2 / (sky_e + electrons * shares)).sum()))

    low, high = 1.0, 1e7
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if signal_to_noise(middle) < 5.0 else (low, middle)
    return truth.zero_point_mag - 2.5 * math.log10(low / camera.gain_e_per_adu)


@pytest.mark.parametrize(
    "circumstances",
    [
        {"seeing": 1.3, "exposure_s": 120.0},
        {"seeing": 2.2},
        {"seeing": 4.0, "sky": 19.0, "exposure_s": 120.0},
        {"stars": 8000},
        {"beta": 2.6},
        {"transparency": 0.5, "exposure_s": 120.0},
    ],
    ids=["undersampled", "usual", "bright sky", "crowded", "wide wings", "clouds"],
)
def test_width_zero_point_and_limit_are_those_of_the_simulator(circumstances):
    camera, exposure, reference = taken(**circumstances)
    found = measured(camera, exposure, reference)
    truth = exposure.truth
    assert found.fwhm_px == pytest.approx(truth.fwhm_px, rel=0.03)
    assert found.fwhm_arcsec == pytest.approx(found.fwhm_px * camera.pixel_scale_arcsec)
    assert found.zero_point_mag == pytest.approx(truth.zero_point_mag, abs=0.02)
    assert found.zero_point_scatter_mag < 0.05
    limit = faintest(camera, exposure, circumstances.get("exposure_s", 60.0))
    assert found.limiting_mag == pytest.approx(limit, abs=0.1)
    assert found.ellipticity < 0.03
    assert not found.is_trailed
    assert found.n_streaks == 0


def test_sky_level_and_noise_are_those_of_the_pixels_between_the_stars():
    camera, exposure, reference = taken(stars=5000)
    found = measured(camera, exposure, reference)
    truth = exposure.truth
    noise_e = math.sqrt(truth.sky_e_per_px + camera.dark_current_e_per_s * 60.0 + camera.read_noise_e**2)
    assert found.sky_noise == pytest.approx(noise_e / camera.gain_e_per_adu, rel=0.04)
    assert found.sky_level == pytest.approx(truth.sky_adu_per_px + 200.0, abs=0.3 * found.sky_noise)


def test_trailed_stars_are_told_with_their_direction():
    camera, exposure, reference = taken(exposure_s=120.0, stars=500)
    light = exposure.pixels.astype(np.float64)
    steps = [np.roll(light, (round(0.5 * step), step), (0, 1)) for step in range(-5, 6)]
    pixels = (sum(steps) / len(steps)).round().astype(np.uint16)
    found = measured(camera, exposure, reference, pixels)
    assert found.is_trailed
    assert found.position_angle_deg == pytest.approx(math.degrees(math.atan2(0.5, 1.0)), abs=6.0)


def test_a_satellite_is_a_streak_and_no_trailing():
    camera, exposure, reference = taken()
    pixels = exposure.pixels.astype(np.float64)
    rows = np.arange(pixels.shape[0])
    for shift in (-1, 0, 1):
        pixels[rows, np.clip((0.4 * rows + 150).astype(int) + shift, 0, pixels.shape[1] - 1)] += 900.0
    found = measured(camera, exposure, reference, pixels.clip(0, 65535).astype(np.uint16))
    assert found.n_streaks >= 1
    assert not found.is_trailed
    assert found.fwhm_px == pytest.approx(exposure.truth.fwhm_px, rel=0.04)


def test_cosmic_rays_and_hot_pixels_are_no_sources():
    camera, exposure, reference = taken(stars=200)
    pixels = exposure.pixels.copy()
    rng = np.random.default_rng(3)
    pixels[rng.integers(20, 620, 300), rng.integers(20, 620, 300)] = 30_000
    with_hot, without = (measured(camera, exposure, reference, each) for each in (pixels, exposure.pixels))
    assert with_hot.n_sources <= without.n_sources + 15
    assert with_hot.fwhm_px == pytest.approx(exposure.truth.fwhm_px, abs=4.0 * with_hot.fwhm_error_px)


def test_without_a_catalogue_there_is_no_zero_point_and_no_limit():
    camera, exposure, _ = taken()
    nothing = ReferenceStars(ra_deg=np.empty(0), dec_deg=np.empty(0), mag=np.empty(0))
    for reference in (None, nothing):
        found = measured(camera, exposure, reference)
        assert (found.zero_point_mag, found.limiting_mag, found.zero_point_stars) == (None, None, 0)
        assert found.fwhm_px is not None


def test_a_catalogue_of_another_field_gives_no_zero_point():
    camera, exposure, reference = taken()
    rng = np.random.default_rng(5)
    elsewhere = ReferenceStars(
        ra_deg=reference.ra_deg + rng.normal(0.0, 0.03, reference.ra_deg.size),
        dec_deg=reference.dec_deg + rng.normal(0.0, 0.03, reference.ra_deg.size),
        mag=rng.uniform(11.0, 21.0, reference.ra_deg.size),
    )
    assert measured(camera, exposure, elsewhere).zero_point_mag is None


def test_a_frame_without_stars_has_a_sky_and_no_width():
    rng = np.random.default_rng(1)
    pixels = rng.normal(1000.0, 12.0, (512, 512)).round().astype(np.uint16)
    found = measure_frame(pixels, detector=Detector())
    assert found.sky_level == pytest.approx(1000.0, abs=0.5)
    assert found.sky_noise == pytest.approx(12.0, rel=0.03)
    assert (found.fwhm_px, found.n_stars) == (None, 0)


def test_clipped_pixels_are_counted():
    camera, exposure, reference = taken()
    pixels = exposure.pixels.copy()
    pixels[:64] = 65535
    found = measured(camera, exposure, reference, pixels)
    assert found.saturated_fraction == pytest.approx(0.1, abs=0.005)


@pytest.mark.parametrize("pixels", [np.zeros((200, 200)), np.full((100, 100), np.nan), np.ones((8, 8))])
def test_what_shows_nothing_is_refused(pixels):
    with pytest.raises(ExtractionError):
        measure_frame(pixels, detector=Detector())
