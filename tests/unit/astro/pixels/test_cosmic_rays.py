"""Cosmic rays injected into simulated frames, so that where they are, and what lies under them, is known."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from datalab.astro.headers.detector import Detector
from datalab.astro.pixels.cosmic_rays import CosmicRaySettings, remove_cosmic_rays
from datalab.astro.sources.extraction import ExtractionSettings, extract_sources
from datalab.simulation.camera import Camera, Conditions, Pointing, expose
from datalab.simulation.sky import Star, StarField

CAMERA = Camera(rows=300, columns=400, hot_pixel_fraction=0.0, cosmic_rays_per_cm2_s=0.0)


def frame(*, reduced=True):
    """A frame without cosmic rays, with stars of every brightness; the brightest is saturated."""
    field = StarField.random(
        seed=5, centre_ra_deg=50.0, centre_dec_deg=-20.0, radius_deg=0.06, n_stars=120, magnitude_range=(12.0, 18.0)
    ).including([Star(name="saturated", ra_deg=50.01, dec_deg=-20.005, magnitude=7.5)])
    return expose(
        field=field,
        camera=CAMERA,
        conditions=Conditions(),
        pointing=Pointing(ra_deg=50.0, dec_deg=-20.0),
        filter_name="rp",
        exposure_s=60.0,
        time=datetime(2026, 3, 14, 3, 0, tzinfo=UTC),
        seed=6,
        reduced=reduced,
    )


def with_cosmic_rays(pixels, *, count, seed=7):
    """The pixels with straight trails added, and which of them were hit by 100 electrons, 14 times the read noise."""
    rng = np.random.default_rng(seed)
    charge = np.zeros(pixels.shape)
    for _ in range(count):
        x, y, angle = rng.uniform(0, pixels.shape[1]), rng.uniform(0, pixels.shape[0]), rng.uniform(0, 2 * math.pi)
        path = np.arange(0.0, rng.exponential(3.0) + 0.5, 0.5)
        columns = np.rint(x + path * math.cos(angle)).astype(int)
        rows = np.rint(y + path * math.sin(angle)).astype(int)
        inside = (columns >= 0) & (columns < pixels.shape[1]) & (rows >= 0) & (rows < pixels.shape[0])
        np.add.at(charge, (rows[inside], columns[inside]), rng.uniform(300.0, 3000.0))
    hit = np.clip(np.rint(pixels + charge / CAMERA.gain_e_per_adu), 0, 65535).astype(np.uint16)
    return hit, charge > 100.0


@pytest.mark.parametrize("reduced", [True, False])
def test_cosmic_rays_are_found_and_mended(reduced):
    exposure = frame(reduced=reduced)
    pixels, injected = with_cosmic_rays(exposure.pixels, count=60)
    detector = Detector.of(exposure.header)
    result = remove_cosmic_rays(pixels, detector=detector)
    on_saturated = pixels >= detector.saturation_adu
    injected &= ~on_saturated
    assert np.count_nonzero(result.hit & injected) > 0.9 * np.count_nonzero(injected)
    assert np.count_nonzero(result.hit & ~injected) < 0.002 * pixels.size
    np.testing.assert_array_equal(result.pixels[~result.hit], pixels[~result.hit])
    assert result.pixels.dtype == np.uint16
    before, after = (np.abs(image.astype(float) - exposure.pixels)[injected] for image in (pixels, result.pixels))
    assert np.median(after) < 0.03 * np.median(before)


def test_star_fluxes_stay():
    exposure = frame()
    detector = Detector.of(exposure.header)
    result = remove_cosmic_rays(exposure.pixels, detector=detector)
    settings = ExtractionSettings(aperture_radius_px=6.0)
    before, after = (
        extract_sources(image, detector=detector, settings=settings).sources
        for image in (exposure.pixels, result.pixels)
    )
    bright = (before["flag"] == 0) & (before["flux"] > 30.0 * before["fluxerr"])
    assert np.count_nonzero(bright) > 12
    for source in before[bright]:
        same = np.argmin(np.hypot(after["xwin"] - source["xwin"], after["ywin"] - source["ywin"]))
        assert after["flux"][same] == pytest.approx(source["flux"], rel=0.01)


def test_saturated_stars_are_not_touched():
    exposure = frame()
    saturated = exposure.pixels >= exposure.header["SATURATE"]
    assert np.count_nonzero(saturated) > 5
    result = remove_cosmic_rays(exposure.pixels, detector=Detector.of(exposure.header))
    assert not result.hit[saturated].any()


def test_blank_pixels_stay_blank_and_hurt_no_neighbour():
    exposure = frame()
    pixels, injected = with_cosmic_rays(exposure.pixels, count=60)
    pixels = pixels.astype(np.float32)
    pixels[100:110, :] = np.nan
    pixels[5, 5] = np.inf
    result = remove_cosmic_rays(pixels, detector=Detector.of(exposure.header))
    assert np.isnan(result.pixels[100:110]).all()
    assert np.isinf(result.pixels[5, 5])
    assert not result.hit[100:110].any()
    seen = injected & np.isfinite(pixels) & (exposure.pixels < exposure.header["SATURATE"])
    assert np.count_nonzero(result.hit & seen) > 0.9 * np.count_nonzero(seen)
    assert np.isfinite(result.pixels[result.hit]).all()


def test_bands_do_not_show(monkeypatch):
    exposure = frame()
    pixels, _ = with_cosmic_rays(exposure.pixels, count=60)
    detector = Detector.of(exposure.header)
    whole = remove_cosmic_rays(pixels, detector=detector)
    monkeypatch.setattr("datalab.astro.pixels.cosmic_rays._BAND_ROWS", 150)
    heard = []
    banded = remove_cosmic_rays(pixels, detector=detector, progress=heard.append)
    np.testing.assert_array_equal(banded.hit, whole.hit)
    np.testing.assert_array_equal(banded.pixels, whole.pixels)
    assert heard == [0.5, 1.0]


def test_a_sky_subtracted_image_works_as_well():
    exposure = frame()
    pixels, injected = with_cosmic_rays(exposure.pixels, count=60)
    subtracted = pixels.astype(np.float64) - np.median(pixels)
    result = remove_cosmic_rays(subtracted, detector=Detector(gain_e_per_adu=1.5, read_noise_e=7.0))
    assert np.count_nonzero(result.hit & injected) > 0.85 * np.count_nonzero(injected)
    assert result.pixels.dtype == np.float64


def test_a_higher_limit_finds_fewer():
    exposure = frame()
    pixels, _ = with_cosmic_rays(exposure.pixels, count=60)
    detector = Detector.of(exposure.header)
    few = remove_cosmic_rays(pixels, detector=detector, settings=CosmicRaySettings(sigma_clip=200.0, iterations=1))
    many = remove_cosmic_rays(pixels, detector=detector, settings=CosmicRaySettings(iterations=1))
    assert np.count_nonzero(few.hit) < 0.8 * np.count_nonzero(many.hit)


@pytest.mark.parametrize(
    "pixels",
    [np.full((30, 40), np.nan), np.full((30, 40), 5, np.int16), np.zeros((1, 1)), np.zeros((6, 90)), np.zeros((90, 6))],
)
def test_an_image_of_nothing_stays_as_it_is(pixels):
    result = remove_cosmic_rays(pixels, detector=Detector(read_noise_e=5.0))
    np.testing.assert_array_equal(result.pixels, pixels)
    assert not result.hit.any()
