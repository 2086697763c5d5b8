import json
from datetime import UTC, datetime

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from datalab.astro.headers.cards import header_cards, image_axes, parse_header_text
from datalab.astro.headers.description import FrameDescription, describe
from datalab.astro.sky.wcs import footprint
from datalab.fits.science import science_image

printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200)
keywords = st.from_regex(r"[A-Z][A-Z0-9_-]{0,7}", fullmatch=True).filter(
    lambda key: key not in {"COMMENT", "HISTORY", "CONTINUE", "END", "HIERARCH", "SIMPLE", "XTENSION"}
)


def astropy_reads_what_it_writes(text):
    """It does not for `'/`: it takes the quote and the slash for the end of the value and a comment."""
    return fits.Card.fromstring(str(fits.Card("A", text))).value == text.rstrip()


fits_values = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    printable.filter(lambda text: not text.endswith("&")).filter(astropy_reads_what_it_writes),
    st.none(),
)
card_values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text())


def glued(*cards):
    return "".join(card.ljust(80) for card in (*cards, "END")).ljust(2880)


# --- text


@given(st.dictionaries(keywords, fits_values, max_size=8), st.lists(printable, max_size=3))
def test_text_written_by_astropy_reads_as_astropy_reads_it(values, history):
    header = fits.Header()
    for keyword, value in values.items():
        header[keyword] = value
    for line in history:
        header.add_history(line)
    expected = header_cards(fits.Header.fromstring(header.tostring()))
    for text in (header.tostring(), header.tostring(sep="\n", padding=False)):
        parsed = parse_header_text(text)
        assert parsed.notes == ()
        assert parsed.cards == expected
        assert [type(value) for value in parsed.cards.values()] == [type(value) for value in expected.values()]


@given(st.text())
def test_no_text_is_too_broken_to_read(text):
    parsed = parse_header_text(text)
    json.dumps(parsed.cards, allow_nan=False)


@given(st.lists(st.from_regex(r"(FOO     =|CONTINUE |HIERARCH |COMMENT )[ -~]{0,60}", fullmatch=True)))
def test_no_card_is_too_broken_to_read(cards):
    parsed = parse_header_text("\n".join(cards))
    json.dumps(parsed.cards, allow_nan=False)


def test_values_have_the_types_of_the_standard():
    parsed = parse_header_text(
        glued(
            "SIMPLE  =                    T / conforms",
            "FLAG    =                    F",
            "COUNT   =                  -42 / an integer",
            "EXPTIME =               1.5D+1 / old exponent",
            "NOTHING =                      / undefined",
            "OBJECT  = 'Barnard''s star / A'   / a slash and a quote inside",
            "HIERARCH ESO DET GAIN = 1.7 / long keyword",
        )
    )
    assert parsed.notes == ()
    assert parsed.cards == {
        "SIMPLE": True,
        "FLAG": False,
        "COUNT": -42,
        "EXPTIME": 15.0,
        "NOTHING": None,
        "OBJECT": "Barnard's star / A",
        "ESO DET GAIN": 1.7,
    }


def test_long_strings_and_commentary_are_joined():
    parsed = parse_header_text(
        glued(
            "LONG    = 'one &'",
            "CONTINUE  'two&' / remark",
            "CONTINUE  ' three'",
            "HISTORY first",
            "COMMENT only",
            "HISTORY second",
        )
    )
    assert parsed.cards == {"LONG": "one two three", "HISTORY": "first\nsecond", "COMMENT": "only"}
    assert parsed.notes == ()


def test_bad_cards_are_named_and_cost_nothing_else():
    parsed = parse_header_text(
        glued(
            "BROKEN  = 'no closing quote",
            "CONTINUE  'of nothing'",
            "gibberish without a value",
            "DATE-OBS= 2024-01-02T03:04:05",
            "HUGE    = 1E999",
            "TRAILING= 'text' and more",
            "EXPTIME = 12.5",
        )
    )
    assert parsed.cards == {"DATE-OBS": "2024-01-02T03:04:05", "HUGE": None, "TRAILING": "text", "EXPTIME": 12.5}
    assert [note.split(":")[0] for note in parsed.notes] == [
        "BROKEN", "card 2", "card 3", "DATE-OBS", "HUGE", "TRAILING",
    ]  # fmt: skip


def test_nothing_after_end_is_read_and_the_last_value_of_a_keyword_counts():
    parsed = parse_header_text(glued("A       = 1", "A       = 2") + "B       = 3".ljust(80))
    assert parsed.cards == {"A": 2}


# --- cards


def test_cards_are_strict_json():
    header = fits.Header()
    header["UNDEF"] = None
    header["FLAG"] = np.True_
    header["BIG"] = 2**70
    header["PHASE"] = 1 + 2j
    header.add_comment("one")
    header.add_comment("two")
    for broken in ("BROKEN  = 5 5 5", "CONTROL = \x07"):
        header.append(fits.Card.fromstring(broken.ljust(80)), end=True)
    cards = header_cards(header)
    assert cards == {
        "UNDEF": None, "FLAG": True, "BIG": float(2**70), "PHASE": "(1+2j)", "COMMENT": "one\ntwo", "BROKEN": "5 5 5",
        "CONTROL": None,
    }  # fmt: skip
    assert cards["FLAG"] is True
    json.dumps(cards, allow_nan=False)


# --- science image


def image(*lengths, **cards):
    values = {"NAXIS": len(lengths), **{f"NAXIS{axis}": length for axis, length in enumerate(lengths, start=1)}}
    return fits.Header(values | cards)


def compressed(*lengths, **cards):
    axes = {f"ZNAXIS{axis}": length for axis, length in enumerate(lengths, start=1)}
    table = {"XTENSION": "BINTABLE", "NAXIS": 2, "NAXIS1": 8, "NAXIS2": 100}
    return fits.Header(table | {"ZIMAGE": True, "ZNAXIS": len(lengths)} | axes | cards)


EMPTY = image()
TABLE = fits.Header({"XTENSION": "BINTABLE", "NAXIS": 2, "NAXIS1": 8, "NAXIS2": 100, "EXTNAME": "CAT"})


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([image(20, 10)], 0),
        ([EMPTY, TABLE, image(20, 10)], 2),
        ([image(20, 10), image(20, 10, XTENSION="IMAGE", EXTNAME="sci ")], 1),
        ([EMPTY, compressed(20, 10)], 1),
        ([EMPTY, compressed(20, 10, EXTNAME="BPM"), compressed(20, 10, EXTNAME="SCI")], 2),
        ([image(20, 0), image(20, 10, XTENSION="IMAGE")], 1),
        ([image(4, 5, 6), image(20, 10, XTENSION="IMAGE")], 1),
    ],
)
def test_the_science_image_is_the_one_named_so_or_the_first(headers, expected):
    assert science_image(headers).hdus == (expected,)


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ([], "no image"),
        ([EMPTY, TABLE], "no image"),
        ([EMPTY, image(4, 5, 6)], "3 dimensions"),
        ([image(20, 10), image(4, 5, 6, XTENSION="IMAGE", EXTNAME="SCI")], "3 dimensions"),
        ([image(20, 10), image(EXTNAME="SCI")], "SCI has no image"),
        ([fits.Header({"NAXIS": "two"})], "no image"),
    ],
)
def test_files_without_a_two_dimensional_image_are_refused(headers, text):
    with pytest.raises(ValueError, match=text):
        science_image(headers)


def test_axes_are_those_of_the_image_not_of_its_compressed_table():
    assert image_axes(compressed(20, 10)) == (20, 10)
    assert image_axes(TABLE) == ()


# --- description


def test_what_an_observatory_writes():
    cards = {
        "DATE-OBS": "2023-09-30T21:30:05.123", "DAY-OBS": "20230930", "SITEID": "tst", "TELID": "t1", "INSTRUME": "kb1",
        "OBJCTRA": 83.82, "OBJCTDEC": -5.39, "EXPTIME": 12.0, "FILTER": "rp", "AIRMASS": 1.34, "ALTITUDE": 48.1,
        "AZIMUTH": 171.2, "USERNAME": "Ann", "USERID": "auth|1", "PROPID": "P-1", "BLKUID": 77, "REQNUM": "0000123",
        "OBSTYPE": "EXPOSE", "OBJECT": "M 42", "RLEVEL": 91, "L1PUBDAT": "2024-09-30T21:30:05Z",
    }  # fmt: skip
    assert describe(cards) == FrameDescription(
        capture_time=datetime(2023, 9, 30, 21, 30, 5, 123000, UTC),
        mid_time=datetime(2023, 9, 30, 21, 30, 11, 123000, UTC),
        right_ascension_deg=83.82,
        declination_deg=-5.39,
        altitude_deg=48.1,
        azimuth_deg=171.2,
        airmass=1.34,
        exposure_time_s=12.0,
        filter_name="rp",
        username="Ann",
        user_id="auth|1",
        target_name="M 42",
        proposal_id="P-1",
        observation_id="77",
        request_id="0000123",
        site_id="tst",
        telescope_id="t1",
        instrument_id="kb1",
        observation_day="2023-09-30",
        reduction_level=91,
        configuration_type="EXPOSE",
        public_date=datetime(2024, 9, 30, 21, 30, 5, tzinfo=UTC),
    )


@given(st.dictionaries(st.sampled_from((
    "DATE-OBS", "TIME-OBS", "UTSTART", "DAY-OBS", "CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2", "OBJCTRA", "OBJCTDEC", "RA",
    "DEC", "ALTITUDE", "AZIMUTH", "AIRMASS", "EXPTIME", "EXPOSURE", "FILTER", "FILTER1", "FILTER2", "USERNAME",
    "RLEVEL", "L1PUBDAT", "OBJECT", "REQNUM",
)), card_values))  # fmt: skip
def test_no_cards_are_too_strange_to_describe(cards):
    found = describe(cards)
    for number in (found.right_ascension_deg, found.declination_deg, found.airmass, found.exposure_time_s):
        assert number is None or np.isfinite(number)


@given(st.text(alphabet="0123456789-+:T Z.", max_size=30))
def test_no_time_or_angle_is_too_strange(text):
    describe({"DATE-OBS": text, "DAY-OBS": text, "RA": text, "DEC": text})
    describe({"DATE-OBS": "2024-01-01", "TIME-OBS": text})


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("EXPTIME", "long"), ("EXPTIME", float("nan")), ("EXPTIME", -1), ("EXPTIME", True), ("EXPTIME", 10**400),
        ("AIRMASS", 0), ("ALTITUDE", 91), ("AZIMUTH", 400.0), ("RLEVEL", 1.5), ("FILTER", False),
        ("DATE-OBS", "2024-02-31T00:00:00"), ("DATE-OBS", "0001-01-01T00:00:00+05:00"), ("DAY-OBS", "20241301"),
        ("L1PUBDAT", "soon"), ("L1PUBDAT", "2099-13-45"), ("L1PUBDAT", "2099/01/01"), ("L1PUBDAT", ""),
        ("L1PUBDAT", "N/A"), ("L1PUBDAT", None), ("L1PUBDAT", True), ("L1PUBDAT", 20990101),
        ("RA", "25:00:00"), ("RA", 400), ("DEC", "-90:00:01"), ("DEC", "north"),
    ],
)  # fmt: skip
def test_an_unusable_value_is_named_and_costs_nothing_else(keyword, value):
    found = describe({"OBJECT": "M 42", keyword: value})
    assert len(found.notes) == 1
    assert found.notes[0].startswith(f"{keyword}: ")
    assert found == FrameDescription(target_name="M 42", notes=found.notes)


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"DATE-OBS": "2024-01-02T03:04:05.6789"}, "2024-01-02T03:04:05.678"),
        ({"DATE-OBS": "2024-01-02 03:04:05Z"}, "2024-01-02T03:04:05.000"),
        ({"DATE-OBS": "2024-01-02T03:04:05+02:00"}, "2024-01-02T01:04:05.000"),
        ({"DATE-OBS": "2024-01-02", "TIME-OBS": "03:04:05.5"}, "2024-01-02T03:04:05.500"),
        ({"DATE-OBS": "2024-01-02", "UTSTART": "03:04:05"}, "2024-01-02T03:04:05.000"),
        ({"DATE-OBS": "2024-01-02T03:04:05", "TIME-OBS": "03:04:05.4"}, "2024-01-02T03:04:05.000"),
    ],
)
def test_capture_times(cards, expected):
    found = describe(cards)
    assert found.capture_time.isoformat(timespec="milliseconds") == expected + "+00:00"
    assert found.notes == ()


def test_a_day_without_a_time_is_a_day_and_says_so():
    found = describe({"DATE-OBS": "2024-01-02", "TIME-OBS": "noon"})
    assert (found.capture_time, found.mid_time, found.observation_day) == (None, None, "2024-01-02")
    assert [note.split(":")[0] for note in found.notes] == ["TIME-OBS", "DATE-OBS"]


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 20.0, "RA": 1, "DEC": 2}, (10, 20)),
        ({"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN", "CRVAL1": 20.0, "CRVAL2": 10.0}, (10, 20)),
        (
            {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN", "CRVAL1": 1.0, "CRVAL2": 2.0, "RA": 10, "DEC": 20},
            (265.0733323, -27.0343367),
        ),
        ({"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN", "CRVAL1": 1.0, "CRVAL2": 2.0}, (265.0733323, -27.0343367)),
        ({"CRVAL1": 10.0, "CRVAL2": 20.0}, (10, 20)),
        ({"OBJCTRA": "10.0", "OBJCTDEC": 20, "RA": "00:00:01", "DEC": "00:00:01"}, (10, 20)),
        ({"RA": "05:35:17.3", "DEC": "-00:23:28"}, (83.8220833, -0.3911111)),
        ({"RA": "05 35 17.3", "DEC": "+05 23 28"}, (83.8220833, 5.3911111)),
        ({"RA": 360.0, "DEC": -90}, (0, -90)),
        ({"OBJCTRA": 10.0, "RA": 30.0, "DEC": 40.0}, (30, 40)),
    ],
)
def test_positions(cards, expected):
    found = describe(cards)
    assert (found.right_ascension_deg, found.declination_deg) == pytest.approx(expected, abs=1e-6)
    assert found.notes == ()


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"FILTER": "rp", "FILTER1": "V"}, "rp"),
        ({"FILTER1": "air", "FILTER2": "ip", "FILTER3": "B"}, "ip"),
        ({"FILTER1": "AIR"}, None),
        ({"FILTER": "N/A", "FILTER2": "ip"}, "ip"),
    ],
)
def test_filters(cards, expected):
    assert describe(cards).filter_name == expected


def test_exposure_is_the_second_choice_after_exptime():
    assert describe({"EXPTIME": 3, "EXPOSURE": 4}).exposure_time_s == 3
    assert describe({"EXPTIME": "?", "EXPOSURE": " 4.5 "}).exposure_time_s == 4.5


# --- footprint


def tangent_plane(right_ascension, declination, scale=1 / 3600, **cards):
    return fits.Header(
        {
            "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": right_ascension, "CRVAL2": declination,
            "CRPIX1": 100.5, "CRPIX2": 50.5, "CD1_1": -scale, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": scale,
        } | cards
    )  # fmt: skip


@pytest.mark.parametrize(("right_ascension", "declination"), [(83.8, -5.4), (0.0, 60.0), (359.999, 0.0), (12.0, 89.99)])
def test_corners_are_where_astropy_sees_them(right_ascension, declination):
    header = tangent_plane(right_ascension, declination)
    corners = footprint(header, (100, 200))
    expected = WCS(header).all_pix2world([[0.5, 0.5], [200.5, 0.5], [200.5, 100.5], [0.5, 100.5]], 1)
    np.testing.assert_allclose(corners, expected, atol=1e-7)
    assert all(0 <= corner[0] < 360 for corner in corners)


def test_an_absurd_number_of_axes_takes_no_memory():
    assert footprint(tangent_plane(10.0, 20.0, NAXIS=2_000_000_000), (100, 200)) == footprint(
        tangent_plane(10.0, 20.0), (100, 200)
    )


def test_a_footprint_across_ra_zero_has_both_ends():
    right_ascensions = [corner[0] for corner in footprint(tangent_plane(0.0, 0.0), (100, 200))]
    assert sorted(right_ascension > 180 for right_ascension in right_ascensions) == [False, False, True, True]


def test_galactic_images_have_a_footprint_in_right_ascension():
    header = tangent_plane(0.0, 0.0, CTYPE1="GLON-TAN", CTYPE2="GLAT-TAN")
    centre = np.mean(footprint(header, (100, 200)), axis=0)
    np.testing.assert_allclose(centre, (266.40499, -28.93617), atol=1e-3)  # the Galactic centre, IAU 1958


@pytest.mark.parametrize(
    "header",
    [
        fits.Header(),
        fits.Header({"CTYPE1": "LINEAR", "CTYPE2": "LINEAR"}),
        tangent_plane(10.0, 20.0, scale=0.0),
        tangent_plane(10.0, 20.0, CTYPE2="RA---TAN"),
        tangent_plane(10.0, 20.0, CTYPE1="RA---XYZ"),
        tangent_plane(10.0, 20.0, CRVAL1="text"),
        tangent_plane(10.0, 20.0, A_ORDER=2, B_ORDER="x"),
        tangent_plane(10.0, 20.0, CD1_1="text"),
        tangent_plane(10.0, 20.0, WCSAXES="two"),
        tangent_plane(10.0, 20.0, WCSAXES=2_000_000_000),
        tangent_plane(10.0, 20.0, CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", A_ORDER=50_000, B_ORDER=2),
    ],
)
def test_without_a_valid_wcs_there_is_no_footprint(header):
    assert footprint(header, (100, 200)) is None


@given(st.dictionaries(st.sampled_from((
    "CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2", "CRPIX1", "CD1_1", "CD2_2", "CDELT1", "PC1_1", "WCSAXES", "RADESYS",
    "EQUINOX", "CUNIT1", "LONPOLE", "PV2_1", "A_ORDER", "CPDIS1", "NAXIS",
)), st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-3, 9), printable,
    st.sampled_from(("RA---TAN-SIP", "DEC--TAN", "GLON-CAR", "deg", "FK4", "LOOKUP")),
)))  # fmt: skip
def test_no_wcs_is_too_broken(cards):
    header = tangent_plane(10.0, 20.0)
    for keyword, value in cards.items():
        header[keyword] = value
    corners = footprint(header, (100, 200))
    assert corners is None or np.isfinite(corners).all()


def test_an_image_whose_name_cannot_be_read_is_an_image_without_name():
    header = fits.Header.fromstring(
        "".join(
            card.ljust(80)
            for card in (
                "XTENSION= 'IMAGE   '",
                "NAXIS   = 2",
                "NAXIS1  = 3",
                "NAXIS2  = 4",
                "EXTNAME = 'S\0I     '",
                "END",
            )
        )
    )
    assert science_image([header]).hdus == (0,)
