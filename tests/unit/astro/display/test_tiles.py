"""Images as viewers get them: each value as it is, or as near as its noise lets one tell."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalab.astro.display.tiles import (
    TILE_PX,
    UNDEFINED_CODE,
    coded,
    coding_of,
    encoded,
    halved,
    level_count,
    level_shape,
    overview,
    row_samples,
)


def decoded(codes, coding):
    return np.where(codes == UNDEFINED_CODE, np.nan, coding.lowest + coding.step * (codes.astype(float) - 1))


@pytest.mark.parametrize(
    ("dtype", "low", "high"), [("u2", 0, 65534), ("i2", -32768, 32766), ("u1", 0, 255), ("i4", 10**9, 10**9 + 60_000)]
)
def test_whole_numbers_keep_their_values(dtype, low, high):
    pixels = np.random.default_rng(1).integers(low, high, (50, 60), endpoint=True).astype(dtype)
    coding = coding_of(pixels, noise=10, middle=500)
    np.testing.assert_array_equal(decoded(encoded(pixels, coding), coding), pixels.astype(float))


def test_floats_lose_a_thousandth_of_their_noise():
    pixels = np.random.default_rng(2).normal(1000, 10, (200, 200)).astype("f4")
    coding = coding_of(pixels, noise=10, middle=1000)
    assert coding.step <= 10 / 8
    assert not coding.is_clipped
    difference = decoded(encoded(pixels, coding), coding) - pixels
    assert np.hypot(10, difference.std()) < 10 * 1.001


def test_what_reaches_too_far_is_cut_off_and_says_so():
    pixels = np.random.default_rng(3).normal(1000, 1, (100, 100))
    pixels[0, 0], pixels[0, 1] = 1e30, -1e30
    coding = coding_of(pixels, noise=1, middle=1000)
    assert coding.is_clipped
    shown = decoded(encoded(pixels, coding), coding)
    assert np.abs(shown - pixels)[1:].max() <= 0.25 + 1e-9
    assert shown[0, 0] == pytest.approx(coding.highest)
    assert shown[0, 1] == pytest.approx(coding.lowest)


@pytest.mark.parametrize("noise", [0.0, math.nan, 1e-300])
def test_images_without_noise_or_values(noise):
    for pixels in (np.full((3, 4), 7.5), np.full((3, 4), np.nan), np.array([[1e303, -1e303, np.nan, np.inf]])):
        coding = coding_of(pixels, noise=noise, middle=0.0)
        shown = decoded(encoded(pixels, coding), coding)
        assert math.isfinite(coding.lowest)
        assert coding.step > 0
        np.testing.assert_array_equal(np.isnan(shown), ~np.isfinite(pixels))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_each_pixel_of_half_the_size_is_the_mean_of_what_is_defined(rows, columns, seed):
    chance = np.random.default_rng(seed)
    pixels = chance.normal(100, 10, (rows, columns))
    pixels[chance.random((rows, columns)) < 0.3] = np.nan
    half = halved(pixels)
    assert half.shape == level_shape((rows, columns), 1)
    for row in range(half.shape[0]):
        for column in range(half.shape[1]):
            block = pixels[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            if np.isnan(block).all():
                assert np.isnan(half[row, column])
            else:
                assert half[row, column] == pytest.approx(np.nanmean(block))


def test_bands_leave_no_seam():
    pixels = np.arange(1030 * 7, dtype="i4").reshape(1030, 7)
    expected = pixels[:, :6].reshape(515, 2, 3, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(halved(pixels)[:, :3], expected, rtol=1e-6)


def test_the_last_level_fits_a_tile():
    for shape in ((1, 1), (512, 512), (513, 10), (6388, 9576), (10, 100_000)):
        last = level_count(shape) - 1
        assert max(level_shape(shape, last)) <= TILE_PX
        assert last == 0 or max(level_shape(shape, last - 1)) > TILE_PX


def test_an_overview_is_the_means_of_a_row_of_each_band():
    pixels = np.random.default_rng(4).integers(0, 60_000, (1030, 2077)).astype("u2")
    seen = overview(lambda start, stop: pixels[start:stop], pixels.shape)
    level = level_count(pixels.shape) - 1
    assert seen.shape == level_shape(pixels.shape, level)
    side = 2**level
    np.testing.assert_allclose(seen[3, 5], pixels[3 * side + side // 2, 5 * side : 6 * side].mean(), rtol=1e-5)
    last = seen.shape[1] - 1
    np.testing.assert_allclose(seen[3, last], pixels[3 * side + side // 2, last * side :].mean(), rtol=1e-5)


def test_an_overview_leaves_out_what_is_undefined():
    pixels = np.ones((600, 600), "f4")
    pixels[:, 1], pixels[:, 10:12] = np.nan, np.inf
    seen = overview(lambda start, stop: pixels[start:stop], pixels.shape)
    assert (seen[:, 0] == 1).all()
    assert np.isnan(seen[:, 5]).all()


def test_limits_are_found_in_any_row_if_those_of_the_overview_have_nothing():
    pixels = np.full((2048, 2048), np.nan, "f4")
    pixels[1, 7] = 5
    assert row_samples(lambda start, stop: pixels[start:stop], pixels.shape).tolist() == [5]
    pixels[1, 7] = np.nan
    assert row_samples(lambda start, stop: pixels[start:stop], pixels.shape).size == 0


def test_a_tile_carries_its_coding():
    pixels = np.array([[5, 7], [9, 65_000]], "u2")
    body = coded(pixels)
    lowest, step, is_clipped = np.frombuffer(body[:24], "<f8")
    codes = np.frombuffer(body[24:], "<u2").reshape(2, 2)
    assert (lowest + step * (codes - 1.0)).tolist() == pixels.tolist()
    assert not is_clipped
