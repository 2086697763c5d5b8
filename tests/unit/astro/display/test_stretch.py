import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from datalab.astro.display.stretch import Stretch, auto_stretch, rendered, sample, to_8bit, zscale_limits

#: Of the archive's test image fits_1 (100 x 100 pixels): the pinned stretch and three grey levels of its TIFF.
FITS_1_STRETCH = Stretch(black=178.44317626953125, white=505.161994504322)
FITS_1_GREY = [(167.22862243652344, 0), (191.5418701171875, 69), (240.466064453125, 131)]

any_image = npst.arrays(
    st.sampled_from(("uint8", "int16", "uint16", "int32", "float32", "float64", ">f4")),
    st.tuples(st.integers(0, 8), st.integers(0, 8)),
)


def test_a_100_by_100_image_is_sampled_at_every_fifth_pixel_from_the_fifth_on():
    pixels = np.arange(10_000, dtype=np.uint16).reshape(100, 100)
    samples = sample(pixels)
    assert samples.size == 1999
    assert samples.dtype == np.float64
    np.testing.assert_array_equal(samples, np.arange(5, 10_000, 5))


def test_samples_are_sorted_finite_and_leave_the_image_alone():
    pixels = np.array([[0.0, 3.0, np.nan], [1.0, np.inf, -np.inf], [2.0, -5.0, 3.0]], np.float32)
    before = pixels.copy()
    np.testing.assert_array_equal(sample(pixels), [-5, 1, 2, 3, 3])
    np.testing.assert_array_equal(pixels, before)


def test_a_finite_value_outside_the_regular_samples_is_found():
    pixels = np.full((100, 100), np.nan)
    pixels[0, 0] = 42.0
    np.testing.assert_array_equal(sample(pixels), [42.0])


def test_limits_follow_a_least_squares_line():
    samples = np.sort(np.random.default_rng(1).gamma(2.0, 30.0, 1999) + np.linspace(0, 5, 1999))
    slope, start = np.polyfit(np.arange(1999), samples, 1)
    low, high = zscale_limits(samples)
    assert low == max(samples[0], start - 5 * slope * 1999)
    assert high == pytest.approx(min(samples[-1], start + 5 * slope * 1999), rel=1e-9)


def test_an_outlier_does_not_set_the_upper_limit():
    samples = np.append(np.linspace(100, 110, 1998), 1e6)
    slope, start = np.polyfit(np.arange(1999), samples, 1)
    _, high = zscale_limits(samples)
    assert high == pytest.approx(start + 5 * slope * 1999, rel=1e-9)
    assert high < 30_000


def test_no_samples_no_limits():
    with pytest.raises(ValueError, match="no finite pixels"):
        zscale_limits(np.empty(0))


@pytest.mark.parametrize(("value", "grey"), FITS_1_GREY)
def test_grey_levels_of_existing_pictures_are_reproduced(value, grey):
    assert to_8bit(np.array([[value]], np.float32), FITS_1_STRETCH)[0, 0] == grey


def test_the_display_curve():
    linear = np.array([[0, 1, 2, 4, 8, 16, 32, 64, 128, 192, 254]], np.uint16)
    grey = to_8bit(linear, Stretch(black=0, white=255))
    np.testing.assert_array_equal(grey, [[0, 27, 36, 48, 63, 84, 111, 147, 194, 228, 255]])


def test_the_top_row_comes_first_and_bands_follow_in_reverse():
    pixels = np.random.default_rng(2).integers(0, 4000, (10, 6), dtype=np.uint16)
    stretch = auto_stretch(pixels)
    picture = to_8bit(pixels, stretch)
    np.testing.assert_array_equal(picture[-1], to_8bit(pixels[:1], stretch)[0])
    bands = [to_8bit(pixels[first : first + 4], stretch) for first in (8, 4, 0)]
    np.testing.assert_array_equal(np.concatenate(bands), picture)


def test_undefined_is_black_and_infinities_are_clipped():
    grey = to_8bit(np.array([[np.nan, -np.inf, np.inf]]), Stretch(black=0, white=1))
    np.testing.assert_array_equal(grey, [[0, 0, 255]])


@pytest.mark.parametrize("value", [0.0, -1.0, 7.0, 1e30])
def test_a_constant_image_is_grey(value):
    pixels = np.full((3, 3), value, np.float32)
    stretch = auto_stretch(pixels)
    assert stretch.black == stretch.white == pixels[0, 0]
    assert set(to_8bit(pixels, stretch).flat) <= {193, 194, 195}


def test_an_image_without_a_finite_value_is_black():
    pixels = np.full((4, 4), np.nan)
    assert not to_8bit(pixels, auto_stretch(pixels)).any()


def test_black_is_the_median_of_the_samples():
    pixels = np.random.default_rng(3).normal(-500, 20, (60, 70))
    assert auto_stretch(pixels).black == np.median(sample(pixels))


def test_bands_of_a_picture_fit_together():
    pixels = np.random.default_rng(4).normal(1000, 50, (150, 11))
    stretch = Stretch(black=950.0, white=1100.0)
    np.testing.assert_array_equal(rendered(pixels, stretch), to_8bit(pixels, stretch))


@given(any_image)
def test_every_image_becomes_a_picture(pixels):
    before = pixels.copy()
    stretch = auto_stretch(pixels)
    picture = to_8bit(pixels, stretch)
    assert (picture.shape, picture.dtype) == (pixels.shape, np.dtype(np.uint8))
    assert stretch.white >= stretch.black
    np.testing.assert_array_equal(pixels, before)


@given(npst.arrays(np.float64, st.integers(1, 50), elements=st.floats(-1e9, 1e9)))
def test_limits_stay_within_the_samples(values):
    low, high = zscale_limits(np.sort(values))
    assert values.min() <= low
    assert high <= values.max()


@pytest.mark.parametrize(
    ("black", "white", "gamma"), [(2, 1, 2.5), (np.nan, 1, 2.5), (0, np.inf, 2.5), (0, 1, 0), (0, 1, np.nan)]
)
def test_senseless_limits_are_refused(black, white, gamma):
    with pytest.raises(ValueError, match="not"):
        Stretch(black=black, white=white, gamma=gamma)
