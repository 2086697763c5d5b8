import numpy as np
import pytest

from datalab.astro.pixels.noise import array_noise, pixel_noise
from support.array_rows import ArrayRows


@pytest.mark.parametrize("shape", [(3, 20000), (64, 1500), (900, 700)])
def test_stars_slopes_and_blanks_do_not_count(shape):
    rng = np.random.default_rng(1)
    pixels = rng.normal(500, 12, shape) + np.linspace(0, 300, shape[1])
    pixels[:, ::50] += 5000
    pixels[rng.random(shape) < 0.02] = np.nan
    assert pixel_noise(ArrayRows(pixels)) == pytest.approx(12, rel=0.06)
    assert array_noise(pixels) == pixel_noise(ArrayRows(pixels))


def test_integers_and_images_without_noise():
    rng = np.random.default_rng(2)
    assert pixel_noise(ArrayRows(rng.normal(500, 12, (200, 300)).astype("u2"))) == pytest.approx(12, rel=0.05)
    assert pixel_noise(ArrayRows(np.full((20, 30), 7, "u2"))) == 0
    assert np.isnan(pixel_noise(ArrayRows(np.full((20, 30), np.nan))))
