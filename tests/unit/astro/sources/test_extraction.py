"""Sources found and measured, against the simulator's truth, and against sep and photutils on the same pixels."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest
import sep
from photutils.aperture import CircularAperture, aperture_photometry
from scipy.spatial import cKDTree

from datalab.astro.catalogues.star_selection import FLAG_SHARP
from datalab.astro.headers.detector import Detector
from datalab.astro.sources.detection import ExtractionError
from datalab.astro.sources.extraction import ExtractionSettings, extract_sources
from datalab.simulation.camera import Camera, Conditions, Pointing, expose
from datalab.simulation.psf import Moffat
from datalab.simulation.sky import StarField

GAIN, READ_NOISE_E, SKY_E = 1.5, 7.0, 60.0
DETECTOR = Detector(gain_e_per_adu=GAIN, read_noise_e=READ_NOISE_E, saturation_adu=60_000.0)
FWHM_PX = 3.2
PROFILE = Moffat(FWHM_PX, 3.5)
#: Variance of a pixel of sky, in counts.
NOISE_ADU = math.sqrt(SKY_E + READ_NOISE_E**2) / GAIN
SPACING_PX = 32
NIGHT = datetime(2026, 3, 14, 3, 0, tzinfo=UTC)


def grid_image(fluxes, *, seed=0, level=200.0, across=20):
    """An image of stars on a grid, somewhere within their middle pixels, with all noise; and where they are."""
    rng = np.random.default_rng(seed)
    n = len(fluxes)
    down = -(-n // across)
    x = np.arange(n) % across * SPACING_PX + SPACING_PX / 2 + rng.uniform(-0.5, 0.5, n)
    y = np.arange(n) // across * SPACING_PX + SPACING_PX / 2 + rng.uniform(-0.5, 0.5, n)
    light = np.full((down * SPACING_PX, across * SPACING_PX), SKY_E)
    PROFILE.add_sources(light, x, y, np.asarray(fluxes) * GAIN)
    electrons = rng.poisson(light) + rng.normal(0.0, READ_NOISE_E, light.shape)
    return electrons / GAIN + level, x, y


def flux_at(signal_to_noise):
    """Counts of a star whose light within one FWHM stands out of the noise there by so much."""
    area = math.pi * FWHM_PX**2
    half = 0.5 * signal_to_noise**2 / GAIN
    within = half + math.sqrt(half**2 + signal_to_noise**2 * area * NOISE_ADU**2)
    return within / PROFILE.enclosed_fraction(FWHM_PX)


def matched(sources, x, y):
    """For each place the number of its source, and whether there is one within 1.5 pixels."""
    places = np.column_stack([np.asarray(sources["xwin"]) - 1.0, np.asarray(sources["ywin"]) - 1.0])
    distance, nearest = cKDTree(places).query(np.column_stack([x, y]))
    return nearest, distance < 1.5


def test_faint_stars_are_found_and_noise_is_not():
    pixels, x, y = grid_image([flux_at(10.0)] * 400, seed=1)
    found = extract_sources(pixels, detector=DETECTOR)
    _, is_found = matched(found.sources, x, y)
    assert is_found.mean() > 0.95
    assert len(found.sources) - is_found.sum() <= 2


def test_positions_of_stars_at_signal_to_noise_50_are_true_within_a_tenth_of_a_pixel():
    pixels, x, y = grid_image([flux_at(50.0)] * 400, seed=2)
    sources = extract_sources(pixels, detector=DETECTOR).sources
    nearest, is_found = matched(sources, x, y)
    assert is_found.all()
    errors = np.hypot(sources["xwin"][nearest] - 1.0 - x, sources["ywin"][nearest] - 1.0 - y)
    assert np.sqrt(np.mean(errors**2)) < 0.1
    for name, truth in (("xwin", x), ("ywin", y), ("x", x), ("y", y)):
        assert np.mean(sources[name][nearest] - 1.0 - truth) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize(("signal_to_noise", "tolerance"), [(20.0, 0.01), (50.0, 0.005), (300.0, 0.002)])
@pytest.mark.parametrize("whole_counts", [False, True])
def test_fluxes_are_unbiased_and_their_errors_true(signal_to_noise, tolerance, whole_counts):
    """Whole counts and floats alike: the mode estimate of the sky that is usual is wrong for the former."""
    flux = flux_at(signal_to_noise)
    pixels, x, y = grid_image([flux] * 400, seed=3)
    if whole_counts:
        pixels = np.rint(pixels).astype(np.uint16)
    found = extract_sources(pixels, detector=DETECTOR)
    sources = found.sources
    nearest, is_found = matched(sources, x, y)
    measured, errors = (np.asarray(sources[name])[nearest][is_found] for name in ("flux", "fluxerr"))
    expected = flux * PROFILE.enclosed_fraction(2.5 * found.fwhm_px)
    assert np.mean(measured) == pytest.approx(expected, rel=tolerance)
    assert np.std(measured) == pytest.approx(np.median(errors), rel=0.15)


def test_the_sky_the_noise_and_the_width_of_the_stars_are_true():
    pixels, _, _ = grid_image(np.geomspace(500, 2e5, 400), seed=4)
    found = extract_sources(pixels.astype(np.float32), detector=DETECTOR)
    assert found.background == pytest.approx(200.0 + SKY_E / GAIN, abs=0.02 * NOISE_ADU)
    assert found.background_rms == pytest.approx(NOISE_ADU, rel=0.02)
    assert found.fwhm_px == pytest.approx(FWHM_PX, rel=0.02)
    exact = found.sources["flux"] > 100.0 * found.sources["fluxerr"]
    np.testing.assert_allclose(found.sources["fwhm"][exact], FWHM_PX, rtol=0.05)
    np.testing.assert_allclose(found.sources["background"], found.background, atol=0.2 * NOISE_ADU)


def test_apertures_agree_with_photutils():
    pixels, _, _ = grid_image([20_000.0] * 100, seed=5)
    scale = 0.74
    found = extract_sources(pixels, detector=DETECTOR, pixel_scale_arcsec=scale)
    sources = found.sources
    positions = np.column_stack([sources["xwin"] - 1.0, sources["ywin"] - 1.0])
    for diameter in (2, 4, 6):
        expected = photutils_sums(pixels, positions, sources["background"], 0.5 * diameter / scale)
        np.testing.assert_allclose(sources[f"fluxaper{diameter}"], expected, rtol=1e-3)
    wide = extract_sources(pixels, detector=DETECTOR, settings=ExtractionSettings(aperture_radius_px=5.0)).sources
    expected = photutils_sums(pixels, positions, sources["background"], 5.0)
    np.testing.assert_allclose(wide["flux"], np.sort(expected)[::-1], rtol=1e-3)


def photutils_sums(pixels, positions, sky, radius):
    aperture = CircularAperture(positions, radius)
    return aperture_photometry(pixels, aperture)["aperture_sum"] - np.asarray(sky) * aperture.area


def test_shapes_agree_with_sep():
    pixels, _, _ = grid_image([50_000.0] * 100, seed=6)
    sources = extract_sources(pixels, detector=DETECTOR).sources
    sky = sep.Background(np.ascontiguousarray(pixels))
    plain = sep.extract(pixels - sky.back(), 5.0, err=sky.globalrms)
    nearest, is_found = matched(sources, plain["x"], plain["y"])
    assert is_found.all()
    np.testing.assert_allclose(sources["x"][nearest] - 1.0, plain["x"], atol=0.05)
    np.testing.assert_allclose(sources["a"] ** 2 + sources["b"] ** 2, sources["x2"] + sources["y2"], rtol=1e-6)
    radius, _ = sep.flux_radius(pixels - sky.back(), plain["x"], plain["y"], np.full(100, 16.0), 0.5, subpix=5)
    np.testing.assert_allclose(sources["fluxrad50"][nearest], radius, rtol=0.05)


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<i4", "<f4", ">f4", ">f8", "<i8"])
def test_every_type_and_byte_order_gives_the_same_sources(dtype):
    pixels, _, _ = grid_image([5000.0] * 40, seed=7)
    whole = np.rint(pixels)
    expected = extract_sources(whole.astype(np.uint16), detector=DETECTOR).sources
    found = extract_sources(whole.astype(dtype), detector=DETECTOR).sources
    np.testing.assert_allclose(found["xwin"], expected["xwin"], atol=1e-3)
    np.testing.assert_allclose(found["flux"], expected["flux"], rtol=1e-3)


def test_the_image_is_left_as_it_is():
    pixels, _, _ = grid_image([5000.0] * 40, seed=7)
    before = pixels.copy()
    extract_sources(pixels, detector=DETECTOR)
    np.testing.assert_array_equal(pixels, before)


def test_blank_pixels_are_no_sources_and_flag_those_beside_them():
    pixels, x, y = grid_image([5000.0] * 40, seed=8)
    row, column = round(y[5]), round(x[5])
    pixels[row + 5, column] = np.nan
    pixels[:, -4:] = np.inf
    sources = extract_sources(pixels, detector=DETECTOR).sources
    nearest, is_found = matched(sources, x, y)
    assert is_found.all()
    assert len(sources) == 40
    assert sources["flag"][nearest[5]] & 16
    assert np.count_nonzero(sources["flag"]) == 1
    assert np.isfinite(sources["flux"]).all()


def test_saturated_cut_and_neighbouring_sources_are_flagged():
    pixels, x, y = grid_image([5000.0] * 40, seed=9)
    PROFILE.add_sources(
        pixels,
        np.array([x[3] + 8.0, x[7], 0.5, x[12] + 7.0]),
        np.array([y[3], y[7], y[20] + 12.0, y[12]]),
        np.array([4000.0, 2e6, 9000.0, 20_000.0]),
    )
    sources = extract_sources(pixels, detector=DETECTOR).sources
    nearest, is_found = matched(sources, x[[3, 7, 12]], y[[3, 7, 12]])
    assert is_found.all()
    beside, saturated, blended = (int(flag) for flag in sources["flag"][nearest])
    assert beside & 1
    assert saturated & 4
    assert sources["peak"][nearest[1]] == pixels[round(y[7]), round(x[7])]
    assert blended & 3 == 3
    (at_the_edge,) = np.flatnonzero(sources["xwin"] < 4.0)
    assert sources["flag"][at_the_edge] & (8 | 16)
    clean = matched(sources, x[25:], y[25:])[0]
    assert not sources["flag"][clean].any()


def test_deblending_is_a_matter_of_contrast():
    pixels, x, y = grid_image([20_000.0] * 40, seed=10)
    PROFILE.add_sources(pixels, x[:1] + 9.0, y[:1], np.array([3000.0]))
    apart = extract_sources(pixels, detector=DETECTOR).sources
    together = extract_sources(pixels, detector=DETECTOR, settings=ExtractionSettings(deblend_contrast=1.0)).sources
    assert (len(apart), len(together)) == (41, 40)


def test_a_higher_threshold_and_area_find_less():
    pixels, _, _ = grid_image([flux_at(10.0)] * 20 + [flux_at(100.0)] * 20, seed=11)
    assert len(extract_sources(pixels, settings=ExtractionSettings(threshold_sigma=40.0)).sources) == 20
    assert len(extract_sources(pixels, settings=ExtractionSettings(min_area_px=400)).sources) == 0


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.full((50, 50), np.nan), "no pixel has a value"),
        (np.full((50, 50), 7, np.int16), "all its pixels are 7"),
        (np.zeros((8, 50)), "50 x 8 pixels, and 16 x 16 are needed"),
    ],
)
def test_an_image_without_anything_in_it_is_refused(pixels, said):
    with pytest.raises(ExtractionError, match=said):
        extract_sources(pixels)


def test_pure_noise_has_no_sources():
    found = extract_sources(np.random.default_rng(12).normal(100.0, 5.0, (300, 300)))
    assert len(found.sources) == 0
    assert {"xwin", "flux", "flag", "fwhm"} <= set(found.sources.colnames)
    assert math.isnan(found.fwhm_px)


def test_a_gradient_and_a_dead_half_do_no_harm():
    pixels, x, y = grid_image([flux_at(30.0)] * 200, seed=13)
    pixels += np.linspace(0.0, 300.0, pixels.shape[1])
    pixels[:, :160] = 0.0
    sources = extract_sources(pixels, detector=DETECTOR).sources
    alive = x > 190.0
    nearest, is_found = matched(sources, x[alive], y[alive])
    assert is_found.mean() > 0.98
    expected = flux_at(30.0) * PROFILE.enclosed_fraction(2.5 * FWHM_PX)
    assert np.median(sources["flux"][nearest]) == pytest.approx(expected, rel=0.03)


def test_a_whole_simulated_frame_with_its_header():
    """Photometric zero point, WCS and catalogue of the simulator are the truth here."""
    field = StarField.random(
        seed=3, centre_ra_deg=120.0, centre_dec_deg=20.0, radius_deg=0.11, n_stars=400, magnitude_range=(11.0, 19.0)
    )
    exposure = expose(
        field=field,
        camera=Camera(rows=400, columns=500, cosmic_rays_per_cm2_s=0.0),
        conditions=Conditions(),
        pointing=Pointing(ra_deg=120.0, dec_deg=20.0),
        filter_name="rp",
        exposure_s=60.0,
        time=NIGHT,
        seed=5,
        reduced=True,
    )
    found = extract_sources(exposure.pixels, detector=Detector.of(exposure.header), pixel_scale_arcsec=0.74)
    catalogue = exposure.catalogue
    alone = catalogue["flag"] == 0
    _, is_found = matched(found.sources, catalogue["xwin"][alone] - 1.0, catalogue["ywin"][alone] - 1.0)
    assert is_found.mean() > 0.95
    assert found.fwhm_px == pytest.approx(exposure.truth.fwhm_px, rel=0.05)
    bright = exposure.truth.flux_adu > 5e3
    nearest, is_found = matched(found.sources, exposure.truth.x[bright], exposure.truth.y[bright])
    assert is_found.all()
    clean = found.sources["flag"][nearest] == 0
    profile = Moffat(exposure.truth.fwhm_px, 3.5)
    ratio = np.asarray(found.sources["flux"])[nearest] / exposure.truth.flux_adu[bright]
    assert np.median(ratio[clean]) == pytest.approx(profile.enclosed_fraction(2.5 * found.fwhm_px), rel=0.01)


def test_a_lonely_star_and_a_galaxy_are_both_measured():
    """What is larger than a star has its own, larger aperture, which holds 96 % of a Gaussian's light."""
    pixels = np.random.default_rng(15).normal(240.0, NOISE_ADU, (400, 400))
    rows, columns = np.indices(pixels.shape)
    shape = np.exp(-0.5 * (((columns - 200.0) / 12.0) ** 2 + ((rows - 150.0) / 7.0) ** 2))
    pixels += 3e5 * shape / shape.sum()
    PROFILE.add_sources(pixels, np.array([60.0, 300.0]), np.array([300.0, 320.0]), np.array([4e4, 4e4]))
    sources = extract_sources(pixels, detector=DETECTOR).sources
    assert len(sources) == 3
    galaxy = sources[0]
    assert galaxy["flux"] == pytest.approx(3e5, rel=0.06)
    assert galaxy["theta"] == pytest.approx(0.0, abs=3.0)
    assert galaxy["ellipticity"] == pytest.approx(1.0 - 7.0 / 12.0, abs=0.05)


@pytest.mark.parametrize("shape", [(16, 16), (17, 300), (300, 17), (65, 129)])
@pytest.mark.parametrize("scale", [1.0, 1e-15, 1e15])
def test_images_of_any_shape_and_unit_work(shape, scale):
    pixels = np.random.default_rng(16).normal(100.0, 5.0, shape)
    PROFILE.add_sources(pixels, np.array([shape[1] / 2]), np.array([shape[0] / 2]), np.array([2e4]))
    (source,) = extract_sources(pixels * scale).sources
    assert source["xwin"] == pytest.approx(shape[1] / 2 + 1.0, abs=0.05)
    assert source["flux"] == pytest.approx(2e4 * scale, rel=0.1)


def test_most_of_an_image_may_be_blank():
    pixels, _, _ = grid_image([5000.0] * 40, seed=17)
    pixels[np.random.default_rng(18).random(pixels.shape) < 0.9] = np.nan
    found = extract_sources(pixels, detector=DETECTOR)
    assert found.background == pytest.approx(200.0 + SKY_E / GAIN, abs=NOISE_ADU)
    pixels[:, 40:] = np.nan
    assert np.isfinite(extract_sources(pixels, detector=DETECTOR).background)


def with_cosmic_rays(pixels, count, *, seed):
    """Return the image with tracks of particles and hot pixels of 200 to 10,000 counts, and where they are."""
    rng = np.random.default_rng(seed)
    hit, places = pixels.copy(), []
    for _ in range(count):
        x, y = rng.uniform(6, np.array(pixels.shape[::-1]) - 6)
        length, bearing, counts = rng.exponential(3.0), rng.uniform(0, math.pi), 10 ** rng.uniform(2.3, 4)
        steps = np.linspace(0.0, min(length, 5.0), max(1, int(2 * length)))
        rows, columns = (y + steps * math.sin(bearing)).astype(int), (x + steps * math.cos(bearing)).astype(int)
        np.add.at(hit, (rows, columns), counts / len(steps))
        places.append((columns.mean(), rows.mean()))
    return hit, np.array(places)


@pytest.mark.parametrize("fwhm_px", [2.0, 3.2, 6.0])
def test_cosmic_rays_are_flagged_and_stars_are_not(fwhm_px):
    rng = np.random.default_rng(8)
    x, y = rng.uniform(20, 380, (2, 60))
    light = np.full((400, 400), 300.0)
    Moffat(fwhm_px, 3.5).add_sources(light, x, y, 10 ** rng.uniform(3.3, 5, 60) * GAIN)
    clean = (rng.poisson(light) + rng.normal(0.0, READ_NOISE_E, light.shape)) / GAIN
    sources = extract_sources(clean, detector=DETECTOR).sources
    assert not (sources["flag"] & FLAG_SHARP).any()
    pixels, places = with_cosmic_rays(clean, 60, seed=9)
    sources = extract_sources(pixels, detector=DETECTOR).sources
    found = np.column_stack([sources["xwin"] - 1.0, sources["ywin"] - 1.0])
    of_star, _ = cKDTree(np.column_stack([x, y])).query(found)
    of_ray, _ = cKDTree(places).query(found)
    rays = (of_ray < 3.0) & (of_star > 3.0 * fwhm_px)
    sharp = (sources["flag"] & FLAG_SHARP) > 0
    assert np.count_nonzero(rays) > 30
    assert sharp[rays].mean() > 0.9
    assert not sharp[(of_star < 1.0) & (of_ray > 3.0 * fwhm_px)].any()
    assert np.median(sources["sharpness"][rays]) > 1.5 * np.median(sources["sharpness"][of_star < 1.0])


def test_the_trails_of_stars_are_no_cosmic_rays():
    light = np.full((200, 300), SKY_E)
    for step in np.linspace(0.0, 25.0, 60):
        Moffat(3.0, 3.5).add_sources(
            light, np.array([60, 180.0]) + step, np.array([50, 120.0]) + step / 2, np.array([2000.0, 4000.0])
        )
    noise = np.random.default_rng(3).normal(0.0, READ_NOISE_E, light.shape)
    sources = extract_sources((light + noise) / GAIN, detector=DETECTOR).sources
    assert len(sources) >= 2
    assert not (sources["flag"] & FLAG_SHARP).any()


@pytest.mark.parametrize("seed", range(3))
def test_the_lowest_limits_there_are_find_noise_and_no_error_of_the_library(seed):
    """sep measures ellipses whose angle is above a right one by a rounding error, and does not accept them itself."""
    pixels = np.random.default_rng(seed).normal(100.0, 5.0, (300, 300))
    settings = ExtractionSettings(threshold_sigma=1.0 + 0.25 * seed, min_area_px=1)
    sources = extract_sources(pixels, settings=settings).sources
    assert len(sources) > 300
    assert np.isfinite(sources["flux"]).all()
    assert (sources["a"] >= sources["b"]).all()


def test_what_the_library_cannot_do_is_refused_in_words(monkeypatch):
    def broken(*_args, **_kwargs):
        return sep.sum_ellipse(np.zeros((20, 20)), [5.0], [5.0], [2.0], [1.0], [2.0], 6.0)  # an angle above pi / 2

    monkeypatch.setattr("datalab.astro.sources.extraction.star_widths", broken)
    with pytest.raises(ExtractionError, match="its sources cannot be measured"):
        extract_sources(grid_image([5000.0] * 4, across=2)[0])
