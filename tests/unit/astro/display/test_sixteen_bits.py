"""16-bit levels, against the same sums in plain numpy."""

import numpy as np
import pytest

from datalab.astro.display.sixteen_bits import arcsinh_levels, linear_levels

SKY = np.random.default_rng(3).normal(500, 40, (150, 70))


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", ">i4", "i8"])
def test_whole_numbers_that_fit_stay_as_they_are(dtype):
    pixels = np.clip(SKY, 0, 250).astype(dtype)
    levels = linear_levels(pixels)
    assert levels.pixels.dtype == np.uint16
    np.testing.assert_array_equal(levels.pixels, pixels)
    assert (levels.zero, levels.step) == (0.0, 1.0)


@pytest.mark.parametrize("pixels", [SKY - 500, (SKY - 500).astype("f4"), (1000 * SKY).astype("i4")])
def test_other_values_are_scaled_and_can_be_had_back(pixels):
    levels = linear_levels(pixels)
    assert (levels.pixels.min(), levels.pixels.max()) == (0, 65535)
    back = levels.zero + levels.step * levels.pixels.astype(float)
    assert np.abs(back - pixels).max() <= 0.51 * levels.step


@pytest.mark.parametrize("dtype", ["u2", "i4", "f4", "f8"])
def test_arcsinh_is_that_of_existing_pictures(dtype):
    pixels = SKY.astype(dtype)
    stretched = np.arcsinh(pixels.astype(float))
    stretched -= stretched.min()
    expected = (stretched * (65535 / stretched.max())).astype(int)
    levels = arcsinh_levels(pixels).pixels
    assert np.abs(levels.astype(int) - expected).max() <= 1  # of numbers at an edge, either side is right
    assert (levels.min(), levels.max()) == (0, 65535)


def test_arcsinh_of_negative_values_lies_below():
    levels = arcsinh_levels(np.array([[-1e6, -1.0, 0.0, 1.0, 1e6]])).pixels[0].astype(int)
    assert list(levels) == sorted(levels)
    assert levels[2] == pytest.approx(32767, abs=1)
    assert levels[2] - levels[1] == pytest.approx(levels[3] - levels[2], abs=1)


@pytest.mark.parametrize("stretch", [linear_levels, arcsinh_levels])
@pytest.mark.parametrize("value", [0.0, -3.5, 1e30, 7.0])
def test_a_flat_image_is_black(stretch, value):
    levels = stretch(np.full((5, 6), value))
    assert not levels.pixels.any()
    assert levels.step > 0


@pytest.mark.parametrize("stretch", [linear_levels, arcsinh_levels])
def test_pixels_without_a_value_are_black_and_change_no_other(stretch):
    holed = SKY.copy()
    holed[3, 4], holed[5, 6], holed[149, 69] = np.nan, np.inf, -np.inf
    levels = stretch(holed).pixels
    assert levels[3, 4] == levels[5, 6] == levels[149, 69] == 0
    whole = SKY.copy()
    whole[3, 4] = whole[5, 6] = whole[149, 69] = 500.0
    same = np.isfinite(holed)
    np.testing.assert_array_equal(levels[same], stretch(whole).pixels[same])


@pytest.mark.parametrize("stretch", [linear_levels, arcsinh_levels])
def test_an_image_without_any_value_is_black(stretch):
    assert not stretch(np.full((4, 4), np.nan)).pixels.any()


@pytest.mark.parametrize("stretch", [linear_levels, arcsinh_levels])
def test_the_largest_numbers_there_are_overflow_nothing(stretch):
    limit = np.finfo("f8").max
    levels = stretch(np.array([[-limit, 0.0, limit]])).pixels[0]
    assert levels[0] == 0
    assert levels[1] == pytest.approx(32767, abs=1)
    assert levels[2] == 65535
