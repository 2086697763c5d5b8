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
