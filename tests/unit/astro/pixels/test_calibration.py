import math

import numpy as np
import pytest
from astropy.io import fits

from datalab.astro.headers.frame_state import FrameState
from datalab.astro.pixels.calibration import (
    corrected,
    is_normalised,
    largest_sensitivity,
    relative_sensitivity,
    saturation_after,
)


def test_the_equation_of_calibration():
    rng = np.random.default_rng(1)
    light, flat = rng.uniform(10.0, 1e4, (20, 30)), rng.uniform(0.8, 1.2, (20, 30))
    bias, dark = rng.uniform(480.0, 520.0, (20, 30)), rng.uniform(0.0, 30.0, (20, 30))
    raw = light * flat + bias + 2.5 * dark
    np.testing.assert_allclose(corrected(raw, bias=bias, dark=dark, dark_scale=2.5, flat=flat), light, rtol=1e-12)
    np.testing.assert_allclose(corrected(raw, bias=bias), raw - bias)
    np.testing.assert_array_equal(corrected(raw), raw)


@pytest.mark.parametrize(("dtype", "expected"), [("u2", "f4"), ("i2", "f4"), ("f4", "f4"), ("u4", "f8"), ("f8", "f8")])
def test_results_are_floats_that_hold_the_raw_values(dtype, expected):
    raw = np.full((2, 2), 3, dtype)
    result = corrected(raw, bias=np.full((2, 2), 5.0), dark=np.ones((2, 2)), flat=np.full((2, 2), 0.5))
    assert result.dtype == expected
    assert (result == -6.0).all()  # unsigned pixels do not wrap
    assert (raw == 3).all()


def test_sensitivity_is_relative_to_the_median_and_unknown_where_there_is_no_light():
    relative = relative_sensitivity(np.array([[100, 200, 300], [0, 200, -5]], np.int16))
    assert relative.dtype == np.float32
    np.testing.assert_allclose(relative, np.array([[100, 200, 300], [np.nan, 200, np.nan]]) / 150.0, rtol=1e-6)
    assert np.isnan(corrected(np.ones((2, 3)), flat=relative)[1, 0])


@pytest.mark.parametrize("flat", [np.zeros((3, 3)), np.full((3, 3), -2.0), np.full((3, 3), np.nan)])
def test_a_flat_without_light_is_refused(flat):
    with pytest.raises(ValueError, match="no light"):
        relative_sensitivity(flat)


def test_a_normalised_flat_is_told_from_counts():
    assert is_normalised(1.0)
    assert is_normalised(0.93)
    assert not is_normalised(20_000.0)
    assert not is_normalised(0.0)
    assert not is_normalised(math.nan)


def test_the_saturation_level_follows_the_pixels():
    assert saturation_after(60_000.0, bias_adu=500.0, dark_adu=20.5, sensitivity=1.25) == 47_583
    assert saturation_after(math.inf, bias_adu=500.0, dark_adu=20.0, sensitivity=1.0) == math.inf
    flat = np.full((100, 100), 1.02)
    flat[0, 0], flat[0, 1] = 9.0, np.nan  # a bad pixel is no sensitivity
    assert largest_sensitivity(flat) == pytest.approx(1.02)
    assert largest_sensitivity(np.full((5, 5), 0.9)) == 1.0


@pytest.mark.parametrize(
    ("cards", "state"),
    [
        ({}, (False, False, False, None)),
        ({"ZEROCOR": "Feb 5 zero level", "FLATCOR": "flat"}, (True, False, True, None)),
        ({"L1IDBIAS": "bias.fits", "L1IDDARK": "dark.fits", "L1IDFLAT": "N/A"}, (True, True, False, None)),
        ({"CCDXBIN": 2, "CCDYBIN": 3}, (False, False, False, (2, 3))),
        ({"XBINNING": 1, "YBINNING": "two"}, (False, False, False, None)),
    ],
)
def test_what_was_done_to_a_frame_is_read_from_its_header(cards, state):
    read = FrameState.of(fits.Header(cards))
    assert (read.bias_removed, read.dark_removed, read.flat_removed, read.binning) == state
