import math

import numpy as np
import pytest
from photutils.aperture import CircularAperture

from datalab.astro.photometry.aperture import PixelNoise, measure, net_uncertainty, overlap_fractions
from datalab.astro.photometry.centroids import centroids
from datalab.astro.photometry.local_sky import Annulus, backgrounds, plane_fit

NO_SKY = Annulus(inner_px=0.0, outer_px=0.0)


def gaussian(shape, x, y, flux, sigma):
    """Return the light of a star at x, y, where pixel i covers [i, i + 1), taken at the pixels' centres."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    squared = (columns - x) ** 2 + (rows - y) ** 2
    return flux / (2 * math.pi * sigma**2) * np.exp(-squared / (2 * sigma**2))


def fraction(column, row, x, y, radius):
    return overlap_fractions(np.array([column + 0.5 - x]), np.array([row + 0.5 - y]), radius)[0]


@pytest.mark.parametrize(
    ("pixel", "centre", "radius", "expected"),
    [
        ((5, 5), (5.5, 5.5), 1, 1.0),
        ((8, 8), (5.5, 5.5), 1, 0.0),
        ((10, 10), (10.5, 10.5), 2, 1.0),
        ((12, 10), (10.5, 10.5), 2, 0.44),
        ((12, 11), (10.5, 10.5), 2, 0.24),
        ((12, 12), (10.5, 10.5), 2, 0.0),
        ((8, 9), (10.5, 10.5), 2, 0.24),
    ],
)
def test_pixels_at_the_rim_count_in_part(pixel, centre, radius, expected):
    assert fraction(*pixel, *centre, radius) == pytest.approx(expected, abs=1e-12)


def test_the_area_of_an_aperture_is_that_of_a_circle():
    rng = np.random.default_rng(4)
    x, y = rng.uniform(30, 31, (2, 200))
    sums = measure(np.ones((61, 61)), x, y, radius_px=8.0, annulus=NO_SKY, noise=PixelNoise())
    assert sums.area_px == pytest.approx(math.pi * 64, rel=5e-3)
    assert sums.area_px.mean() == pytest.approx(math.pi * 64, rel=2e-4)
    assert sums.net == pytest.approx(sums.area_px)


def test_an_aperture_sums_what_is_above_the_sky():
    pixels = np.full((21, 21), 10.0)
    pixels[10, 10] = 110.0
    sums = measure(
        pixels, 10.5, 10.5, radius_px=2, annulus=Annulus(inner_px=4, outer_px=6), noise=PixelNoise(gain_e=1.0)
    )
    assert (sums.background[0], sums.peak[0]) == (10.0, 110.0)
    assert sums.net[0] == pytest.approx(100.0)
    assert sums.area_px[0] == pytest.approx(12.68)


def test_the_uncertainty_follows_its_formula():
    of_aperture = net_uncertainty(100.0, background=10.0, area_px=12.68, n_background_px=64, noise=PixelNoise())
    assert of_aperture == pytest.approx(15.91198038662143)
    with_everything = net_uncertainty(
        1234.5,
        background=12.3,
        area_px=48,
        n_background_px=166,
        noise=PixelNoise(gain_e=1.7, dark_e=4, read_noise_e=3.2),
    )
    assert with_everything == pytest.approx(38.522232252565516)
    with pytest.raises(ValueError, match="not positive"):
        PixelNoise(gain_e=0.0)


def test_a_plane_goes_through_its_points():
    dx, dy, z = np.array([(0, 0, 4), (1, 0, 6), (0, 1, 1), (2, 1, 5), (-1, 2, -4)]).T
    assert plane_fit(dx, dy, z) == pytest.approx([4, 2, -3])
    assert plane_fit(dx[:3], dy[:3], z[:3]) is None
    assert plane_fit([0, 1, 2, 3], [0, 1, 2, 3], [1, 2, 3, 4]) is None


def test_a_centroid_is_found_as_clients_know_it():
    pixels = np.zeros((21, 21))
    pixels[10, 10] = 100.0
    found = centroids(pixels, 10, 10, radius_px=3, annulus=Annulus(inner_px=4, outer_px=5))
    assert (found.x[0], found.y[0], found.background[0], found.peak[0]) == (10.5, 10.5, 0.0, 100.0)
    assert found.messages == ("Centroid calculation completed.",)

    star = 100.0 + gaussian((60, 60), 30.3, 28.8, 8000, 1.05)
    found = centroids(star, 29, 30, radius_px=6, annulus=Annulus(inner_px=10, outer_px=15))
    assert found.x[0] == pytest.approx(30.330712532855834, abs=1e-9)
    assert found.y[0] == pytest.approx(28.77915796875963, abs=1e-9)
    assert found.peak[0] == pytest.approx(1088.7467, abs=1e-4)
    assert found.n_background_px[0] == 393


def test_a_centroid_that_cannot_be_found_leaves_the_position():
    annulus = Annulus(inner_px=4, outer_px=5)
    blank = centroids(np.full((21, 21), np.nan), [10, 4], [9, 5], radius_px=3, annulus=annulus)
    assert blank.messages == ("No valid pixels in centroid box.",) * 2
    assert blank.x.tolist() == [10, 4]
    assert blank.y.tolist() == [9, 5]
    assert np.isnan(blank.peak).all()
    flat = centroids(np.zeros((21, 21)), 10, 10, radius_px=3, annulus=annulus)
    assert flat.messages == ("Centroid calculation has zero weight in both dimensions.",)
    stripes = np.zeros((21, 21))
    stripes[:, 10] = 5.0
    in_one = centroids(stripes, 10.5, 10.5, radius_px=3, annulus=NO_SKY)
    assert in_one.messages == ("Centroid calculation has zero weight in the y dimension.",)
    in_other = centroids(stripes.T, 10.5, 10.5, radius_px=3, annulus=NO_SKY)
    assert in_other.messages == ("Centroid calculation has zero weight in the x dimension.",)


def test_a_box_that_is_drawn_away_to_another_star_fails():
    rows, columns = np.mgrid[:40, :60] + 0.5
    pixels = np.exp(columns / 2 - (rows - 20.5) ** 2 / 8)  # there is always more light further on
    found = centroids(pixels, 20.5, 20.5, radius_px=3, annulus=NO_SKY)
    assert found.messages == ("Centroid repositioning exceeded centroid box size.",)
    assert (found.x[0], found.y[0]) == (20.5, 20.5)


def test_clipping_keeps_stars_out_of_the_sky():
    rng = np.random.default_rng(8)
    pixels = rng.normal(100.0, 5.0, (61, 61))
    pixels += gaussian((61, 61), 43.0, 30.0, 50_000, 1.5)
    pixels[20:22, 22:24] = np.nan
    clipped = backgrounds(pixels, 30.5, 30.5, Annulus(inner_px=8, outer_px=16))
    plain = backgrounds(pixels, 30.5, 30.5, Annulus(inner_px=8, outer_px=16, clipped=False))
    assert clipped.mean[0] == pytest.approx(100.0, abs=1.0)
    assert plain.mean[0] > 120.0
    assert clipped.n_pixels[0] < plain.n_pixels[0]


def test_equal_values_survive_clipping():
    sky = backgrounds(np.full((41, 41), np.float32(100.1)), 20.3, 20.7, Annulus(inner_px=6, outer_px=12))
    assert sky.mean[0] == pytest.approx(np.float32(100.1), rel=1e-12)
    assert sky.n_pixels[0] > 300


def test_a_tilted_sky_does_not_draw_the_centroid_if_a_plane_is_fitted():
    tilted = 100.0 + 3.0 * np.arange(60) + gaussian((60, 60), 30.0, 30.0, 4000, 1.5)
    flat = centroids(tilted, 30, 30, radius_px=6, annulus=Annulus(inner_px=10, outer_px=15, clipped=False))
    plane = centroids(tilted, 30, 30, radius_px=6, annulus=Annulus(inner_px=10, outer_px=15, clipped=False, plane=True))
    assert abs(plane.x[0] - 30.0) < 0.02 < abs(flat.x[0] - 30.0)


def test_what_is_partly_off_the_image_or_blank_is_not_known():
    pixels = np.full((40, 40), 7.0)
    pixels[20, 30] = np.nan
    sums = measure(
        pixels,
        [20.0, 2.0, 30.5, 20.0],
        [20.0, 20.0, 20.5, 300.0],
        radius_px=3,
        annulus=Annulus(inner_px=5, outer_px=8),
        noise=PixelNoise(),
    )
    assert sums.net[0] == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(sums.net[1:]).all()
    assert np.isnan(sums.sigma[1:]).all()


def test_stars_do_not_depend_on_the_batch_they_are_measured_in():
    rng = np.random.default_rng(3)
    pixels = rng.normal(50.0, 4.0, (300, 300)).astype(np.float32)
    x, y = rng.uniform(30, 270, (2, 700))
    annulus, noise = Annulus(inner_px=12, outer_px=20), PixelNoise(gain_e=2.0)
    together = measure(pixels, x, y, radius_px=8, annulus=annulus, noise=noise)
    centres = centroids(pixels, x, y, radius_px=8, annulus=annulus)
    for star in (0, 350, 699):
        alone = measure(pixels, x[star], y[star], radius_px=8, annulus=annulus, noise=noise)
        centre = centroids(pixels, x[star], y[star], radius_px=8, annulus=annulus)
        assert (alone.net[0], alone.sigma[0]) == (together.net[star], together.sigma[star])
        assert (centre.x[0], centre.y[0]) == (centres.x[star], centres.y[star])
    none = measure(pixels, [], [], radius_px=8, annulus=annulus, noise=noise)
    assert none.net.shape == centroids(pixels, [], [], radius_px=8, annulus=annulus).x.shape == (0,)


GAIN, READ_NOISE_E, SIGMA_PX, RADIUS_PX, SPACING = 1.7, 3.2, 1.3, 6.5, 60
STARS = 1024


@pytest.fixture(scope="module", params=[(8000.0, 120.0), (600.0, 40.0), (300.0, 15.0), (3000.0, 0.0)], ids=str)
def simulated(request):
    """Return noisy pixels (counts), true positions, and the flux each star has."""
    flux, sky = request.param
    rng = np.random.default_rng(12)
    side = math.isqrt(STARS)
    x, y = (np.tile(np.arange(side) * SPACING + SPACING / 2, side), np.repeat(np.arange(side), side) * SPACING + 30.0)
    x, y = x + rng.uniform(0, 1, STARS), y + rng.uniform(0, 1, STARS)
    light = np.zeros((side * SPACING, side * SPACING))
    for left, bottom in zip(x, y, strict=True):
        columns, rows = (slice(int(place) - 15, int(place) + 16) for place in (left, bottom))
        light[rows, columns] += gaussian((31, 31), left - columns.start, bottom - rows.start, flux, SIGMA_PX)
    electrons = rng.poisson((light + sky) * GAIN) + rng.normal(0.0, READ_NOISE_E, light.shape)
    return np.rint(electrons / GAIN).astype(np.float32), x, y, flux


def test_a_thousand_stars_are_measured_without_bias_and_with_true_errors(simulated):
    pixels, x, y, flux = simulated
    annulus = Annulus(inner_px=11.0, outer_px=18.0)
    found = centroids(pixels, x + 0.4, y - 0.4, radius_px=RADIUS_PX, annulus=annulus)
    assert found.success.all()
    noise = PixelNoise(gain_e=GAIN, read_noise_e=READ_NOISE_E)
    sums = measure(pixels, found.x, found.y, radius_px=RADIUS_PX, annulus=annulus, noise=noise)
    deviation = (sums.net - flux) / sums.sigma
    assert abs(deviation.mean()) < 0.15  # required: 0.2
    assert deviation.std() == pytest.approx(1.0, abs=0.1)


def test_sums_agree_with_photutils(simulated):
    pixels, x, y, _ = simulated
    sums = measure(pixels, x, y, radius_px=RADIUS_PX, annulus=NO_SKY, noise=PixelNoise())
    aperture = CircularAperture(np.stack([x - 0.5, y - 0.5], axis=1), r=RADIUS_PX)
    same_grid, _ = aperture.do_photometry(pixels.astype(np.float64), method="subpixel", subpixels=5)
    exact, _ = aperture.do_photometry(pixels.astype(np.float64), method="exact")
    assert sums.net == pytest.approx(same_grid, rel=1e-3)
    # Of all the light, sky included: what 5 x 5 points miss of the exact area averages out over the stars.
    assert np.median(np.abs(sums.net / exact - 1)) < 2e-3
