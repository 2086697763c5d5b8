import numpy as np
import pytest
from astropy.stats import mad_std, sigma_clip

from datalab.astro.pixels.region_statistics import EmptyRegionError, region_statistics


def region(dtype="f4"):
    pixels = np.random.default_rng(8).normal(200, 12, (70, 50))
    pixels[10:13, 20] = 5000
    return pixels.astype(dtype)


@pytest.mark.parametrize("dtype", ["f4", "f8", "u2", "i4"])
def test_numbers_are_those_of_numpy_and_astropy(dtype):
    pixels = region(dtype)
    found = region_statistics(pixels)
    values = pixels.astype("f8")
    assert (found.pixel_count, found.undefined_count) == (3500, 0)
    assert (found.minimum, found.maximum, found.median) == (values.min(), values.max(), np.median(values))
    assert found.total == pytest.approx(values.sum())
    assert found.mean == pytest.approx(values.mean())
    assert found.standard_deviation == pytest.approx(values.std())
    assert found.robust_sigma == pytest.approx(mad_std(values))
    clipped = sigma_clip(values, sigma=3.0, maxiters=None, masked=False)
    assert found.clipped_count == clipped.size
    assert found.clipped_mean == pytest.approx(clipped.mean())
    assert found.clipped_median == np.median(clipped)
    assert found.clipped_standard_deviation == pytest.approx(clipped.std())
    assert found.maximum_at == (10, 20)
    assert pixels[found.minimum_at] == found.minimum


def test_undefined_pixels_do_not_count():
    pixels = region()
    pixels[0, :10] = np.nan
    pixels[1, 0] = np.inf
    found = region_statistics(pixels)
    assert (found.pixel_count, found.undefined_count) == (3489, 11)
    assert found.mean == pytest.approx(pixels[np.isfinite(pixels)].mean(dtype="f8"))


@pytest.mark.parametrize("pixels", [np.full((2, 2), np.nan), np.empty((0, 5))])
def test_a_region_without_data_has_no_statistics(pixels):
    with pytest.raises(EmptyRegionError):
        region_statistics(pixels)


@pytest.mark.parametrize("pixels", [np.array([[3]], "u1"), np.full((5, 5), -1e300)])
def test_equal_levels_have_no_scatter(pixels):
    found = region_statistics(pixels)
    assert found.standard_deviation == found.robust_sigma == found.clipped_standard_deviation == 0
    assert found.clipped_count == pixels.size


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2"])
@pytest.mark.parametrize("seed", range(3))
def test_levels_that_are_counted_give_the_numbers_of_levels_that_are_sorted(dtype, seed):
    rng = np.random.default_rng(seed)
    limits = np.iinfo(dtype)
    pixels = np.clip(rng.normal(60, 9, (40, 31)), limits.min, limits.max).astype(dtype)
    pixels[rng.integers(0, 40, 9), rng.integers(0, 31, 9)] = limits.max
    counted, ordered = region_statistics(pixels), region_statistics(pixels.astype("i8"))
    for name in counted.__slots__:
        assert getattr(counted, name) == pytest.approx(getattr(ordered, name), rel=1e-12), name


def test_levels_at_the_end_of_floats_have_true_numbers_or_infinite_ones():
    found = region_statistics(np.array([[1e303, 3e303]]))
    assert (found.mean, found.median, found.standard_deviation) == pytest.approx((2e303, 2e303, 1e303))
    assert (found.total, found.robust_sigma) == pytest.approx((4e303, 1.482602218505602e303))
    found = region_statistics(np.array([[1.7e308, -1.7e308, 1.7e308, 1.7e308]]))
    assert (found.minimum, found.maximum, found.median) == (-1.7e308, 1.7e308, 1.7e308)
    assert found.mean == pytest.approx(0.85e308)
    assert found.total == np.inf
