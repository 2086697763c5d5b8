import numpy as np
import pytest

from datalab.simulation.psf import Moffat


def drawn(psf, x, y, flux=1e6, size=301):
    image = np.zeros((size, size))
    psf.add_sources(image, np.array([x]), np.array([y]), np.array([flux]))
    return image


@pytest.mark.parametrize("fwhm_px", [1.8, 2.7, 5.0, 9.0])
@pytest.mark.parametrize(("x", "y"), [(150.0, 150.0), (150.31, 149.77), (150.5, 149.5)])
def test_all_the_light_arrives(fwhm_px, x, y):
    assert drawn(Moffat(fwhm_px), x, y).sum() == pytest.approx(1e6, rel=1e-3)


@pytest.mark.parametrize("fwhm_px", [1.8, 2.7, 5.0])
def test_pixels_hold_the_integral_of_the_profile(fwhm_px):
    """Against 40 x 40 midpoints in each pixel, to a thousandth of the peak."""
    psf = Moffat(fwhm_px)
    image = drawn(psf, 150.31, 149.77)
    offsets = (np.arange(40) + 0.5) / 40.0 - 0.5
    fine = (np.arange(140, 161)[:, None] + offsets).ravel()
    brightness = psf.surface_brightness((fine - 150.31)[None, :], (fine - 149.77)[:, None])
    expected = 1e6 * brightness.reshape(21, 40, 21, 40).mean(axis=(1, 3))
    assert np.abs(image[140:161, 140:161] - expected).max() < 1e-3 * expected.max()


def test_light_within_a_circle_is_the_analytic_share():
    psf = Moffat(6.0)
    image = drawn(psf, 150.0, 150.0)
    y, x = np.indices(image.shape)
    within = image[np.hypot(x - 150.0, y - 150.0) <= 15.0].sum() / 1e6
    assert within == pytest.approx(psf.enclosed_fraction(15.0), abs=1e-3)
    assert psf.enclosed_fraction(psf.radius_enclosing(0.5)) == pytest.approx(0.5)


def test_half_of_the_peak_at_half_of_the_width():
    psf = Moffat(4.2, beta=2.5)
    centre, half = psf.surface_brightness(np.array([0.0, 2.1]), np.zeros(2))
    assert half == pytest.approx(centre / 2.0)


def test_stamps_end_without_a_visible_rim():
    image = drawn(Moffat(2.7), 150.0, 150.0, flux=1e8, size=401)
    drawn_pixels = image[image > 0.0]
    assert drawn_pixels.min() < 0.5


def test_sources_beyond_the_edge_leave_only_their_inner_wings():
    image = np.zeros((40, 50))
    psf = Moffat(4.0)
    psf.add_sources(image, np.array([-3.0, 52.0, 20.0, 1e4]), np.array([10.0, 41.0, 45.0, 1e4]), np.full(4, 1e5))
    assert image[10, 0] == pytest.approx(1e5 * psf.surface_brightness(np.array(3.0), np.array(0.0)), rel=0.05)
    assert 0.0 < image.sum() < 1e5
