"""Cosmic rays injected into simulated frames, so that where they are, and what lies under them, is known."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from datalab.astro.headers.detector import Detector
from datalab.astro.pixels.cosmic_rays import CosmicRayError, CosmicRaySettings, remove_cosmic_rays
from datalab.astro.sources.extraction import ExtractionSettings, extract_sources, star_width_px
from datalab.simulation.camera import Camera, Conditions, Pointing, expose
from datalab.simulation.psf import Moffat
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


DETECTOR = Detector(gain_e_per_adu=1.5, read_noise_e=6.0, saturation_adu=60_000.0)


def sharp_field(fwhm_px, *, seed=1):
    """An image of stars that are hardly wider than a pixel, with all noise; where they are, and their counts."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(8, 292, (2, 50))
    counts = 10 ** rng.uniform(3.5, 5, 50)
    light = np.full((300, 300), 300.0)
    Moffat(fwhm_px, 3.5).add_sources(light, x, y, counts * 1.5)
    return (rng.poisson(light) + rng.normal(0.0, 6.0, light.shape)) / 1.5, x, y, counts


@pytest.mark.parametrize("fwhm_px", [1.0, 1.3, 1.5, 1.7, 2.0])
def test_stars_hardly_wider_than_a_pixel_keep_their_light(fwhm_px):
    pixels, x, y, counts = sharp_field(fwhm_px)
    hit = pixels.copy()
    rng = np.random.default_rng(2)
    rows, columns = rng.integers(5, 290, (2, 40))
    for step in range(3):
        hit[rows + step, columns] += rng.uniform(150.0, 3000.0, 40)
    injected = hit > pixels
    width = star_width_px(hit, detector=DETECTOR)
    assert width == pytest.approx(fwhm_px, abs=0.2)
    result = remove_cosmic_rays(hit, detector=DETECTOR, star_fwhm_px=width)
    for column, row, light in zip(x.astype(int), y.astype(int), counts, strict=True):
        around = np.s_[max(0, row - 4) : row + 6, max(0, column - 4) : column + 6]
        if not injected[around].any():
            assert pixels[around].sum() - result.pixels[around].sum() < 0.01 * light
    assert np.count_nonzero(result.hit & injected) > 0.8 * np.count_nonzero(injected)
    (note,) = result.notes
    assert "as sharp as cosmic rays" in note


def test_hits_at_the_edges_are_found():
    rng = np.random.default_rng(0)
    sky = rng.normal(200.0, 8.0, (200, 220))
    injected = np.zeros(sky.shape, dtype=bool)
    for edge in range(3):
        injected[edge, 10:200:7] = injected[-1 - edge, 12:200:7] = True
        injected[12:190:7, edge] = injected[15:190:7, -1 - edge] = True
    result = remove_cosmic_rays(np.where(injected, sky + 500.0, sky), detector=DETECTOR)
    assert result.hit[injected].all()
    assert np.count_nonzero(result.hit & ~injected) < 50
    assert np.abs(result.pixels[injected] - 200.0).max() < 20.0


@pytest.mark.parametrize("scale", [1 / 400, 1 / 60_000])
@pytest.mark.parametrize("read_noise_e", [0.0, 5.0])
def test_rates_and_normalized_frames_are_judged_by_the_noise_of_their_sky(scale, read_noise_e):
    """Counts per second with a gain of 1, and frames divided by their level without GAIN."""
    rng = np.random.default_rng(3)
    sky = rng.normal(200.0, 8.0, (200, 200))
    injected = rng.uniform(size=sky.shape) < 0.003
    detector = Detector(read_noise_e=read_noise_e)
    result = remove_cosmic_rays(np.where(injected, sky + 600.0, sky) * scale, detector=detector)
    assert result.hit[injected].mean() > 0.95
    assert np.count_nonzero(result.hit & ~injected) < 0.002 * sky.size
    (note,) = result.notes
    assert "less than any detector has" in note


def test_what_would_be_half_of_the_image_is_refused():
    pixels = np.random.default_rng(4).normal(100.0, 3.0, (100, 100))
    with pytest.raises(CosmicRayError, match=r"^\d+ % of its pixels would be taken for cosmic rays"):
        remove_cosmic_rays(pixels, detector=DETECTOR, settings=CosmicRaySettings(sigma_clip=1.0, object_contrast=0.0))


def test_values_beyond_all_counts_are_left_alone_and_told():
    pixels, injected = with_cosmic_rays(frame().pixels, count=40)
    pixels = pixels.astype(np.float64)
    rng = np.random.default_rng(5)
    beyond = rng.uniform(size=pixels.shape) < 0.01
    pixels[beyond] = rng.choice([1e303, -1e303, 1e40], np.count_nonzero(beyond))
    result = remove_cosmic_rays(pixels, detector=Detector.of(frame().header))
    np.testing.assert_array_equal(result.pixels[beyond], pixels[beyond])
    seen = injected & ~beyond & (pixels < frame().header["SATURATE"])
    assert result.hit[seen].mean() > 0.8
    assert np.abs(result.pixels[~beyond]).max() < 1e6
    (note,) = result.notes
    assert note.startswith(f"{np.count_nonzero(beyond)} pixels have values that no detector counts")
    (note,) = remove_cosmic_rays(np.full((50, 50), 1e303), detector=DETECTOR).notes
    assert note.startswith("No cosmic rays were looked for")


@pytest.mark.parametrize("pixels", [np.full((50, 50), 7, np.uint16), np.full((50, 50), 0.5)])
def test_an_image_without_noise_is_left_alone(pixels):
    result = remove_cosmic_rays(pixels, detector=DETECTOR)
    assert not result.hit.any()
    assert result.notes == ("No cosmic rays were looked for: the image has no noise",)


def test_where_most_pixels_were_filled_in_the_others_tell_the_noise():
    pixels, injected = with_cosmic_rays(frame().pixels, count=60)
    pixels[:, :240] = 0
    injected[:, :246] = False
    injected &= pixels < frame().header["SATURATE"]
    result = remove_cosmic_rays(pixels, detector=Detector.of(frame().header))
    assert result.hit[injected].mean() > 0.85
    assert not result.hit[:, :230].any()
