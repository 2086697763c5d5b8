import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from datalab.astro.pixels.arithmetic import exact_dtype, image_median


@given(hnp.arrays(st.sampled_from(["u1", "u2", "i2", "i4", "f4", "f8"]), hnp.array_shapes(max_dims=2, max_side=9)))
def test_the_median_is_that_of_numpy(pixels):
    if pixels.dtype.kind == "f":
        pixels[~np.isfinite(pixels)] = 0  # infinities of both signs have no mean
    assert image_median(pixels) == float(np.median(pixels))


@pytest.mark.parametrize("dtype", ["f4", ">f4", "f8"])
def test_blank_pixels_do_not_count(dtype):
    pixels = np.array([[1, np.nan, 7], [np.nan, 2, np.nan]], dtype)
    before = pixels.copy()
    assert image_median(pixels) == 2
    np.testing.assert_array_equal(pixels, before)
    assert np.isnan(image_median(np.full((2, 2), np.nan, dtype)))
    assert np.isnan(image_median(np.empty((0, 3), dtype)))


@pytest.mark.parametrize(
    ("dtypes", "result"),
    [
        (("u2",), "f4"),
        (("i2", "u2"), "f4"),
        (("u1", "f4"), "f4"),
        (("i4",), "f8"),
        (("u2", "i4"), "f8"),
        (("f8",), "f8"),
    ],
)
def test_the_exact_type_holds_every_value_of_its_operands(dtypes, result):
    exact = exact_dtype(*map(np.dtype, dtypes))
    assert exact == np.dtype(result)
    for dtype in map(np.dtype, dtypes):
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            assert [int(exact.type(limit)) for limit in (limits.min, limits.max)] == [limits.min, limits.max]


def test_complex_pixels_are_refused():
    with pytest.raises(TypeError, match="no numbers"):
        exact_dtype(np.dtype("c8"))
