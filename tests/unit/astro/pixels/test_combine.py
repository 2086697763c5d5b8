import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from datalab.astro.pixels import combine
from datalab.astro.pixels.combine import median_dtype, median_rows
from datalab.astro.pixels.median_network import median_network

INTEGER_TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "int64")


def nanmedian(stack):
    """numpy's answer, with the expected warnings of undefined pixels and opposite infinities off."""
    with np.errstate(invalid="ignore", over="ignore"):
        defined = ~np.isnan(stack)
        wide = np.ma.MaskedArray(stack.astype(np.float64), ~defined)
        return np.array([[_median_of(wide[:, r, c]) for c in range(stack.shape[2])] for r in range(stack.shape[1])])


def _median_of(column):
    values = column.compressed()
    return np.median(values) if values.size else np.nan


@given(
    npst.arrays(
        st.sampled_from(INTEGER_TYPES),
        st.tuples(st.integers(1, 40), st.integers(1, 3), st.integers(1, 4)),
    )
)
def test_integers_have_exactly_the_median_of_numpy(stack):
    expected = np.median(stack, axis=0)
    np.testing.assert_array_equal(median_rows(stack), expected)


@given(
    npst.arrays(
        st.sampled_from(("float32", "float64")),
        st.tuples(st.integers(1, 12), st.integers(1, 3), st.integers(1, 3)),
        elements=st.one_of(
            st.floats(-(2.0**99), 2.0**99, width=32), st.sampled_from((np.nan, np.inf, -np.inf)), st.integers(-3, 3)
        ),
    )
)
def test_floats_ignore_undefined_planes_per_pixel(stack):
    np.testing.assert_allclose(median_rows(stack), nanmedian(stack), rtol=1e-6)


@pytest.mark.parametrize("planes", range(1, 41))
def test_the_network_sorts_the_middle_of_every_pattern_of_zeros_and_ones(planes):
    """By the zero-one principle a network that places random 0/1 columns rightly places any values rightly."""
    rng = np.random.default_rng(planes)
    patterns = np.tri(planes + 1, planes, -1, dtype=np.uint8).T[:, :, np.newaxis]
    shuffled = rng.permuted(np.repeat(patterns, 64, axis=1), axis=0)
    np.testing.assert_array_equal(median_rows(shuffled), np.median(shuffled, axis=0))


def test_thirty_planes_need_148_exchanges_and_the_network_is_made_once():
    assert len(median_network(30)) == 148
    assert median_network(30) is median_network(30)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float16", "float32", "float64", ">u2", ">f4"])
@pytest.mark.parametrize("planes", [2, 7, 30])
def test_images_of_several_bands(dtype, planes):
    rng = np.random.default_rng(1)
    stack = rng.normal(100, 20, (planes, 37, 4000)).astype(dtype)
    np.testing.assert_allclose(median_rows(stack), np.median(stack.astype(np.float64), axis=0), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
@pytest.mark.parametrize("planes", [5, 6])
def test_selection_gives_what_the_network_gives(monkeypatch, dtype, planes):
    rng = np.random.default_rng(2)
    stack = rng.normal(100, 20, (planes, 5, 60)).astype(dtype)
    if stack.dtype.kind == "f":
        stack[rng.random(stack.shape) < 0.3] = np.nan
        stack[:, 2, 3] = np.nan
    by_network = median_rows(stack)
    monkeypatch.setattr(combine, "NETWORK_MAX_PLANES", {})
    monkeypatch.setattr(combine, "SELECTION_BYTES", 500)
    np.testing.assert_array_equal(median_rows(stack), by_network)


def test_more_planes_than_the_network_is_used_for():
    stack = np.random.default_rng(3).normal(0, 1, (501, 2, 30)).astype(np.float64)
    np.testing.assert_array_equal(median_rows(stack), np.median(stack, axis=0))


def test_the_stack_stays_as_it_was_and_out_is_filled():
    stack = np.random.default_rng(4).integers(0, 65535, (9, 20, 30), dtype=np.uint16)
    before = stack.copy()
    out = np.zeros((20, 30), np.float32)
    assert median_rows(stack, out) is out
    np.testing.assert_array_equal(stack, before)
    np.testing.assert_array_equal(out, np.median(before, axis=0))


def test_bands_put_together_are_the_whole():
    stack = np.random.default_rng(5).normal(0, 1, (8, 50, 40)).astype(np.float32)
    cropped = stack[:, :45, :33]
    out = np.empty((45, 33), np.float32)
    for first in range(0, 45, 7):
        median_rows(cropped[:, first : first + 7], out[first : first + 7])
    np.testing.assert_array_equal(out, median_rows(cropped))


def test_a_pixel_undefined_everywhere_stays_undefined_without_a_warning():
    stack = np.ones((3, 2, 2), np.float32)
    stack[:, 1, 1] = np.nan
    np.testing.assert_array_equal(median_rows(stack), [[1, 1], [1, np.nan]])


def test_an_image_without_pixels():
    assert median_rows(np.empty((3, 0, 5), np.uint16)).shape == (0, 5)
    assert median_rows(np.empty((3, 5, 0), np.uint16)).shape == (5, 0)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("uint8", "float32"),
        ("int16", "float32"),
        ("uint16", "float32"),
        ("float16", "float32"),
        (">f4", "float32"),
        ("int32", "float64"),
        ("uint64", "float64"),
        ("float64", "float64"),
    ],
)
def test_the_type_of_the_median(dtype, expected):
    assert median_dtype(np.dtype(dtype)) == np.dtype(expected)


@pytest.mark.parametrize("dtype", ["complex64", "datetime64[s]", "O"])
def test_types_without_order_are_refused(dtype):
    with pytest.raises(TypeError, match="no median"):
        median_dtype(np.dtype(dtype))


@pytest.mark.parametrize("shape", [(4, 5), (0, 4, 5), (1, 2, 3, 4)])
def test_a_stack_has_three_axes_and_a_plane(shape):
    with pytest.raises(ValueError, match="planes, rows, columns"):
        median_rows(np.zeros(shape, np.uint16))


@pytest.mark.parametrize("out", [np.empty((4, 5), np.float64), np.empty((5, 4), np.float32)])
def test_out_has_the_shape_and_type_of_the_median(out):
    with pytest.raises(ValueError, match="out must be float32"):
        median_rows(np.zeros((3, 4, 5), np.uint16), out)


@settings(max_examples=20)
@given(st.integers(1, 300))
def test_a_network_names_planes_that_exist(planes):
    assert all(0 <= step.low < step.high < planes for step in median_network(planes))
