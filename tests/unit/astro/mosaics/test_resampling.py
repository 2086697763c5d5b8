import numpy as np
import pytest
import sep

from datalab.astro.mosaics import resampling
from datalab.astro.mosaics.pixel_grid import PixelGrid, covered
from datalab.astro.mosaics.resampling import resample, resample_rows
from datalab.astro.sky.wcs import between
from datalab.simulation.camera import Camera, Conditions, Pointing
from datalab.simulation.conditions import tangent_wcs
from support.array_rows import ArrayRows, affine_mapping

SIGMA_PX = 1.0  # FWHM of 2.35 pixels: as badly sampled as cameras in use are
FLUX = 1e5


def spots(x, y, shape, *, sigma_px=SIGMA_PX, level=0.0):
    """Draw Gaussian stars by the value in the middle of the pixel; their sum is FLUX each."""
    rows, columns = np.indices(shape)
    image = np.full(shape, level)
    for star_x, star_y in zip(x, y, strict=True):
        distance = (columns - star_x) ** 2 + (rows - star_y) ** 2
        image += FLUX / (2 * np.pi * sigma_px**2) * np.exp(-distance / (2 * sigma_px**2))
    return image


def turn(angle_deg, scale=1.0):
    cosine, sine = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return scale * np.array([[cosine, -sine], [sine, cosine]])


def measured(image, x, y, radius_px=7.0):
    found_x, found_y, _ = sep.winpos(image, x, y, np.full(np.size(x), 1.2))
    counts, _, _ = sep.sum_circle(image, x, y, radius_px, subpix=0)
    return found_x, found_y, counts


@pytest.mark.parametrize(
    ("matrix", "offset"),
    [
        (np.eye(2), (0.5, 0.5)),
        (np.eye(2), (-3.31, 12.77)),
        (turn(1.7), (4.2, -3.3)),
        (turn(45.0), (60.0, -35.0)),
        (turn(180.0), (151.3, 148.9)),
        (turn(20.0, scale=1.05), (30.0, -20.0)),
        (turn(-33.0, scale=0.6), (20.0, 70.0)),
        (turn(12.0, scale=2.3), (-40.0, -60.0)),
    ],
    ids=["half a pixel", "shift", "small turn", "diagonal", "upside down", "coarser", "finer", "binned"],
)
def test_stars_keep_their_place_to_a_twentieth_of_a_pixel_and_their_light_to_half_a_percent(matrix, offset):
    rng = np.random.default_rng(5)
    shape = (150, 152)
    places = np.stack(np.meshgrid(np.arange(4), np.arange(4))).reshape(2, -1) * 24.0 + 39.0
    places += rng.uniform(-0.5, 0.5, places.shape)
    image = spots(*places, shape).astype("f4")
    target = np.linalg.solve(matrix, places - np.array(offset)[:, np.newaxis])

    moved = resample(ArrayRows(image), affine_mapping(matrix, offset), shape).astype("f8")
    inside = ((target > 12) & (target < 137)).all(axis=0)
    assert inside.sum() >= 4
    x, y = target[:, inside]
    scale = np.sqrt(abs(np.linalg.det(matrix)))
    found_x, found_y, counts = measured(np.nan_to_num(moved), x, y, radius_px=max(4.0, 7.0 / scale))
    assert np.hypot(found_x - x, found_y - y).max() < 0.05
    np.testing.assert_allclose(counts, FLUX, rtol=5e-3)


def test_the_sky_between_two_tangent_planes_keeps_its_brightness_per_area():
    """An image of constant surface brightness: counts per pixel follow the area of the pixel on the sky."""
    fine, coarse = (
        tangent_wcs(
            Camera(rows=120, columns=130, pixel_scale_arcsec=scale, position_angle_deg=angle),
            Pointing(ra_deg=10, dec_deg=dec),
            Conditions(),
        )
        for scale, angle, dec in ((0.5, 5.0, 70.0), (0.8, 40.0, 70.002))
    )
    moved = resample(ArrayRows(np.full((120, 130), 7.0, "f4")), between(coarse, fine), (120, 130))
    assert np.isfinite(moved).sum() > 2000
    np.testing.assert_allclose(moved[np.isfinite(moved)], 7.0 * (0.8 / 0.5) ** 2, rtol=1e-4)


def test_the_same_grid_gives_the_same_pixels():
    image = np.random.default_rng(1).normal(1000, 30, (90, 70)).astype("f4")
    image[4, 5] = np.nan
    moved = resample(ArrayRows(image), affine_mapping(np.eye(2), (0.0, 0.0)), image.shape)
    np.testing.assert_allclose(moved, image, rtol=1e-6)
    assert np.isnan(moved[4, 5])


def test_what_is_not_covered_or_blank_is_nan_and_blanks_leak_nowhere():
    image = np.full((60, 60), 100.0, "f4")
    image[20:23, 30:32] = np.nan
    image[40, 40] = np.inf
    moved = resample(ArrayRows(image), affine_mapping(np.eye(2), (0.5, 10.0)), (60, 60))
    assert np.isnan(moved[50:]).all()  # rows from 60 on do not exist
    assert np.isnan(moved[:, 59]).all()  # half a pixel beyond the last column
    expected = np.zeros((60, 60), bool)
    expected[10:13, 29:32] = True  # half of each of these is blank
    expected[30, 39:41] = True
    expected[50:] = expected[:, 59] = True
    np.testing.assert_array_equal(np.isnan(moved), expected)
    np.testing.assert_allclose(moved[~expected], 100.0, rtol=1e-6)


@pytest.mark.parametrize("blank", [np.full((30, 30), np.nan, "f4"), np.ones((30, 30), "f4")])
def test_an_image_with_nothing_to_show_is_blank(blank):
    offset = (0.0, 0.0) if np.isnan(blank).all() else (100.0, 0.0)
    assert np.isnan(resample(ArrayRows(blank), affine_mapping(np.eye(2), offset), (30, 30))).all()


def test_bands_do_not_show_and_only_the_rows_needed_are_read(monkeypatch):
    image = np.random.default_rng(2).normal(0, 1, (300, 200)).astype("f4")
    mapping = affine_mapping(turn(0.5), (2.2, 3.3))
    whole = resample(ArrayRows(image), mapping, image.shape)
    read = []

    class Spy(ArrayRows):
        def rows(self, start, stop):
            read.append(stop - start)
            return self.pixels[start:stop]

    monkeypatch.setattr(resampling, "_BAND_PIXELS", 30 * 200)
    np.testing.assert_allclose(resample(Spy(image), mapping, image.shape), whole, atol=1e-6)
    assert len(read) == 10
    assert max(read) < 30 + 2 * 12 + 4  # the band, the margin of the spline, the slope
    grid = PixelGrid.of(mapping, image.shape)
    np.testing.assert_allclose(resample_rows(ArrayRows(image), grid, 100, 130), whole[100:130], atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "expected"), [("u1", "f4"), (">u2", "f4"), (">i2", "f4"), (">f4", "f4"), ("i4", "f8"), (">f8", "f8")]
)
def test_every_pixel_type_is_taken(dtype, expected):
    image = np.random.default_rng(3).integers(0, 100, (40, 50)).astype(dtype)
    moved = resample(ArrayRows(image), affine_mapping(np.eye(2), (3.0, 2.0)), (30, 40))
    assert moved.dtype == np.dtype(expected)
    np.testing.assert_allclose(moved, image[2:32, 3:43].astype("f8"), atol=1e-3)


@pytest.mark.parametrize(("offset", "expected"), [(0.0, 1.0), (0.5, 0.756)])
def test_noise_is_as_the_module_says(offset, expected):
    noise = ArrayRows(np.random.default_rng(4).normal(0, 1, (400, 400)).astype("f4"))
    moved = resample(noise, affine_mapping(np.eye(2), (offset, offset)), (390, 390))
    assert moved.std() == pytest.approx(expected, abs=0.01)


def test_coordinates_between_the_nodes_are_right_even_where_the_mapping_bends():
    def bent(x, y):
        return x + 4e-5 * (x - 300) ** 2 + 10, y + 2e-5 * x * y - 5

    grid = PixelGrid.of(bent, (500, 700))
    rows, columns = np.arange(500.0), np.arange(700.0)
    y, x = grid.coordinates(rows, columns)
    exact_x, exact_y = bent(*np.meshgrid(columns, rows))
    np.testing.assert_allclose(x, exact_x, atol=resampling.MAPPING_TOLERANCE_PX)
    np.testing.assert_allclose(y, exact_y, atol=resampling.MAPPING_TOLERANCE_PX)
    by_x, by_y = 1 + 8e-5 * (columns - 300), 1 + 2e-5 * columns
    np.testing.assert_allclose(grid.areas(rows, columns), np.broadcast_to(by_x * by_y, (500, 700)), rtol=1e-4)

    part = grid.cut(y_start=100, x_start=200, shape=(50, 60))
    cut_y, cut_x = part.coordinates(np.arange(50.0), np.arange(60.0))
    np.testing.assert_allclose(cut_x, x[100:150, 200:260], atol=1e-9)
    np.testing.assert_allclose(cut_y, y[100:150, 200:260], atol=1e-9)


def test_a_mapping_without_values_covers_nothing():
    grid = PixelGrid.of(lambda x, y: (np.full_like(x, np.nan), y), (100, 100))
    assert not covered(grid.coordinates(np.arange(100.0), np.arange(100.0)), (100, 100)).any()
