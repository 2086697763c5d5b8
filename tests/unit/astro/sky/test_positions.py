import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from datalab.astro.sky.distortion import departure_px
from datalab.astro.sky.positions import NotLinearError, linear_wcs, sky_line, sky_positions
from datalab.astro.sky.wcs import celestial_wcs

SCALE = 0.5 / 3600
POINTING = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 359.999,
    "CRVAL2": 12.5,
    "CRPIX1": 51.0,
    "CRPIX2": 31.0,
}
ANGLE = np.radians(30)
CD = {
    "CD1_1": -SCALE * np.cos(ANGLE),
    "CD1_2": SCALE * np.sin(ANGLE),
    "CD2_1": SCALE * np.sin(ANGLE),
    "CD2_2": SCALE * np.cos(ANGLE),
}
CD = {name: float(f"{value:.12g}") for name, value in CD.items()}  # as many digits as a card holds
SAME_SKY = {
    "CD": CD,
    "PC": {"CDELT1": SCALE, "CDELT2": SCALE} | {name.replace("CD", "PC"): value / SCALE for name, value in CD.items()},
    "CROTA": {"CDELT1": -SCALE, "CDELT2": SCALE, "CROTA2": -30.0},
}


def wcs_of(**cards):
    return celestial_wcs(fits.Header(POINTING | cards), (60, 100))


@pytest.mark.parametrize("way", SAME_SKY)
def test_every_way_to_write_the_matrix_becomes_cd(way):
    linear = linear_wcs(wcs_of(**SAME_SKY[way]))
    assert linear.crval == (359.999, 12.5)
    assert linear.crpix == (51.0, 31.0)
    np.testing.assert_allclose([linear.cd1, linear.cd2], [[CD["CD1_1"], CD["CD1_2"]], [CD["CD2_1"], CD["CD2_2"]]])


def test_the_numbers_of_a_cd_header_stay_as_they_are():
    linear = linear_wcs(wcs_of(**CD))
    assert (*linear.cd1, *linear.cd2) == tuple(CD.values())


def test_axes_that_are_not_equatorial_are_refused():
    with pytest.raises(NotLinearError, match="GLON"):
        linear_wcs(wcs_of(**CD, CTYPE1="GLON-TAN", CTYPE2="GLAT-TAN"))


def test_positions_are_those_of_astropy_across_zero_hours():
    columns, rows = np.array([0.0, 50.0, 99.0]), np.array([0.0, 30.0, 59.0])
    ra, dec = sky_positions(wcs_of(**CD), columns, rows)
    expected = WCS(fits.Header(POINTING | CD)).wcs_pix2world(columns, rows, 0)
    np.testing.assert_allclose(ra, expected[0])
    np.testing.assert_allclose(dec, expected[1])
    assert ra.min() < 1
    assert ra.max() > 359


def test_a_line_has_the_length_and_direction_it_has_on_the_sky():
    line = sky_line(wcs_of(**CD), (50, 30), (50, 50))
    assert line.length_arcsec == pytest.approx(20 * 0.5, rel=1e-6)
    # Rows grow towards (sin 30, cos 30): 30 degrees from north towards east.
    assert line.position_angle_deg == pytest.approx(30, abs=0.01)
    assert line.start == pytest.approx((359.999, 12.5))


def test_a_line_that_leaves_the_sky_has_no_coordinates():
    all_sky = {"CD1_1": -5.0, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 5.0, "CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN"}
    wcs = WCS(fits.Header(POINTING | all_sky))
    assert sky_line(wcs, (50, 30), (0, 0)) is None


@pytest.mark.parametrize("cards", [{}, {"RADESYS": "ICRS"}, {"RADESYS": "FK5", "EQUINOX": 2000.0}, {"EQUINOX": 1950.0}])
@pytest.mark.parametrize("axes", ["RA DEC", "DEC RA", "GLON GLAT"])
def test_positions_are_those_of_astropy_for_every_frame(cards, axes):
    """Without RADESYS and EQUINOX they are ICRS (FITS 4.0, table 26)."""
    first, second = axes.split()
    header = {"CTYPE1": f"{first:-<4}-TAN", "CTYPE2": f"{second:-<4}-TAN", "CRVAL1": 0.01, "CRVAL2": 20.0}
    wcs = WCS(fits.Header({**header, "CRPIX1": 50.0, "CRPIX2": 40.0, "CDELT1": -1e-3, "CDELT2": 1e-3, **cards}))
    x = np.array([[0.0, 99.0], [30.0, 49.0]])
    expected = wcs.pixel_to_world(x, x).icrs
    ra, dec = sky_positions(wcs, x, x)
    np.testing.assert_allclose(ra, expected.ra.deg % 360.0, rtol=0, atol=1e-11)
    np.testing.assert_allclose(dec, expected.dec.deg, rtol=0, atol=1e-11)


def test_the_length_and_direction_of_a_line_are_those_of_astropy():
    wcs = WCS(
        fits.Header(
            {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 0.01, "CRVAL2": 89.9, "CD1_1": 1e-3, "CD2_2": 1e-3}
        )
    )
    for end in ((3.0, 4.0), (-20.0, 300.0), (1.0, 2.0)):
        line = sky_line(wcs, (1.0, 2.0), end)
        start, there = (SkyCoord(*place, unit="deg") for place in (line.start, line.end))
        assert line.length_arcsec == pytest.approx(start.separation(there).arcsec, abs=1e-9)
        assert line.position_angle_deg == pytest.approx(start.position_angle(there).deg, abs=1e-9)


def test_the_linear_part_is_that_of_the_icrs():
    """Viewers draw it over catalogues: B1950 is half a degree off, and turned."""
    wcs = wcs_of(**CD, RADESYS="FK4", EQUINOX=1950.0)
    linear = linear_wcs(wcs)
    shown = WCS(naxis=2)
    shown.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    shown.wcs.crval, shown.wcs.crpix, shown.wcs.cd = linear.crval, linear.crpix, [linear.cd1, linear.cd2]
    x, y = [0.0, 99.0, 50.0], [0.0, 59.0, 30.0]
    assert shown.pixel_to_world(x, y).separation(wcs.pixel_to_world(x, y).icrs).arcsec.max() < 0.01


def test_no_place_has_no_position():
    assert [angles.size for angles in sky_positions(wcs_of(**CD), [], [])] == [0, 0]


def test_how_far_positions_are_from_the_linear_part():
    straight = wcs_of(**CD)
    assert departure_px(straight, linear_wcs(straight), (60, 100)) == pytest.approx(0, abs=1e-6)
    bent = wcs_of(**CD, CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", A_ORDER=2, B_ORDER=2, A_2_0=1e-4, B_2_0=0.0)
    assert departure_px(bent, linear_wcs(bent), (60, 100)) == pytest.approx(1e-4 * 50**2, rel=0.01)
