import numpy as np
import pytest
from astropy.visualization import ZScaleInterval

from datalab.astro.display.levels import even_histogram, iraf_zscale, level_histogram, level_step
from datalab.astro.display.resizing import DisplayScale, area_resized
from datalab.astro.display.stretch import sample, zscale_limits


def noise(shape, *, dtype="f4", level=1000.0, seed=1):
    return np.random.default_rng(seed).normal(level, 30.0, shape).astype(dtype)


def exact_mean(pixels, shape):
    """Means over areas, by dividing every pixel until all borders meet: slow, and nothing to get wrong."""
    rows, columns = (np.lcm(old, new) for old, new in zip(pixels.shape, shape, strict=True))
    fine = np.repeat(np.repeat(pixels, rows // pixels.shape[0], 0), columns // pixels.shape[1], 1).astype("f8")
    cells = fine.reshape(shape[0], rows // shape[0], shape[1], columns // shape[1])
    with np.errstate(invalid="ignore"):
        defined = np.isfinite(cells)
        return np.where(defined, cells, 0).sum(axis=(1, 3)) / defined.sum(axis=(1, 3))


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("shape", [(5, 7), (30, 20), (64, 64), (1, 1)])
def test_resized_pixels_are_means_over_areas(dtype, shape):
    pixels = noise((30, 45), dtype=dtype, level=120.0)
    resized = area_resized(pixels, shape)
    assert resized.shape == shape
    assert resized.dtype == np.result_type(dtype, np.float32)
    np.testing.assert_allclose(resized, exact_mean(pixels, shape), rtol=1e-5)


def test_undefined_pixels_are_left_out_of_means():
    pixels = noise((30, 45))
    pixels[4, 5] = np.nan
    pixels[20:30, 30:45] = np.inf
    resized = area_resized(pixels, (10, 15))
    expected = exact_mean(pixels, (10, 15))
    np.testing.assert_allclose(resized, expected, rtol=1e-5)
    assert np.isnan(resized[8, 12])
    assert np.isfinite(resized[1, 1])


def test_an_undefined_pixel_spoils_no_neighbour_it_only_touches():
    pixels = np.ones((3, 3), "f4")
    pixels[0, 0] = np.nan
    assert np.isnan(area_resized(pixels, (3, 3))).sum() == 1


def test_the_image_is_not_changed():
    pixels = noise((50, 60))
    pixels[3, 3] = np.nan
    before = pixels.copy()
    pixels.flags.writeable = False
    area_resized(pixels, (20, 20))
    even_histogram(pixels, bins=10, low=None, high=None)
    level_histogram(pixels, sample(pixels), bits=32, saturation=None)
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("level", [1000.0, 0.0, -5000.0])
def test_levels_are_counted_finely_between_the_limits(level):
    pixels = noise((100, 100), level=level, dtype="f4")
    histogram = level_histogram(pixels, sample(pixels), bits=16, saturation=60_000.0)
    assert histogram.edges[0] == np.floor(min(sample(pixels)[0], 0))
    assert histogram.edges[-1] == 60_000
    assert (np.diff(histogram.edges) > 0).all()
    expected = np.histogram(pixels, bins=histogram.edges.astype("f8"))[0]
    np.testing.assert_array_equal(histogram.counts, expected)
    assert len(histogram.middles) == len(histogram.log_counts) == len(histogram.counts)
    np.testing.assert_allclose(10**histogram.log_counts, np.maximum(expected, 1))
    middle = np.abs(histogram.middles - level) < 100
    assert middle.sum() > 10


@pytest.mark.parametrize(
    ("scale", "step"), [(1.0, 1.0), (1000.0, 1.0), (0.1, 0.1), (0.033, 0.01), (1e-3, 1e-3), (1e-5, 1e-5), (1e-12, 1e-7)]
)
def test_limits_are_chosen_in_steps_of_which_the_display_has_a_hundred_or_more(scale, step):
    samples = sample(scale * noise((100, 100), dtype="f8"))
    assert level_step(samples) == pytest.approx(step)
    low, high = zscale_limits(samples)
    assert (high - low) / step >= 100 or step == 1e-7
    assert level_step(np.full(50, 7.0)) == 1.0


def test_levels_of_small_values_are_counted_finely_too():
    """A normalized image: 1 with a scatter of 3 %."""
    pixels = noise((100, 100), dtype="f8") / 1000
    histogram = level_histogram(pixels, sample(pixels), bits=32, saturation=65.0, step=1e-3)
    expected = np.histogram(pixels, bins=histogram.edges * 1e-3)[0]
    np.testing.assert_array_equal(histogram.counts, expected)
    assert histogram.middles[-1] < 65
    assert (np.abs(histogram.middles - 1) < 0.1).sum() > 25
    assert {len(repr(float(middle)).partition(".")[2]) for middle in histogram.middles} <= {1, 2, 3}


@pytest.mark.parametrize(
    ("values", "bits", "saturation"),
    [
        ([7.0], 8, None),
        ([7.0, 7.0, 7.0], 16, 5.0),
        ([-3e38, 3e38], 32, None),
        ([-1e300, 1e300], 64, None),
        ([1e5, 2e5, 3e5], 16, None),
    ],
)
def test_levels_of_any_image_can_be_counted(values, bits, saturation):
    pixels = np.array([values])
    histogram = level_histogram(pixels, sample(pixels), bits=bits, saturation=saturation)
    assert (np.diff(histogram.edges) >= 0).all()
    assert histogram.counts.sum() <= pixels.size
    assert np.isfinite(histogram.log_counts).all()


def test_even_steps_count_every_pixel_as_numpy_does():
    pixels = noise((700, 30))
    counted = even_histogram(pixels, bins=37, low=None, high=None)
    counts, edges = np.histogram(pixels, bins=37)
    np.testing.assert_array_equal(counted.counts, counts)
    np.testing.assert_allclose(counted.edges, edges)
    assert (counted.below, counted.above, counted.undefined) == (0, 0, 0)


def test_what_the_steps_do_not_cover_is_told():
    pixels = np.array([[1.0, 2.0, 3.0, 4.0, np.nan, np.inf, 5.0]])
    counted = even_histogram(pixels, bins=2, low=2.0, high=4.0)
    assert counted.counts.tolist() == [1, 2]
    assert (counted.below, counted.above, counted.undefined) == (1, 1, 2)


@pytest.mark.parametrize("pixels", [np.full((3, 3), np.nan), np.full((3, 3), 5), np.ones((1, 1))])
def test_an_image_without_range_has_a_histogram(pixels):
    counted = even_histogram(pixels, bins=4, low=None, high=None)
    assert counted.counts.sum() == np.isfinite(pixels).sum()
    assert (np.diff(counted.edges) > 0).all()


def test_zscale_is_that_of_iraf():
    pixels = noise((200, 200))
    pixels[::17, ::13] += 20_000  # stars
    samples = sample(pixels)
    low, high = iraf_zscale(samples, contrast=0.25)
    expected = ZScaleInterval(n_samples=samples.size).get_limits(samples)
    assert (low, high) == pytest.approx(expected)
    assert 850 < low < 1000 < high < 1200
    assert iraf_zscale(np.array([3.0, 1.0]), contrast=0.25) == (1.0, 3.0)


def test_columns_scale_with_the_width_and_rows_with_the_height():
    scale = DisplayScale.of((80, 120), width=240, height=40)
    assert (scale.x, scale.y, scale.radius) == (0.5, 2.0, 1.0)
