"""World coordinates as programs write them: right, or left out, and told either way."""

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import FK4, FK5, SkyCoord
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from numpy.polynomial import chebyshev, legendre

from datalab.astro.sky.tangent_fit import from_plane
from datalab.astro.sky.wcs import celestial_wcs, pixel_scale_arcsec, read_wcs
from datalab.astro.sky.wcs_header import cutout_header, with_wcs

SHAPE = (200, 300)
X, Y = np.array([0.0, 299.0, 120.4, 31.0]), np.array([0.0, 199.0, 55.5, 180.0])
SCALE_DEG = 2e-4
ROTATION = np.radians(30.0)
CD = SCALE_DEG * np.array([[-np.cos(ROTATION), np.sin(ROTATION)], [np.sin(ROTATION), np.cos(ROTATION)]])
NO_MATRIX = dict.fromkeys(["CD1_1", "CD1_2", "CD2_1", "CD2_2"])
#: The same rotation as CDELT with CROTA.
BY_ANGLE = NO_MATRIX | {"CDELT1": -SCALE_DEG, "CDELT2": SCALE_DEG, "CROTA2": -30.0}
PC = {f"PC{i + 1}_{j + 1}": CD[i, j] / (-SCALE_DEG if i == 0 else SCALE_DEG) for i in (0, 1) for j in (0, 1)}
SCAMP_1 = {"PV1_0": 0.0, "PV1_1": 1.0, "PV1_2": 0.0, "PV2_0": 0.0, "PV2_1": 1.0, "PV2_2": 0.0}
SIP = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 3e-5, "B_1_1": -2e-5}
SUFFIXED = {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP"}
TPV = {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV"}


def header(**changes):
    """Return a solved header with some cards changed, or left out where None."""
    cards = {
        "NAXIS": 2,
        "NAXIS1": 300,
        "NAXIS2": 200,
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": 150.0,
        "CRVAL2": 30.0,
        "CRPIX1": 100.5,
        "CRPIX2": 80.5,
        "CD1_1": CD[0, 0],
        "CD1_2": CD[0, 1],
        "CD2_1": CD[1, 0],
        "CD2_2": CD[1, 1],
    }
    return fits.Header({keyword: value for keyword, value in (cards | changes).items() if value is not None})


def plane(x=X, y=Y):
    """Return intermediate world coordinates, degrees, of pixels (paper I, equation 3)."""
    return CD @ [x - 99.5, y - 79.5]


def sky(xi, eta):
    return SkyCoord(*from_plane(xi, eta, (150.0, 30.0)), unit="deg")


TRUE = sky(*plane())


def sip_sky():
    u, v = X - 99.5, Y - 79.5
    return sky(*(CD @ [u + 3e-5 * u**2, v - 2e-5 * u * v]))


#: Cards changed, where the pixels are, and what is noted: SCAMP's PV means TPV, and so on.
READ = {
    "plain": ({}, TRUE, None),
    "SCAMP, degree 1": (SCAMP_1, TRUE, "TAN with the PV of SCAMP was read as TPV"),
    "SCAMP, longitude only": ({"PV1_0": 0.0, "PV1_1": 1.0}, TRUE, "read as TPV"),
    "PV of paper II": ({"PV1_1": 0.0, "PV1_2": 90.0}, TRUE, None),
    "TPV without its linear terms": (TPV | {"PV1_4": 0.0}, TRUE, None),
    "TPV, not SIP too": (TPV | SCAMP_1 | SIP, TRUE, "SIP was not used beside TPV"),
    "SIP": (SUFFIXED | SIP, sip_sky(), None),
    "SIP without its suffix": (SIP, sip_sky(), "CTYPE1: SIP coefficients without -SIP, they were used"),
    "SIP on one axis": ({"CTYPE1": "RA---TAN-SIP"} | SIP, sip_sky(), "CTYPE2: 'DEC--TAN' was read as DEC--TAN-SIP"),
    "SIP with a double suffix dash": (
        {"CTYPE1": "RA---TAN--SIP", "CTYPE2": "DEC--TAN--SIP"} | SIP,
        sip_sky(),
        "was read as RA---TAN-SIP",
    ),
    "SIP beside SCAMP": (SUFFIXED | SIP | SCAMP_1, sip_sky(), "PV1_0: not used beside SIP"),
    "SIP, orders as text": (SUFFIXED | SIP | {"A_ORDER": "2", "B_ORDER": 2.0}, sip_sky(), "A_ORDER: text, read as"),
    "SIP, order missing": (SUFFIXED | SIP | {"A_ORDER": None}, sip_sky(), "A_ORDER: is missing or too small, 2"),
    "SIP, half an inverse": (SUFFIXED | SIP | {"AP_ORDER": 2, "AP_2_0": 1.0}, sip_sky(), None),
    "named SIP without coefficients": (SUFFIXED, TRUE, None),
    "numbers as text": ({"CRPIX1": "100.5", "CD1_2": "1.0D-4"}, TRUE, "CRPIX1, CD1_2: text, read as numbers"),
    "decimal commas": ({"CRPIX1": "100,5", "CRVAL1": "150,0"}, TRUE, "CRVAL1, CRPIX1: text, read as numbers"),
    "lower case": ({"CTYPE1": "ra---tan", "CTYPE2": "dec--tan"}, TRUE, "'ra---tan' was read as RA---TAN"),
    "too few dashes": ({"CTYPE1": "RA--TAN", "CTYPE2": "DEC-TAN"}, TRUE, "'DEC-TAN' was read as DEC--TAN"),
    "arcsec": (
        {"CUNIT1": "arcsec", "CUNIT2": "arcsec", "CRVAL1": 540_000.0, "CRVAL2": 108_000.0}
        | {f"CD{i + 1}_{j + 1}": 3600 * CD[i, j] for i in (0, 1) for j in (0, 1)},
        TRUE,
        "CUNIT1: 'arcsec', converted to degrees",
    ),
    "degrees by another name": ({"CUNIT1": "degrees", "CUNIT2": "DEG"}, TRUE, None),
    "CROTA2": (BY_ANGLE, TRUE, None),
    "CROTA1 for CROTA2": (BY_ANGLE | {"CROTA2": None, "CROTA1": -30.0}, TRUE, "CROTA1: stands for the missing CROTA2"),
    "CROTA1 and CROTA2": (BY_ANGLE | {"CROTA1": 330.0}, TRUE, None),
    "CROTA1 against CROTA2": (BY_ANGLE | {"CROTA1": 12.0}, TRUE, "CROTA1: 12 is not CROTA2, which was taken"),
    "CD and CDELT with CROTA": ({"CDELT1": -1.0, "CDELT2": 1.0, "CROTA2": 7.0}, TRUE, None),
    "CD and another PC": (
        {"PC1_1": 1.0, "PC2_2": 1.0, "CDELT1": -1.0, "CDELT2": 1.0},
        TRUE,
        "PC1_1: does not say the same as CD1_1, which was taken",
    ),
    "CD of zeros beside CDELT": (
        BY_ANGLE | {"CD1_1": 0.0, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 0.0},
        TRUE,
        "CD1_1: the CD matrix has no inverse, CDELT was taken",
    ),
    "the matrix of 1990": (
        NO_MATRIX | {f"CD00{i + 1}00{j + 1}": CD[i, j] for i in (0, 1) for j in (0, 1)},
        TRUE,
        None,
    ),
    "a damaged second set": ({"CTYPE1A": "RA---XXX", "CRPIX1A": "x", "CD1_1A": "?", "RADESYSA": "?"}, TRUE, None),
    "LONPOLE as text": ({"LONPOLE": "180.0", "LATPOLE": "N/A"}, TRUE, "LONPOLE: text, read as numbers"),
    "RADESYS of a program": ({"RADESYS": "J2000"}, SkyCoord(TRUE.ra, TRUE.dec, frame=FK5), "'J2000' was read as FK5"),
    "RADESYS with its equinox": (
        {"RADESYS": "MOUNT", "EQUINOX": 2023.4},
        SkyCoord(TRUE.ra, TRUE.dec, frame=FK5(equinox=Time(2023.4, format="jyear"))),
        "RADESYS: 'MOUNT' was read as FK5 of 2023.4",
    ),
    "RADESYS of 1950": (
        {"RADECSYS": "B1950"},
        SkyCoord(TRUE.ra, TRUE.dec, frame=FK4(equinox="B1950")),
        "RADECSYS: 'B1950' was read as FK4 of 1950",
    ),
    "RADESYS in lower case": ({"RADESYS": "icrs"}, TRUE, None),
    "RADESYS of Gaia": ({"RADESYS": "GAIA-CRF3"}, TRUE, "was read as ICRS"),
    "RADESYS of the day": (
        {"RADESYS": "JNOW", "DATE-OBS": "2026-01-01T12:00:00"},
        SkyCoord(TRUE.ra, TRUE.dec, frame=FK5(equinox=Time(2026.0, format="jyear"))),
        "RADESYS: 'JNOW' was read as FK5 of 2026",
    ),
    "EQUINOX as a word": (
        {"EQUINOX": "J2000.0"},
        SkyCoord(TRUE.ra, TRUE.dec, frame=FK5),
        "EQUINOX: 'J2000.0' was read as 2000",
    ),
    "EQUINOX of Bessel": (
        {"EQUINOX": "B1950"},
        SkyCoord(TRUE.ra, TRUE.dec, frame=FK4(equinox="B1950")),
        "EQUINOX: 'B1950' was read as 1950",
    ),
    "EQUINOX of the day": (
        {"EQUINOX": "JNOW", "DATE-OBS": "2026-01-01T12:00:00"},
        SkyCoord(TRUE.ra, TRUE.dec, frame=FK5(equinox=Time(2026.0, format="jyear"))),
        "EQUINOX: 'JNOW' was read as 2026.00",
    ),
    "no year": ({"EQUINOX": 0.0}, TRUE, "EQUINOX: 0.0 is no year and was not used"),
    "EPOCH": (
        {"EPOCH": 2016.4},
        SkyCoord(TRUE.ra, TRUE.dec, frame=FK5(equinox=Time(2016.4, format="jyear"))),
        "EPOCH: 2016.4 was read as the equinox",
    ),
    "an equinox of the ICRS": (
        {"RADESYS": "ICRS", "EQUINOX": 1950.0},
        TRUE,
        "EQUINOX: 1950 does not go with ICRS and was not used",
    ),
    "nominal, of LCO": ({"WCSERR": 4}, TRUE, "WCSERR: 4, the world coordinates are nominal, not solved"),
    "nominal, of NINA": ({"PLTSOLVD": False}, TRUE, "PLTSOLVD: F, the world coordinates are nominal"),
    "another binning": ({"PIXSCALE": 1.44}, TRUE, "PIXSCALE: 1.44 arcsec are not the 0.72 of the world coordinates"),
    "another binning, by the optics": (
        {"XPIXSZ": 7.52, "FOCALLEN": 1077.0, "XBINNING": 2},
        TRUE,
        "FOCALLEN: with XPIXSZ it makes pixels 2 times those of the world coordinates",
    ),
    "unbinned pixels by the optics": ({"XPIXSZ": 3.76, "FOCALLEN": 2154.0, "XBINNING": 2}, TRUE, None),
    "a reducer": ({"XPIXSZ": 3.76, "FOCALLEN": 1500.0}, TRUE, None),
    "CD and another CDELT": (
        {"CDELT1": -2 * SCALE_DEG, "CDELT2": 2 * SCALE_DEG},
        TRUE,
        "CDELT1: 2 times the scale of CD1_1, which was taken",
    ),
    "PC and CROTA": (
        BY_ANGLE
        | {"CROTA2": 12.0}
        | {f"PC{i + 1}_{j + 1}": CD[i, j] / SCALE_DEG * (-1) ** (i == 0) for i in (0, 1) for j in (0, 1)},
        TRUE,
        "CROTA2: does not go with PC1_1, which was taken",
    ),
    "the rest of a cube": (
        TPV | {"WCSAXES": 3, "CTYPE3": "FREQ", "CRVAL3": 1e9, "CDELT3": 1e6, "CD3_3": 1e6, "CUNIT3": "Hz"},
        TRUE,
        None,
    ),
    "LONGPOLE": ({"LONGPOLE": 180.0}, TRUE, None),
    "LONGPOLE of another value": (
        {"LONGPOLE": 0.0},
        sky(*-plane()),
        None,
    ),
    "the same binning": ({"SECPIX": 0.75}, TRUE, None),
    "no reference pixel": (
        {"CRPIX1": None, "CRPIX2": None},
        sky(*(CD @ [X + 1, Y + 1])),
        "CRPIX1, CRPIX2: are missing, 0 was taken",
    ),
}

#: What may mean two things is left out, and told.
LEFT_OUT = {
    "CDELT1 only": (NO_MATRIX | {"CDELT1": -SCALE_DEG}, "CDELT2: is missing, the world coordinates were left out"),
    "CDELT2 only": (NO_MATRIX | {"CDELT2": SCALE_DEG}, "CDELT1: is missing"),
    "CDELT of zero": (NO_MATRIX | {"CDELT1": -SCALE_DEG, "CDELT2": 0.0}, "CDELT1: pixels without a size"),
    "half a CD": ({"CD2_1": None, "CD2_2": None}, "CD1_1: the CD matrix has no inverse"),
    "no number": ({"CRPIX1": "middle"}, "CRPIX1: 'middle' is not a number"),
    "one reference pixel": ({"CRPIX2": None}, "CRPIX2: is missing"),
    "hours or degrees": ({"CRVAL1": "10:00:00"}, "CRVAL1: '10:00:00' is not a number"),
    "a logical": ({"CRPIX1": True}, "CRPIX1: has no readable number"),
    "no projection": ({"CTYPE1": "RA", "CTYPE2": "DEC"}, "CTYPE1: 'RA' names no projection"),
    "two projections": ({"CTYPE2": "DEC--SIN"}, "CTYPE1: 'RA---TAN' does not go with 'DEC--SIN'"),
    "an unknown projection": (
        {"CTYPE1": "RA---XYZ", "CTYPE2": "DEC--XYZ"},
        "CTYPE1: the world coordinates do not hold",
    ),
    "no angle": ({"CUNIT1": "pixel"}, "CUNIT1: 'pixel' is no angle"),
    "apparent places": ({"RADESYS": "GAPPT"}, "RADESYS: 'GAPPT' are no catalogue positions"),
    "an unknown day": ({"EQUINOX": "JNOW"}, "EQUINOX: means the day of the exposure, which is not known"),
    "half a SIP": (SUFFIXED | {"A_ORDER": 2, "A_2_0": 1e-5}, "B_ORDER: is missing beside A_ORDER"),
    "too high a SIP": (SUFFIXED | SIP | {"A_ORDER": 12}, "A_ORDER: 12 is no order of a SIP polynomial"),
    "distortion tables": ({"CPDIS1": "LOOKUP"}, "CPDIS1: distortions in tables beside the image are not read"),
    "beyond the pole": ({"CRVAL2": 120.0}, "CRVAL2: 120 is beyond the pole"),
    "one place": ({"CRVAL2": None}, "CRVAL2: is missing"),
    "no size": (NO_MATRIX | {"CD1_1": 0.0, "CD2_2": 0.0}, "CD1_1: pixels without a size"),
    "one axis on the sky": ({"CTYPE2": "LINEAR"}, "CTYPE1: 'RA---TAN' is alone"),
    "endless axes": ({"WCSAXES": 10**6}, "WCSAXES: 1000000 is no number of axes"),
    "a distortion that folds": (SUFFIXED | SIP | {"A_2_0": 0.1}, "A_ORDER: the world coordinates do not hold"),
    "a degree per pixel": (NO_MATRIX | {"PC1_1": 20.0, "PC2_2": 20.0}, "CDELT1: pixels of 20 degrees are no camera's"),
}


@pytest.mark.parametrize("name", READ)
def test_what_a_program_means_is_read(name):
    changes, where, note = READ[name]
    reading = read_wcs(header(**changes), SHAPE)
    found = reading.wcs.pixel_to_world(X, Y).icrs
    assert found.separation(where.icrs).max() < 1e-4 * units.arcsec
    notes = "; ".join(reading.notes)
    assert notes == "" if note is None else note in notes
    x, y = reading.wcs.world_to_pixel(where)
    np.testing.assert_allclose([x, y], [X, Y], atol=2e-3)


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_may_mean_two_things_is_left_out(name):
    changes, note = LEFT_OUT[name]
    reading = read_wcs(header(**changes), SHAPE)
    assert reading.wcs is None
    assert note in "; ".join(reading.notes)


@pytest.mark.parametrize("name", READ)
def test_a_part_of_it_shows_the_same_sky(name):
    """A card that was read although it is odd is moved like any other."""
    changes, where, _ = READ[name]
    cut = cutout_header(header(**changes), x_start=20, y_start=30, shape=(170, 280))
    found = celestial_wcs(cut, (170, 280)).pixel_to_world(X - 20, Y - 30)
    assert found.icrs.separation(where.icrs).max() < 1e-4 * units.arcsec


@pytest.mark.parametrize("name", READ)
def test_what_is_written_for_it_is_read_back(name):
    """Operations that put an image on another's grid write its world coordinates anew."""
    changes, where, _ = READ[name]
    wcs = celestial_wcs(header(**changes), SHAPE)
    reading = read_wcs(with_wcs(fits.Header(), wcs, SHAPE), SHAPE)
    assert reading.wcs.pixel_to_world(X, Y).icrs.separation(where.icrs).max() < 1e-4 * units.arcsec
    assert reading.notes == ()


def test_a_header_that_only_says_where_the_telescope_points_has_nothing_to_note():
    for changes in ({"CTYPE1": None, "CTYPE2": None}, NO_MATRIX, {"CRVAL1": None, "CRVAL2": None}):
        reading = read_wcs(header(**changes), SHAPE)
        assert (reading.wcs, reading.notes) == (None, ())


def test_of_two_solutions_the_last_counts():
    twice = header(CRVAL1=10.0)
    twice.append(("CRVAL1", 150.0), end=True)
    reading = read_wcs(twice, SHAPE)
    assert reading.wcs.pixel_to_world(X, Y).separation(TRUE).max() < 1e-4 * units.arcsec


def test_a_date_that_cannot_be_read_does_not_cost_the_place():
    untidy = header()
    for text in ("DATE-OBS= 2026-05-04T22:00:01", "DATE-OBS= '2026-05-04", "MJD-OBS =", "TIMESYS = UTC"):
        untidy.append(fits.Card.fromstring(text.ljust(80)), end=True)
    reading = read_wcs(untidy, SHAPE)
    assert reading.wcs.pixel_to_world(X, Y).separation(TRUE).max() < 1e-4 * units.arcsec
    untidy.append(fits.Card.fromstring("CRPIX1  = 100,5 pixel".ljust(80)), end=True)
    reading = read_wcs(untidy, SHAPE)
    assert reading.wcs is None
    assert "CRPIX1" in reading.notes[-1]


def test_scamp_of_a_higher_degree_is_tpv():
    """TPV: x' = PV1_0 + PV1_1 x + PV1_2 y + PV1_3 r + PV1_4 x^2 ..., for the second axis with x and y exchanged."""
    terms = SCAMP_1 | {"PV1_1": 1.001, "PV1_4": 0.02, "PV1_7": 1.5, "PV2_3": 1e-3, "PV2_5": -0.01, "PV2_10": 0.7}
    xi, eta = plane()
    true = sky(
        1.001 * xi + 0.02 * xi**2 + 1.5 * xi**3,
        eta + 1e-3 * np.hypot(xi, eta) - 0.01 * eta * xi + 0.7 * xi**3,
    )
    for types in ({}, TPV):
        found = celestial_wcs(header(**types, **terms), SHAPE).pixel_to_world(X, Y)
        assert found.separation(true).max() < 1e-4 * units.arcsec


@pytest.mark.parametrize("axis_types", [("DEC--TAN", "RA---TAN"), ("DEC--TPV", "RA---TPV")])
def test_declination_may_come_first(axis_types):
    swapped = header(
        CTYPE1=axis_types[0], CTYPE2=axis_types[1], CRVAL1=30.0, CRVAL2=150.0, CROTA1=None,
        CD1_1=CD[1, 0], CD1_2=CD[1, 1], CD2_1=CD[0, 0], CD2_2=CD[0, 1],
    )  # fmt: skip
    by_angle = header(
        CTYPE1=axis_types[0], CTYPE2=axis_types[1], CRVAL1=30.0, CRVAL2=150.0,
        **NO_MATRIX, CDELT1=SCALE_DEG, CDELT2=SCALE_DEG, CROTA1=70.0,
    )  # fmt: skip
    tangent = by_angle.copy()
    tangent.update({"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN"})
    plain = WCS(tangent).pixel_to_world(X, Y)
    assert celestial_wcs(by_angle, SHAPE).pixel_to_world(X, Y).separation(plain).max() < 1e-4 * units.arcsec
    wcs = celestial_wcs(swapped, SHAPE)
    assert wcs.pixel_to_world(X, Y).separation(TRUE).max() < 1e-4 * units.arcsec


KINDS = {"chebyshev": (1, chebyshev.chebval2d), "legendre": (2, legendre.legval2d), "powers": (3, None)}


@pytest.mark.parametrize("crossing", [0, 1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_tnx_of_iraf_is_read(kind, crossing):
    """x' = x + lngcor(x, y), degrees, with polynomials of numbers scaled to -1 to 1, the power of x running first."""
    number, evaluate = KINDS[kind]
    x_low, x_high, y_low, y_high = -0.06, 0.05, -0.04, 0.045
    rng = np.random.default_rng(1)
    surfaces = rng.normal(0, 1e-4, (2, 3, 4))
    i, j = np.indices((3, 4))
    surfaces[:, (i + j >= 4) if crossing == 2 else (i * j > 0) if crossing == 0 else i < 0] = 0.0
    texts = []
    for name, surface in zip(("lngcor", "latcor"), surfaces, strict=True):
        coefficients = [
            surface[i, j] for j in range(4) for i in range(3)
            if crossing == 1 or (i * j == 0 if crossing == 0 else i + j < 4)
        ]  # fmt: skip
        numbers = [number, 3, 4, crossing, x_low, x_high, y_low, y_high, *coefficients]
        texts.append(f'wtype=tnx axtype=ra {name} = "{" ".join(f"{value:.16g}" for value in numbers)} "')
    cards = {"CTYPE1": "RA---TNX", "CTYPE2": "DEC--TNX", "WAT0_001": "system=image"}
    for axis, text in enumerate(texts, start=1):
        cards |= {f"WAT{axis}_{part + 1:03d}": text[68 * part :][:68] for part in range(len(text) // 68 + 1)}
    xi, eta = plane()
    if evaluate is None:
        corrections = [np.polynomial.polynomial.polyval2d(xi, eta, surface) for surface in surfaces]
    else:
        scaled = (2 * xi - x_high - x_low) / (x_high - x_low), (2 * eta - y_high - y_low) / (y_high - y_low)
        corrections = [evaluate(*scaled, surface) for surface in surfaces]
    reading = read_wcs(header(**cards), SHAPE)
    true = sky(xi + corrections[0], eta + corrections[1])
    assert reading.wcs.pixel_to_world(X, Y).separation(true).max() < 1e-4 * units.arcsec
    assert reading.notes == ()


def test_zpx_without_corrections_is_zpn():
    radial = "wtype=zpx axtype=ra projp1=1.0 projp3=42.0"
    cards = {"CTYPE1": "RA---ZPX", "CTYPE2": "DEC--ZPX", "WAT1_001": radial, "WAT2_001": radial.replace("ra", "dec")}
    expected = WCS(header(CTYPE1="RA---ZPN", CTYPE2="DEC--ZPN", PV2_1=1.0, PV2_3=42.0)).pixel_to_world(X, Y)
    assert celestial_wcs(header(**cards), SHAPE).pixel_to_world(X, Y).separation(expected).max() < 1e-4 * units.arcsec
    cards["WAT1_001"] += ' lngcor = "3. 1. 1. 0. -1. 1. -1. 1. 1e-3"'
    reading = read_wcs(header(**cards), SHAPE)
    assert reading.wcs is None
    assert "ZPX with both radial and other distortions cannot be read" in reading.notes[0]


def test_damaged_corrections_of_iraf_are_told():
    cards = {"CTYPE1": "RA---TNX", "CTYPE2": "DEC--TNX", "WAT1_001": 'wtype=tnx lngcor = "3. 3. 3. 1. 0. 1. 0. 1. 7."'}
    assert read_wcs(header(**cards), SHAPE).notes == (
        "WAT1_001: it has 1 coefficients in place of 9, the world coordinates were left out",
    )


def test_solved_cards_of_the_common_solvers():
    """Those of astrometry.net, ASTAP and PinPoint, by what each writes beside the matrix."""
    solvers = {
        "astrometry.net": {"WCSAXES": 2, "EQUINOX": 2000.0, "LONPOLE": 180.0, "LATPOLE": 0.0, "IMAGEW": 300}
        | {"CUNIT1": "deg", "CUNIT2": "deg", "A_ORDER": 2, "B_ORDER": 2, "AP_ORDER": 2, "BP_ORDER": 2}
        | {"A_0_2": 0.0, "B_0_2": 0.0, "AP_0_1": 0.0, "BP_0_1": 0.0}
        | SUFFIXED,
        "ASTAP": {"CDELT1": SCALE_DEG, "CDELT2": SCALE_DEG, "CROTA1": 150.0, "CROTA2": 150.0, "PLTSOLVD": True}
        | {"EQUINOX": 2000.0},
        "PinPoint": {"RADECSYS": "FK5", "EQUINOX": 2000.0, "CDELT1": -SCALE_DEG, "CDELT2": SCALE_DEG}
        | {"CROTA1": 30.0, "CROTA2": 30.0, "PA": 30.0, "TR1_0": 1.0},
    }
    for cards in solvers.values():
        reading = read_wcs(header(**cards), SHAPE)
        assert reading.wcs.pixel_to_world(X, Y).icrs.separation(TRUE).max() < 0.05 * units.arcsec  # FK5 and ICRS
        assert pixel_scale_arcsec(reading.wcs) == pytest.approx(0.72)
        assert reading.notes == ()
