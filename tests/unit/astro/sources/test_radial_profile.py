import numpy as np
import pytest
from photutils.psf import fit_fwhm

from datalab.astro.sources.radial_profile import NoStarError, fit_star, radial_profile

SKY, NOISE = 300.0, 5.0


def star(x, y, *, fwhm, peak=4000.0, beta=None, shape=(80, 90), seed=1, noise=NOISE, dtype="f4"):
    """Return a star on a noisy sky: Moffat's profile with `beta`, else a Gaussian."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    squared = (columns - x) ** 2 + (rows - y) ** 2
    if beta is None:
        light = np.exp(-4 * np.log(2) * squared / fwhm**2)
    else:
        light = (1 + squared / (fwhm / 2) ** 2 * (2 ** (1 / beta) - 1)) ** -beta
    return (np.random.default_rng(seed).normal(SKY, noise, shape) + peak * light).astype(dtype)


@pytest.mark.parametrize("fwhm", [2.2, 3.7, 6.0])
@pytest.mark.parametrize("beta", [2.5, 4.0])
def test_the_width_of_a_moffat_star_is_found(fwhm, beta):
    fit = fit_star(star(40.3, 35.8, fwhm=fwhm, beta=beta), 41.5, 35.0, radius_px=15.0)
    assert fit.fwhm_px == pytest.approx(fwhm, rel=0.01)
    assert fit.beta == pytest.approx(beta, rel=0.05)
    assert (fit.x, fit.y) == pytest.approx((40.3, 35.8), abs=0.01)
    assert fit.peak == pytest.approx(4000, rel=0.01)
    assert fit.background == pytest.approx(SKY, abs=3)
    assert fit.residual == pytest.approx(NOISE, rel=0.1)


@pytest.mark.parametrize("dtype", ["f4", "u2", "f8"])
def test_the_width_of_a_gaussian_star_is_found_as_photutils_finds_it(dtype):
    pixels = star(40.3, 35.8, fwhm=4.2, dtype=dtype)
    fit = fit_star(pixels, 40, 36, radius_px=12.0, model="gaussian")
    assert fit.fwhm_px == pytest.approx(4.2, rel=0.005)
    assert fit.beta is None
    # photutils fits the star before its light is summed over pixels: narrower by the variance of a pixel, 1/12.
    before_pixels = fit_fwhm(pixels.astype("f8") - SKY, xypos=(40.3, 35.8), fit_shape=15)[0]
    assert fit.fwhm_px == pytest.approx(np.sqrt(before_pixels**2 + 8 * np.log(2) / 12), rel=0.005)


def test_faint_stars_are_measured_without_bias():
    widths = [
        fit_star(star(40.1, 36.4, fwhm=3.5, peak=100.0, seed=seed), 40, 36, radius_px=10, model="gaussian").fwhm_px
        for seed in range(40)
    ]
    assert np.mean(widths) == pytest.approx(3.5, abs=4 * np.std(widths) / np.sqrt(len(widths)))
    assert np.std(widths) < 0.3


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e8])
def test_the_unit_of_the_image_does_not_matter(scale):
    pixels = star(40.3, 35.8, fwhm=3.7, beta=3.0, dtype="f8") * scale
    assert fit_star(pixels, 40, 36, radius_px=15).fwhm_px == pytest.approx(3.7, rel=0.01)


def test_undefined_pixels_are_left_out():
    pixels = star(40.3, 35.8, fwhm=3.7, beta=3.0)
    pixels[36, 40] = np.nan
    pixels[30:33, 44] = np.inf
    assert fit_star(pixels, 40, 36, radius_px=15).fwhm_px == pytest.approx(3.7, rel=0.02)


def test_a_star_at_the_rim_is_measured():
    assert fit_star(star(1.2, 78.6, fwhm=3.0, beta=3.0), 1, 78, radius_px=12).fwhm_px == pytest.approx(3.0, rel=0.02)


@pytest.mark.parametrize(
    "pixels",
    [
        np.random.default_rng(1).normal(SKY, NOISE, (60, 60)),
        np.full((60, 60), 7.0),
        np.full((60, 60), np.nan),
        np.linspace(0, 1e4, 3600).reshape(60, 60),
        np.ones((3, 3)),
    ],
    ids=["noise", "flat", "undefined", "slope", "tiny"],
)
@pytest.mark.parametrize("model", ["moffat", "gaussian"])
def test_where_is_no_star_none_is_measured(pixels, model):
    with pytest.raises(NoStarError):
        fit_star(pixels, pixels.shape[1] / 2, pixels.shape[0] / 2, radius_px=12, model=model)


def test_a_bright_star_beside_the_position_is_not_taken_for_it():
    with pytest.raises(NoStarError):
        fit_star(star(40, 36, fwhm=3.0, peak=40_000), 50, 36, radius_px=12)


def test_light_falls_with_the_distance():
    pixels = star(40.3, 35.8, fwhm=6.0, noise=0.0, dtype="f8")
    profile = radial_profile(pixels, 40.3, 35.8, radius_px=10)
    assert (np.diff(profile.radii_px) >= 0).all()
    assert profile.radii_px[-1] <= 10
    assert len(profile.values) == pytest.approx(np.pi * 100, rel=0.02)
    assert (np.diff(profile.values) <= 1e-9).all()
    expected = SKY + 4000 * np.exp(-4 * np.log(2) * profile.ring_radii_px**2 / 36)
    np.testing.assert_allclose(profile.ring_means, expected, rtol=0.05)
