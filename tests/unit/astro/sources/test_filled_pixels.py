"""Pixels that were filled in, not measured, are blank; that there are none is told without looking at every square."""

import numpy as np
import pytest
from scipy.ndimage import maximum_filter, minimum_filter

from datalab.astro.sources.detection import prepared

SIDE = 15


def filled(image):
    same = maximum_filter(image, SIDE) == minimum_filter(image, SIDE)
    return maximum_filter(same, SIDE)


@pytest.mark.parametrize("seed", range(40))
def test_the_same_pixels_are_blank_as_if_every_square_were_looked_at(seed):
    rng = np.random.default_rng(seed)
    for _ in range(10):
        shape = rng.integers(16, 70, 2)
        image = rng.normal(100.0, rng.choice([0.3, 2.0, 50.0]), shape).round().astype(np.float32)
        side, row, column = rng.integers(4, 24), *(rng.integers(0, length) for length in shape)
        image[row : row + side, column : column + side] = 7.0
        if image.min() < image.max():
            assert (prepared(image)[1] == filled(image)).all()
