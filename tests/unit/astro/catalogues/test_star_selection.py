import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from datalab.astro.catalogues.star_selection import concentration, star_like
from datalab.astro.sources.extraction import extract_sources
from datalab.simulation.psf import Moffat

SHAPE = (320, 320)


def frame(*, fwhm_px=3.0, stars=45, flux_e=(3000.0, 40_000.0), trail_px=0.0, seed=5):
    """Return a frame with Poisson noise and where its stars are, shape (2, n), counted from 0."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(12, 308, (2, stars))
    flux = rng.uniform(*flux_e, stars)
    light = np.zeros(SHAPE)
    for step in np.linspace(-0.5, 0.5, 20) if trail_px else [0.0]:
        Moffat(fwhm_px).add_sources(light, places[0] + step * trail_px, places[1], flux / (20 if trail_px else 1))
    return rng.poisson(light + 200.0).astype(np.float32), places


def kept_and_false(pixels, stars):
    """Return how many stars are kept of those found, and how many others are."""
    table = extract_sources(pixels).sources
    distance = np.hypot(*(stars[:, np.newaxis, :] - np.array([table["x"] - 1.0, table["y"] - 1.0])[:, :, np.newaxis]))
    is_star, kept = distance.min(axis=1) < 3.0, star_like(table)
    return int((kept & is_star).sum()), int(is_star.sum()), int((kept & ~is_star).sum())


@pytest.mark.parametrize(("hot_e", "flux_e"), [((2e3, 3e4), (3e3, 4e4)), ((2e4, 6e4), (3e3, 1e4))])
def test_hot_pixels_are_no_stars_however_bright(hot_e, flux_e):
    pixels, stars = frame(flux_e=flux_e)
    rng = np.random.default_rng(1)
    pixels[tuple(rng.integers(0, 320, (2, 70)))] += rng.uniform(*hot_e, 70)
    kept, found, false = kept_and_false(pixels, stars)
    assert kept >= 0.9 * found > 30
    assert false <= 1


def test_tracks_of_particles_are_no_stars():
    pixels, stars = frame()
    rng = np.random.default_rng(2)
    for row, column, length in zip(*rng.integers(5, 300, (2, 60)), rng.integers(1, 8, 60), strict=True):
        pixels[row, column : column + length] += rng.uniform(500, 5000)
    kept, found, false = kept_and_false(pixels, stars)
    assert kept >= 0.9 * found
    assert false <= 12  # of 60: the longest and faintest


@pytest.mark.parametrize(("fwhm_px", "trail_px"), [(1.4, 0.0), (2.0, 0.0), (6.0, 0.0), (3.0, 12.0), (2.0, 25.0)])
def test_stars_stay_stars_if_they_are_narrow_wide_or_trailed(fwhm_px, trail_px):
    kept, found, _ = kept_and_false(*frame(fwhm_px=fwhm_px, trail_px=trail_px, stars=25, flux_e=(2e4, 1e5)))
    assert kept == found >= 18


def test_a_width_that_is_not_finite_was_that_of_no_star():
    table = Table({"x": np.arange(5.0), "y": np.arange(5.0), "fwhm": [3.0, np.nan, np.inf, 3.1, 0.5]})
    assert star_like(table).tolist() == [True, False, False, True, False]


def test_columns_that_are_not_there_tell_nothing():
    assert star_like(Table({"x": [1.0, 2.0], "y": [1.0, 2.0], "flux": [1.0, 5.0]})).all()
    assert star_like(Table({"x": [], "y": []})).shape == (0,)


def test_peaks_without_sky_do_not_tell_how_concentrated_a_source_is():
    table = Table({"peak": [50.0, 90.0, 700.0], "background": [200.0] * 3, "flux": [500.0, 900.0, 800.0]})
    assert np.isnan(concentration(table)).all()
    assert star_like(table).all()
    table["peak"] += 200.0
    assert concentration(table).tolist() == [0.1, 0.1, 0.875]
    assert star_like(table).tolist() == [True, True, False]


def test_what_was_flagged_as_sharper_than_a_star_is_none():
    table = Table({"x": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 3.0], "flag": [0, 257, 3]})
    assert star_like(table).tolist() == [True, False, True]
    assert star_like(Table({"x": [1.0], "flag": MaskedColumn([256], mask=[True])})).tolist() == [True]
