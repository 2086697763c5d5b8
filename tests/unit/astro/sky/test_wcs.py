import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.wcs import WCS
from reproject.mosaicking import find_optimal_celestial_wcs

from datalab.astro.mosaics.common_wcs import WcsError, common_wcs, moved_origin
from datalab.astro.sky.wcs import (
    between,
    celestial_wcs,
    footprint,
    pixel_scale_arcsec,
    pixel_sides_arcsec,
    position_angle_deg,
)
from datalab.astro.sky.wcs_header import cutout_header, resampled_header, wcs_cards, with_wcs
from datalab.simulation.camera import Camera, Conditions, Pointing
from datalab.simulation.conditions import tangent_wcs

SHAPE = (200, 300)
X, Y = np.array([0.0, 299.0, 120.4, 31.0]), np.array([0.0, 199.0, 55.5, 180.0])


def pointing(angle_deg=0.0, ra_deg=150.0, dec_deg=30.0, scale_arcsec=0.74, shape=SHAPE):
    camera = Camera(rows=shape[0], columns=shape[1], pixel_scale_arcsec=scale_arcsec, position_angle_deg=angle_deg)
    return tangent_wcs(camera, Pointing(ra_deg=ra_deg, dec_deg=dec_deg), Conditions())


def sip_header():
    header = pointing(20.0).to_header()
    header.update({"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP"})
    header.update({"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 3e-6, "A_1_1": -2e-6, "B_0_2": 4e-6, "B_1_1": 1e-6})
    return header


def old_header():
    """Return a header as some sites write it: CDELT and CROTA in FK5, and a pixel region."""
    return fits.Header(
        {
            "NAXIS": 2,
            "NAXIS1": 300,
            "NAXIS2": 200,
            "CTYPE1": "RA---TAN",
            "CTYPE2": "DEC--TAN",
            "CRVAL1": 150.0,
            "CRVAL2": 30.0,
            "CRPIX1": 150.5,
            "CRPIX2": 100.5,
            "CDELT1": -2e-4,
            "CDELT2": 2e-4,
            "CROTA2": 15.0,
            "EQUINOX": 2000.0,
            "RADESYS": "FK5",
            "DATASEC": "[1:300,1:200]",
            "OBJECT": "M 51",
        }
    )


def tpv_header():
    header = pointing(10.0).to_header()
    header.update(
        {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_0": 1e-5, "PV1_1": 1.001, "PV2_1": 0.999, "PV2_5": 1e-5}
    )
    return header


def swapped_header():
    """Return a header whose first axis is the declination."""
    wcs = pointing(25.0)
    header = wcs.to_header()
    for first, second in (("CTYPE1", "CTYPE2"), ("CRVAL1", "CRVAL2"), ("PC1_1", "PC2_1"), ("PC1_2", "PC2_2")):
        header[first], header[second] = header[second], header[first]
    header["CDELT1"], header["CDELT2"] = header["CDELT2"], header["CDELT1"]
    return header


def galactic_header():
    header = old_header()
    header.update({"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"})
    return header


def of_an_exposure(header):
    """Return a header as exposures have it: with everything else that telescopes write, and when it was taken."""
    header = header.copy()
    header.update({"OBJECT": "M 51", "FILTER": "rp", "GAIN": 1.5, "TELESCOP": "0m4a", "AIRMASS": 1.1, "BZERO": 32768})
    header.update({"DATE-OBS": "2026-05-04T22:00:01.417", "MJD-OBS": 61164.9166831829, "TIMESYS": "UTC"})
    header["OBSGEO-X"], header["OBSGEO-Y"], header["OBSGEO-Z"] = -1463969.3, -5166673.2, 3434985.7
    header.add_history("flat-fielded")
    return header


NOTATIONS = {
    "PC": pointing(33.0).to_header(),
    "SIP": sip_header(),
    "CROTA, FK5": old_header(),
    "TPV": tpv_header(),
    "declination first": swapped_header(),
    "galactic": galactic_header(),
}


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
@pytest.mark.parametrize("notation", NOTATIONS)
def test_nothing_a_header_says_about_coordinates_is_left_out(notation):
    header = of_an_exposure(NOTATIONS[notation])
    assert repr(celestial_wcs(header, SHAPE).to_header(relax=True)) == repr(WCS(header).to_header(relax=True))


@pytest.mark.parametrize("notation", NOTATIONS)
def test_the_footprint_is_where_astropy_has_the_outer_corners(notation):
    rows, columns = SHAPE
    corners = footprint(NOTATIONS[notation], SHAPE)
    right, top = columns - 0.5, rows - 0.5
    expected = WCS(NOTATIONS[notation]).pixel_to_world([-0.5, right, right, -0.5], [-0.5, -0.5, top, top]).icrs
    np.testing.assert_allclose(corners, np.transpose([expected.ra.deg, expected.dec.deg]), rtol=0, atol=1e-11)


def test_reading_world_coordinates_changes_nothing_of_the_header():
    header = of_an_exposure(fits.Header({"NAXIS": 3, "NAXIS1": 300, "NAXIS2": 200, "NAXIS3": 1}))
    header.extend(pointing().to_header())
    before = header.tostring()
    assert celestial_wcs(header, SHAPE) is not None
    assert header.tostring() == before


@pytest.mark.parametrize("header", NOTATIONS.values(), ids=NOTATIONS)
def test_every_usual_notation_is_read_as_astropy_reads_it(header):
    wcs = celestial_wcs(header, SHAPE)
    expected = WCS(header)
    assert wcs.array_shape == SHAPE
    assert wcs.pixel_to_world(X, Y).separation(expected.pixel_to_world(X, Y)).max() < 1e-9 * units.deg


@pytest.mark.parametrize(
    "damage",
    [
        {"CTYPE1": "LINEAR", "CTYPE2": "LINEAR"},
        {"CTYPE1": "RA---XYZ", "CTYPE2": "DEC--XYZ"},
        {"CD1_1": 0.0, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 0.0},
        {"CD1_1": "much"},
        {"CRVAL1": "10:00:00"},
        {"WCSAXES": 10**6},
        {"A_ORDER": 10**6},
        {"CRVAL2": 1e300},
    ],
)
def test_damaged_world_coordinates_are_none_without_any_warning(damage):
    header = fits.Header([(card.keyword, card.value) for card in wcs_cards(pointing())])
    assert celestial_wcs(header, SHAPE) is not None
    header.update(damage)
    assert celestial_wcs(header, SHAPE) is None
    assert celestial_wcs(fits.Header(), SHAPE) is None


@pytest.mark.parametrize("angle_deg", [0.0, 45.0, 181.0, 300.0])
def test_scale_and_position_angle(angle_deg):
    wcs = pointing(angle_deg, dec_deg=-60.0)
    assert pixel_scale_arcsec(wcs) == pytest.approx(0.74)
    assert position_angle_deg(wcs, SHAPE) == pytest.approx(angle_deg, abs=1e-3)


@pytest.mark.parametrize(
    "wcs", [pointing(33.0), WCS(sip_header()), celestial_wcs(old_header(), SHAPE)], ids=["TAN", "SIP", "CROTA"]
)
def test_what_is_written_into_a_header_with_another_wcs_is_read_back(wcs):
    header = old_header()
    header.update({"PC1_1": 0.5, "A_ORDER": 2, "A_2_0": 1.0, "CD1_1A": 1.0, "CTYPE1A": "LINEAR", "WCSNAMEA": "other"})
    written = with_wcs(header, wcs, (150, 250))
    assert {"CDELT1", "CROTA2", "PC1_1", "CD1_1A", "CTYPE1A", "DATASEC"}.isdisjoint(written)  # nothing old is mixed in
    assert (written["NAXIS1"], written["NAXIS2"], written["OBJECT"]) == (250, 150, "M 51")
    separation = celestial_wcs(written, (150, 250)).pixel_to_world(X, Y).separation(wcs.pixel_to_world(X, Y))
    assert separation.max() < 1e-6 * units.arcsec


@pytest.mark.parametrize("header", [sip_header(), old_header()])
def test_a_cutout_shows_the_same_sky(header):
    cut = cutout_header(header, x_start=20, y_start=30, shape=(100, 120))
    x, y = np.array([0.0, 119.0, 60.2]), np.array([0.0, 99.0, 11.1])
    expected = WCS(header).pixel_to_world(x + 20, y + 30)
    assert celestial_wcs(cut, (100, 120)).pixel_to_world(x, y).separation(expected).max() < 1e-9 * units.deg
    assert (cut["NAXIS1"], cut["NAXIS2"]) == (120, 100)
    assert "DATASEC" not in cut
    moved = moved_origin(WCS(header), x_start=20, y_start=30, shape=(100, 120))
    assert moved.pixel_to_world(x, y).separation(expected).max() < 1e-9 * units.deg


def test_a_cutout_of_a_header_without_world_coordinates_keeps_the_rest():
    header = fits.Header({"NAXIS": 2, "NAXIS1": 300, "NAXIS2": 200, "OBJECT": "dark", "CRPIX1": "nowhere"})
    cut = cutout_header(header, x_start=20, y_start=30, shape=(10, 12))
    assert (cut["OBJECT"], cut["CRPIX1"], cut["NAXIS1"]) == ("dark", "nowhere", 12)


def test_the_way_to_the_pixels_of_the_detector_stays_true_or_goes():
    """A pixel of the image is LTM times that of the detector, plus LTV; XORGSUBF counts pixels of the detector."""
    cards = {"LTV1": -50.0, "LTV2": 3, "LTM1_1": 1.0, "LTM2_2": 1.0, "XORGSUBF": 50, "YORGSUBF": "unknown"}
    header = sip_header()
    header.update(cards)
    cut = cutout_header(header, x_start=20, y_start=30, shape=(10, 12))
    assert {name: cut[name] for name in cards} == cards | {"LTV1": -70.0, "LTV2": -27, "XORGSUBF": 70}
    assert cards.keys() <= set(with_wcs(header, pointing(10.0), SHAPE))  # the same pixels, solved
    assert cards.keys().isdisjoint(set(resampled_header(header, pointing(10.0), SHAPE)))


def test_a_pixel_has_a_width_and_a_height():
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 20.0})
    header.update({"CD1_1": 0.0, "CD1_2": 1 / 3600, "CD2_1": 2 / 3600, "CD2_2": 0.0})  # turned by a right angle
    assert pixel_sides_arcsec(WCS(header)) == pytest.approx((2.0, 1.0))


def test_between_leads_to_the_pixel_that_shows_the_same_place():
    target, source = pointing(10.0), celestial_wcs(old_header(), SHAPE)  # ICRS and FK5
    x, y = between(target, source)(X, Y)
    np.testing.assert_allclose(
        source.pixel_to_world(x, y).icrs.separation(target.pixel_to_world(X, Y)).arcsec, 0, atol=1e-5
    )
    x, y = between(target, pointing(ra_deg=330.0, dec_deg=-30.0))(X, Y)  # the other side of the sky
    assert np.isnan(x).all()
    assert np.isnan(y).all()


@pytest.mark.parametrize(
    "wcses",
    [
        [pointing(ra_deg=150.0), pointing(ra_deg=150.02, dec_deg=30.01)],
        [pointing(33.0, scale_arcsec=0.5), pointing(190.0, ra_deg=150.03), pointing(270.0, dec_deg=30.02)],
        [pointing(ra_deg=0.005, dec_deg=85.0), pointing(45.0, ra_deg=359.99, dec_deg=85.01)],
    ],
)
def test_the_common_grid_is_as_large_and_as_fine_as_that_of_reproject(wcses):
    wcs, shape = common_wcs(wcses, [SHAPE] * len(wcses))
    expected, expected_shape = find_optimal_celestial_wcs([(SHAPE, wcs) for wcs in wcses])
    np.testing.assert_allclose(shape, expected_shape, atol=2)  # their tangent point is that of reference pixels
    assert pixel_scale_arcsec(wcs) == pytest.approx(pixel_scale_arcsec(expected), rel=1e-9)
    rows, columns = shape
    assert (
        wcs.pixel_to_world(columns / 2, rows / 2).separation(
            expected.pixel_to_world(expected_shape[1] / 2, expected_shape[0] / 2)
        )
        < 2 * units.arcsec
    )
    for image in wcses:  # every outer corner is inside
        x, y = between(image, wcs)(np.array([-0.5, 299.5, 299.5, -0.5]), np.array([-0.5, -0.5, 199.5, 199.5]))
        assert min(x.min(), y.min()) > -0.51
        assert x.max() < columns - 0.49
        assert y.max() < rows - 0.49


def test_a_turned_common_grid_of_equal_images_is_the_image():
    image = pointing(33.0)
    wcs, shape = common_wcs([image, image], [SHAPE, SHAPE], rotation_deg=33.0)
    assert shape == SHAPE
    np.testing.assert_allclose(between(image, wcs)(X, Y), [X, Y], atol=1e-3)


def test_images_on_opposite_sides_of_the_sky_have_no_common_grid():
    with pytest.raises(WcsError, match="too far apart"):
        common_wcs([pointing(), pointing(ra_deg=330.0, dec_deg=-30.0)], [SHAPE, SHAPE])
