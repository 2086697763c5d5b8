import numpy as np
import pytest
from astropy.wcs import WCS

from datalab.astro.sky.tangent_fit import PlaneError, fit_tangent_wcs, from_plane, to_plane


def tan_wcs(ra_deg, dec_deg):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ra_deg, dec_deg]
    wcs.wcs.crpix = [120.0, -30.0]
    wcs.wcs.cd = np.array([[-2.1e-4, 3e-5], [2.9e-5, 2.05e-4]])
    wcs.wcs.set()
    return wcs


@pytest.mark.parametrize(("ra_deg", "dec_deg"), [(10.0, 20.0), (359.999, -60.0), (123.0, 89.98), (0.001, -89.9)])
def test_a_known_wcs_is_found_again(ra_deg, dec_deg):
    true = tan_wcs(ra_deg, dec_deg)
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, 800, 30), rng.uniform(0, 600, 30)
    found = fit_tangent_wcs(x, y, *true.all_pix2world(x, y, 0), (600, 800))
    assert list(found.wcs.crpix) == [400.5, 300.5]
    assert found.array_shape == (600, 800)
    corners = np.array([[0, 0], [799, 0], [0, 599], [799, 599]], float)
    expected, fitted = (wcs.pixel_to_world(*corners.T) for wcs in (true, found))
    # With another tangent point, 0.1 degrees off, a plane is no longer quite linear: (0.1 degrees)^3 is 0.001".
    assert expected.separation(fitted).arcsec.max() < 0.002


@pytest.mark.parametrize("dec_deg", [0.0, 45.0, 89.999])
def test_the_plane_is_that_of_wcslib(dec_deg):
    true = WCS(naxis=2)
    true.wcs.ctype, true.wcs.crval, true.wcs.crpix = ["RA---TAN", "DEC--TAN"], [200.0, dec_deg], [1.0, 1.0]
    true.wcs.set()
    east, north = np.array([0.3, -1.2, 0.0]), np.array([-0.7, 0.4, 2.0])
    ra, dec = from_plane(east, north, (200.0, dec_deg))
    expected = true.wcs_pix2world(np.column_stack([east, north]), 0)
    np.testing.assert_allclose((ra - expected[:, 0] + 180) % 360 - 180, 0, atol=1e-9)
    np.testing.assert_allclose(dec, expected[:, 1], atol=1e-9)
    np.testing.assert_allclose(to_plane(ra, dec, (200.0, dec_deg)), [east, north], atol=1e-9)


def test_the_far_side_of_the_sky_has_no_place_on_the_plane():
    assert np.isnan(to_plane(np.array([180.0]), np.array([0.0]), (0.0, 0.0))).all()


@pytest.mark.parametrize(
    ("x", "ra_deg", "said"),
    [
        ([0.0, 1.0], [10.0, 10.1], "three places"),
        ([0.0, 1.0, 2.0], [10.0, 10.1, 10.2], "not in line"),
        ([0.0, 1.0, 5.0], [0.0, 5.0, 170.0], "too far apart"),
    ],
)
def test_places_that_fix_nothing_are_refused(x, ra_deg, said):
    y = np.array([0.0, 1.0, 1.0])[: len(x)] if "far" in said else np.zeros(len(x))
    with pytest.raises(PlaneError, match=said):
        fit_tangent_wcs(np.array(x), y, np.array(ra_deg), np.zeros(len(x)), (10, 10))
