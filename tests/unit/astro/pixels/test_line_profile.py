import math

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from datalab.astro.pixels.line_profile import LineTooLongError, line_profile

PIXELS = np.random.default_rng(3).normal(500, 40, (60, 90))


@pytest.mark.parametrize(
    "line", [((5.3, 7.9), (48.1, 80.2)), ((20, 3), (20, 70)), ((59, 89), (0, 0)), ((9, 9), (9, 9))]
)
@pytest.mark.parametrize("dtype", ["f8", "f4", "u2", "i4"])
def test_samples_are_interpolated_bilinearly(line, dtype):
    pixels = PIXELS.astype(dtype)
    profile = line_profile(pixels, *line)
    count = math.ceil(math.dist(*line)) + 1
    places = [np.linspace(begin, end, count) for begin, end in zip(*line, strict=True)]
    np.testing.assert_allclose(profile, map_coordinates(pixels.astype("f8"), places, order=1), rtol=1e-12)


def test_samples_beyond_the_image_are_minus_one():
    profile = line_profile(PIXELS, (10, -3), (10, 93))
    assert (profile[:3] == -1).all()
    assert (profile[-4:] == -1).all()
    np.testing.assert_allclose(profile[3:-4], PIXELS[10])


def test_an_undefined_pixel_spoils_only_what_depends_on_it():
    pixels = PIXELS.copy()
    pixels[10, 20] = np.nan
    assert np.flatnonzero(np.isnan(line_profile(pixels, (10, 0), (10, 89)))).tolist() == [20]
    assert not np.isnan(line_profile(pixels, (11, 0), (11, 89))).any()


def test_a_line_far_beyond_the_image_is_refused():
    with pytest.raises(LineTooLongError, match="90 x 60"):
        line_profile(PIXELS, (0, 0), (1e6, 1e6))


def test_one_pixel_has_a_profile():
    assert line_profile(np.array([[7]], "u1"), (0, 0), (0, 0)).tolist() == [7.0]
