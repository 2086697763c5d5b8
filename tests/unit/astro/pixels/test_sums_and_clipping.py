import numpy as np
import pytest
from astropy.stats import mad_std
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from datalab.astro.pixels import combine
from datalab.astro.pixels.combine import RunningSum, average_rows, sigma_clipped_rows, sum_dtype, sum_rows

STACKS = npst.arrays(
    st.sampled_from(("float32", "float64")),
    st.tuples(st.integers(1, 12), st.integers(1, 3), st.integers(1, 3)),
    elements=st.one_of(st.floats(-1e6, 1e6, width=32), st.just(np.nan), st.integers(-3, 3)),
)
TOLERANCE = {"rtol": 1e-6, "atol": 0.2}


def noisy(planes, *, seed=1, dtype="f4", shape=(40, 50), outliers=0.0, blanks=0.0):
    rng = np.random.default_rng(seed)
    stack = rng.normal(1000, 20, (planes, *shape))
    stack[rng.random(stack.shape) < outliers] = 30000
    if blanks:
        stack[rng.random(stack.shape) < blanks] = np.nan
    return stack.astype(dtype)


@given(STACKS)
def test_sum_and_average_ignore_blank_pixels(stack):
    values = stack.astype("f8")
    is_blank = np.isnan(values).all(axis=0)
    defined = np.maximum(np.count_nonzero(~np.isnan(values), axis=0), 1)
    total = np.where(is_blank, np.nan, np.nansum(values, axis=0))
    np.testing.assert_allclose(sum_rows(stack), total, **TOLERANCE)
    np.testing.assert_allclose(average_rows(stack), total / defined, **TOLERANCE)


@given(STACKS, st.integers(0, 2**32 - 1))
def test_weighted_means_are_those_of_the_defined_values(stack, seed):
    weights = np.random.default_rng(seed).uniform(0.1, 5.0, len(stack))
    masked = np.ma.masked_invalid(stack.astype("f8"))
    expected = np.ma.average(masked, axis=0, weights=weights).filled(np.nan)
    np.testing.assert_allclose(average_rows(stack, weights=weights), expected, **TOLERANCE)
    np.testing.assert_allclose(average_rows(stack, weights=weights * 1e3), expected, **TOLERANCE)
    np.testing.assert_allclose(sum_rows(stack, weights=weights), expected * len(stack), rtol=1e-6, atol=3)


@given(STACKS, st.booleans())
def test_adding_planes_one_at_a_time_gives_the_same(stack, is_weighted):
    weights = np.linspace(0.5, 2.0, len(stack)) if is_weighted else np.ones(len(stack))
    running = RunningSum(stack.shape[1:])
    for plane, weight in zip(stack, weights, strict=True):
        running.add(plane, weight)
    np.testing.assert_allclose(running.average(), average_rows(stack, weights=weights), **TOLERANCE)
    if not is_weighted:
        np.testing.assert_allclose(running.sum(), sum_rows(stack), **TOLERANCE)


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "<u2", ">u2", ">i2", "u4", "i4", "i8"])
@pytest.mark.parametrize("planes", [3, 300])
def test_sums_of_integers_are_exact_and_never_wrap(dtype, planes):
    largest = 1 if dtype == "?" else min(np.iinfo(dtype).max, 2**40)
    stack = np.full((planes, 2, 3), largest, dtype)
    total = sum_rows(stack)
    assert total.dtype == sum_dtype(stack.dtype, planes)
    assert (total == planes * int(largest)).all()


def test_sums_are_as_small_as_they_can_be_exact():
    assert sum_dtype(np.dtype("u2"), 256) == np.float32
    assert sum_dtype(np.dtype("u2"), 257) == np.float64
    assert sum_dtype(np.dtype("f4"), 999) == np.float32
    assert sum_dtype(np.dtype("f8"), 2) == np.float64
    with pytest.raises(TypeError, match="complex64"):
        sum_dtype(np.dtype("c8"), 2)


def test_a_float32_sum_does_not_lose_what_is_added_late():
    stack = np.full((999, 1, 4), 0.001, "f4")
    stack[0] = 1e5
    np.testing.assert_allclose(sum_rows(stack), 1e5 + 0.998, rtol=1e-7)


def test_opposite_infinities_have_no_sum():
    stack = np.array([np.inf, -np.inf, 1.0]).reshape(3, 1, 1)
    assert np.isnan(sum_rows(stack)).all()


@pytest.mark.parametrize("function", [sum_rows, average_rows, sigma_clipped_rows])
def test_wrong_stacks_and_weights_are_refused(function):
    with pytest.raises(ValueError, match="shape"):
        function(np.zeros((0, 2, 2)))
    with pytest.raises(ValueError, match="3 planes need as many weights"):
        function(np.zeros((3, 2, 2)), weights=np.ones(2))


def clipped_mean(values):
    """Clip one pixel's values as the definition says, with the spread of astropy."""
    values = values[np.isfinite(values)].astype("f8")
    for _ in range(combine.MOST_CLIPPINGS):
        values = values[np.abs(values - np.median(values)) <= 3 * mad_std(values)]
    return values.mean()


@pytest.mark.parametrize("planes", [10, 30, 101])
@pytest.mark.parametrize("blanks", [0.0, 0.05])
def test_each_pixel_is_clipped_as_the_definition_says(monkeypatch, planes, blanks):
    monkeypatch.setattr(combine, "_sigma_per_mad", lambda _: combine.SIGMA_PER_MAD)  # without corrections for few
    stack = noisy(planes, outliers=0.03, blanks=blanks, shape=(15, 20))
    expected = [[clipped_mean(stack[:, row, column]) for column in range(20)] for row in range(15)]
    np.testing.assert_allclose(sigma_clipped_rows(stack), expected, rtol=1e-6)


def test_the_spread_of_few_values_is_unbiased():
    """The scatter of n normal values by their median absolute deviation, averaged over many samples, is 1."""
    samples = np.random.default_rng(9).normal(0, 1, (40000, 9))
    for count in range(3, 10):
        some = samples[:, :count]
        deviations = np.median(np.abs(some - np.median(some, axis=1, keepdims=True)), axis=1)
        assert deviations.mean() * combine._sigma_per_mad(count) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("dtype", ["u2", ">i2", "f4", "f8"])
def test_cosmic_rays_vanish_and_the_mean_stays_unbiased(dtype):
    clean = noisy(30, shape=(100, 100))
    stack = noisy(30, shape=(100, 100), outliers=0.03, dtype=dtype)
    clipped = sigma_clipped_rows(stack)
    assert abs(clipped.mean() - 1000) < 5 * 20 / np.sqrt(30 * 1e4) + (0.5 if stack.dtype.kind in "iu" else 0)
    assert clipped.std() < 1.1 * clean.mean(axis=0).std()  # no more than a tenth of the precision is lost
    assert np.abs(clipped - clean.mean(axis=0)).max() < 8 * 20 / np.sqrt(30)


def test_outliers_that_hide_each_other_are_found():
    stack = noisy(20, shape=(3, 3))
    stack[:7] = 5000.0
    np.testing.assert_allclose(sigma_clipped_rows(stack), 1000, atol=4 * 20 / np.sqrt(13))


def test_equal_values_are_kept_and_what_differs_from_them_is_not():
    stack = np.full((9, 1, 3), 7, "u2")
    stack[4, 0, 0] = 60000
    stack[4, 0, 1] = 8
    np.testing.assert_allclose(sigma_clipped_rows(stack), [[7.0, 7.0, 7.0]], atol=1 / 9 + 1e-6)
    assert sigma_clipped_rows(stack)[0, 0] == 7


@pytest.mark.parametrize("planes", [1, 2])
def test_of_one_or_two_values_none_is_left_out(planes):
    stack = np.array([1.0, 1e6])[:planes].reshape(planes, 1, 1)
    assert sigma_clipped_rows(stack, sigma=1.0) == stack.mean()


def test_what_is_not_finite_is_left_out():
    stack = noisy(12, shape=(1, 3))
    stack[3, 0, 0], stack[4, 0, 0], stack[5, 0, 0] = np.inf, -np.inf, np.nan
    stack[:, 0, 1] = np.nan
    stack[:, 0, 2] = np.inf
    clipped = sigma_clipped_rows(stack, sigma=100.0)[0]
    assert clipped[0] == pytest.approx(np.delete(stack[:, 0, 0], [3, 4, 5]).mean())
    assert np.isnan(clipped[1:]).all()


def test_weights_count_for_what_is_left():
    stack = noisy(15, shape=(2, 2))
    stack[0] = 1e6
    weights = np.arange(1.0, 16.0)
    kept = sigma_clipped_rows(stack, sigma=50.0, weights=weights)
    np.testing.assert_allclose(kept, np.average(stack[1:].astype("f8"), axis=0, weights=weights[1:]), rtol=1e-6)


def test_a_limit_that_could_leave_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        sigma_clipped_rows(noisy(5), sigma=0.5)
    assert np.isfinite(sigma_clipped_rows(noisy(6), sigma=1.0)).all()


def test_the_stack_is_not_changed_and_bands_do_not_show(monkeypatch):
    stack = noisy(11, shape=(30, 40), outliers=0.05, blanks=0.05)
    before = stack.copy()
    whole = [function(stack) for function in (sum_rows, average_rows, sigma_clipped_rows)]
    monkeypatch.setattr(combine, "PLANE_BAND_BYTES", 40 * 4 * 7)
    monkeypatch.setattr(combine, "SELECTION_BYTES", 11 * 4 * 9)
    for function, expected in zip((sum_rows, average_rows, sigma_clipped_rows), whole, strict=True):
        np.testing.assert_allclose(function(stack), expected, rtol=1e-6)
    np.testing.assert_array_equal(stack, before)
