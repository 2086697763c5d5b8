"""Numbers, angles and positions as people write them: right, or left out and noted. Truth: astropy."""

import pytest
from astropy import units
from astropy.coordinates import FK4, FK5, Angle, BarycentricMeanEcliptic, SkyCoord
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from datalab.astro.headers.angles import read_angle
from datalab.astro.headers.description import describe

WHEN = "2023-05-27T03:04:05"


def noted(cards):
    return [note.split(":")[0] for note in describe(cards).notes]


def position(**cards):
    found = describe(cards)
    return found.right_ascension_deg, found.declination_deg


# --- exposure times


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"EXPTIME": 30}, 30), ({"EXPTIME": "30.0"}, 30), ({"EXPTIME": " 3.0E+01 "}, 30), ({"XPOSURE": 30.0}, 30),
        ({"EXP_TIME": 30}, 30), ({"EXPOSURE": 30}, 30), ({"ITIME": 30}, 30), ({"EXPTIME": "", "EXPOSURE": 30}, 30),
        ({"EXPTIME": 30, "EXPOSURE": 30.001}, 30), ({"EXPTIME": 0}, 0), ({"ITIME": 30, "COADDS": 1}, 30),
    ],
)  # fmt: skip
def test_exposure_times(cards, expected):
    assert describe(cards).exposure_time_s == expected
    assert noted(cards) == []


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("EXPTIME", "30.0 s", 30), ("EXPTIME", "30s", 30), ("EXPTIME", "30 sec", 30), ("EXPTIME", "30 seconds", 30),
        ("EXPTIME", "500 ms", 0.5), ("EXPTIME", "2 min", 120), ("EXPTIME", "0,5", 0.5), ("EXPTIME", "30,000", 30),
        ("EXPTIME", "1/250", 0.004), ("EXPTIME", "1/250 s", 0.004), ("EXPTIME", "00:05:00", 300),
        ("EXPTIME", "30 [s]", 30), ("EXPOSURE", "1.5 h", 5400), ("XPOSURE", "30 Sec.", 30), ("EXPTIME",
        "250 \xb5s", 2.5e-4),
    ],
)  # fmt: skip
def test_exposure_times_with_units_or_commas_are_read_and_say_so(keyword, value, expected):
    assert describe({keyword: value}).exposure_time_s == pytest.approx(expected)
    assert noted({keyword: value}) == [keyword]


@pytest.mark.parametrize("value", ["30 counts", "long", "30 30", "1/0", "-5 s", "3e9 s", "1e999", "30 m/s", "9" * 1000])
def test_what_is_no_exposure_time_is_left_out_and_noted(value):
    assert describe({"EXPTIME": value}).exposure_time_s is None
    assert noted({"EXPTIME": value}) == ["EXPTIME"]


def test_exposure_times_that_differ_are_noted():
    cards = {"EXPTIME": 10, "EXPOSURE": 300}
    assert describe(cards).exposure_time_s == 10
    assert noted(cards) == ["EXPOSURE"]


def test_what_detectors_add_up_was_exposed_all_the_time():
    assert describe({"ITIME": 2.5, "COADDS": 10}).exposure_time_s == 25
    assert noted({"ITIME": 2.5, "COADDS": 10}) == ["ITIME"]


# --- angles


@pytest.mark.parametrize(
    "text",
    [
        "12:30:05.5", "12 30 05.5", "12h30m05.5s", "12h 30m 5.5s", "12  30   05.5", "12h30:05.5", "12:30:05,5",
        "+12:30:05.5",
        "12hr30min05.5sec", "12H30M05.5S", " 12 : 30 : 05.5 ", "12h30'05.5''", "12.501527778h", "12.501527778 hours",
    ],
)  # fmt: skip
def test_right_ascensions(text):
    assert position(RA=text, DEC=10)[0] == pytest.approx(187.5229167, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "-05:23:28.5", "-5 23 28.5", "-05d23m28.5s", "-5\xb023'28.5\"", "-5\xb0 23\u2032 28.5\u2033", "-05d 23' 28.5''",
        "-5:23:28,5", "\u22125:23:28.5", "-5.39125", "-5,39125", "-5.39125 deg", "-5.39125d", "-5 23.475",
        "- 5 23 28.5",
        "-5\xba23\u201928.5\u201d", "-05deg23min28.5sec",
    ],
)  # fmt: skip
def test_declinations(text):
    assert position(RA=10, DEC=text)[1] == pytest.approx(-5.39125, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("12 30", 187.5), ("12 30.5", 187.625), ("12:30", 187.5), ("12h30m", 187.5), ("12:29:60.0", 187.5),
        ("24:00:00", 0.0),
        ("187.5d", 187.5), ("187d30m", 187.5), ("23:59:60", 0.0), ("-10", 350.0), ("-10.0", 350.0),
        ("187\xb030'", 187.5),
        ("5h", 75.0), (12.5, 12.5), ("12.5", 12.5),
    ],
)  # fmt: skip
def test_right_ascensions_of_other_forms(text, degrees):
    assert position(RA=text, DEC=10)[0] == pytest.approx(degrees, abs=1e-9)


@pytest.mark.parametrize(
    "text",
    ["12:75:00", "12:30:75", "12:30.5:05", "1:2:3:4", "25:00:00", "-01:00:00", "12h30d", "noon", "400", "12:30:", "h",
     "12:30:05.5 N", "1 " * 3000],
)  # fmt: skip
def test_what_is_no_right_ascension_is_left_out_and_noted(text):
    assert position(RA=text, DEC=10) == (None, None)
    assert noted({"RA": text, "DEC": 10}) == ["RA", "DEC"]  # and the other half with it


@given(st.floats(-89.9999, 89.9999))
def test_whatever_astropy_writes_is_read(degrees):
    for text in (
        Angle(degrees, "deg").to_string(sep=":", precision=4),
        Angle(degrees, "deg").to_string(sep="dms", precision=4),
        Angle(degrees, "deg").to_string(sep=" ", precision=4, pad=True),
        Angle(degrees, "deg").to_string(unit=units.hour, sep="hms", precision=5),
    ):
        found = read_angle(text).degrees(sexagesimal_unit="d")
        assert found == pytest.approx(degrees, abs=1e-7)


@given(st.text(max_size=30))
def test_no_text_is_too_strange_for_a_number_or_an_angle(text):
    named = ("RA", "DEC", "EXPTIME", "AIRMASS", "ALTITUDE", "EQUINOX", "CUNIT1", "RADESYS", "CRVAL1", "CRVAL2")
    describe({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"} | dict.fromkeys(named, text))


def test_half_a_position_is_none_and_says_so():
    assert position(RA="12:30:05") == (None, None)
    assert noted({"RA": "12:30:05"}) == ["RA"]
    assert noted({"OBJCTDEC": "-05:23:28"}) == ["OBJCTDEC"]
    assert position(OBJCTRA="12:30:05", RA=10, DEC=20) == (10, 20)


# --- frames (FITS Standard 4.0, section 8.3)


def in_icrs(place):
    return place.icrs.ra.deg, place.icrs.dec.deg


@pytest.mark.parametrize(
    ("cards", "frame"),
    [
        ({"EQUINOX": 2023.4}, FK5(equinox="J2023.4")),
        ({"EQUINOX": "J2023.4", "RADESYS": "FK5"}, FK5(equinox="J2023.4")),
        ({"EPOCH": 2023.4}, FK5(equinox="J2023.4")),
        ({"EQUINOX": 1950.0}, FK4(equinox="B1950")),
        ({"EQUINOX": "B1950"}, FK4(equinox="B1950")),
        ({"RADESYS": "FK4"}, FK4(equinox="B1950")),
        ({"RADECSYS": "FK4", "EQUINOX": 1950.0}, FK4(equinox="B1950")),
        ({"RADESYS": "FK5", "EQUINOX": 1975.0}, FK5(equinox="J1975")),
        ({"RADESYS": "FK5"}, FK5(equinox="J2000")),
        ({"EQUINOX": 2000.0}, FK5(equinox="J2000")),
        ({"EQUINOX": 1983.9}, FK4(equinox="B1983.9")),
    ],
)
@pytest.mark.parametrize("keywords", [("RA", "DEC"), ("OBJCTRA", "OBJCTDEC"), ("CRVAL1", "CRVAL2")])
def test_positions_are_icrs_whatever_the_header_has(cards, frame, keywords):
    ra, dec = keywords
    axes = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"} if ra == "CRVAL1" else {}
    expected = in_icrs(SkyCoord(202.4696, 47.1952, unit="deg", frame=frame))
    given_cards = {**axes, ra: 202.4696, dec: 47.1952, **cards}
    assert position(**given_cards) == pytest.approx(expected, abs=0.03 / 3600)
    assert noted(given_cards) == []


@pytest.mark.parametrize(
    ("cards", "note"),
    [
        ({"EQUINOX": "JNOW"}, "EQUINOX"), ({"RADESYS": "JNOW"}, "RADESYS"), ({"RADESYS": "GAPPT",
        "EQUINOX": 2023.4}, "RADESYS"),
    ],
)  # fmt: skip
def test_equinoxes_of_the_date_are_taken_from_the_time_and_say_so(cards, note):
    expected = in_icrs(SkyCoord(202.4696, 47.1952, unit="deg", frame=FK5(equinox=Time(WHEN))))
    given_cards = {"DATE-OBS": WHEN, "RA": 202.4696, "DEC": 47.1952, **cards}
    assert position(**given_cards) == pytest.approx(expected, abs=0.5 / 3600)
    assert noted(given_cards) == [note]


@pytest.mark.parametrize("name", ["J2000", "FK5 J2000", "j2000.0"])
def test_an_equinox_in_the_place_of_the_system_is_taken_for_what_it_is(name):
    assert position(RA=10, DEC=20, RADESYS=name) == (10, 20)
    assert noted({"RA": 10, "DEC": 20, "RADESYS": name}) == ["RADESYS"]
    assert position(RA=10, DEC=20, RADESYS="B1950")[0] != 10


def test_a_position_in_an_unknown_equinox_is_left_out_and_noted():
    cards = {"RA": 10, "DEC": 20, "EQUINOX": "soon"}
    assert position(**cards) == (None, None)
    assert noted(cards) == ["EQUINOX"]


@pytest.mark.parametrize(
    ("types", "frame"),
    [
        (("GLON-TAN", "GLAT-TAN"), "galactic"), (("SLON-CAR", "SLAT-CAR"), "supergalactic"),
        (("ELON-TAN", "ELAT-TAN"), BarycentricMeanEcliptic(equinox="J2000")),
    ],
)  # fmt: skip
def test_other_coordinates_become_icrs(types, frame):
    expected = in_icrs(SkyCoord(120.5, -30.25, unit="deg", frame=frame))
    assert position(CTYPE1=types[0], CTYPE2=types[1], CRVAL1=120.5, CRVAL2=-30.25) == pytest.approx(expected, abs=1e-7)
    swapped = position(CTYPE1=types[1], CTYPE2=types[0], CRVAL1=-30.25, CRVAL2=120.5)
    assert swapped == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    ("unit", "factor"), [("arcsec", 3600), ("arcmin", 60), ("rad", 0.017453292519943295), ("deg", 1)]
)
def test_reference_values_have_units(unit, factor):
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": unit, "CUNIT2": unit}
    found = position(**cards, CRVAL1=202.4696 * factor, CRVAL2=47.1952 * factor)
    assert found == pytest.approx((202.4696, 47.1952), abs=1e-9)


def test_a_unit_that_is_none_leaves_the_reference_value_out():
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "m", "CRVAL1": 10, "CRVAL2": 20, "RA": 30, "DEC": 40}
    assert position(**cards) == (30, 40)
    assert noted(cards) == ["CUNIT1"]


def test_a_reference_value_below_zero_is_a_turn_less():
    assert position(CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRVAL1=-10, CRVAL2=20) == (350, 20)


# --- altitude and airmass


@pytest.mark.parametrize(
    "cards",
    [{"ALTITUDE": 48.5}, {"OBJCTALT": "48.5"}, {"CENTALT": " 48 30 00"}, {"ALTITUDE": "48:30:00"},
     {"OBJCTALT": "+48d30m"}, {"CENTALT": "48,5"}, {"ALTITUDE": 2400, "CENTALT": 48.5}],
)  # fmt: skip
def test_altitudes(cards):
    assert describe(cards).altitude_deg == 48.5


def test_azimuths():
    assert describe({"CENTAZ": "171:12:00"}).azimuth_deg == pytest.approx(171.2)


@pytest.mark.parametrize("value", [43.73, 0, -1, "high", 0.5, 1e9])
def test_airmasses_that_cannot_be_are_left_out_and_noted(value):
    assert describe({"AIRMASS": value}).airmass is None
    assert noted({"AIRMASS": value}) == ["AIRMASS"]


def test_an_airmass_that_does_not_fit_the_altitude_is_noted():
    assert noted({"AIRMASS": 10, "ALTITUDE": 60}) == ["AIRMASS"]
    assert noted({"AIRMASS": 1.15, "ALTITUDE": 60}) == noted({"AIRMASS": 12, "ALTITUDE": 4}) == []
