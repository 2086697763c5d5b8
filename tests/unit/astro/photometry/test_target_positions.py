import re
from contextlib import suppress
from datetime import date

import pytest
from astropy.io import fits
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from datalab.astro.photometry.target_positions import (
    ENTRY,
    PositionError,
    TimedPosition,
    header_position,
    source_type,
    timed_positions,
)

MJD = Time("2026-03-14T22:00:00", scale="utc").mjd
GOOD = {"ra": 187.5, "dec": -4.2, "mjd": MJD}


def test_objects_are_taken_as_they_are():
    assert timed_positions([GOOD | {"name": "Ceres"}, GOOD | {"mjd": MJD + 1, "ra": -1.0}]) == (
        TimedPosition(ra_deg=187.5, dec_deg=-4.2, mjd=MJD, name="Ceres"),
        TimedPosition(ra_deg=359.0, dec_deg=-4.2, mjd=MJD + 1),
    )


def test_a_single_object_is_one_position():
    assert timed_positions(GOOD) == timed_positions([GOOD])


def test_text_says_the_same_in_every_notation():
    first, second, third, fourth = timed_positions(
        "12:30:00 -04:12:00 2026-03-14T22:00:00; 187.5 -4.2 61113.91666667 ;\n"
        "12:30:00.0,-4:12:00.0,2026-03-14 22:30:00Z\r\n187.5 -4.2 2026-03-15T01:00:00+02:00"
    )
    for position in (first, second, third, fourth):
        assert (position.ra_deg, position.dec_deg) == pytest.approx((187.5, -4.2), abs=1e-9)
    times = [position.mjd - MJD for position in (first, second, third, fourth)]
    assert times == pytest.approx([0.0, 0.0, 0.5 / 24, 1.0 / 24], abs=1e-7)


@pytest.mark.parametrize(
    "entry",
    [
        "187.5 -4.2 2026 03 14.916666667",
        "187.5 -4.2 2026-03-14.916666667",
        "12h30m00s -4d12m00s 2026-03-14T22:00",
        "12h30m -4d12m 2026-03-14T22:00:00Z",
        "12h 30m 00.00s, -04° 12\u2032 00.0\u2033, 2026-03-14 22:00 UT",
        "12h30m00s -04d12'00\" 61113.916666667",
        "12 30 00.0 -04 12 00 2026 03 14.916666667",
        "12 30 00.0, -04 12 00, 61113.916666667",
        "12 30 00 -04 12 00 2026-03-14 22:00:00",
        "2026 03 14.916666667 12 30 00.00 -04 12 00.0",
        "2026-Mar-14 22:00     12 30 00.00 -04 12 00.0",
        "2026-03-14T22:00:00 187.5 -4.2",
        "187.5 -4.2 JD 2461114.416666667",
        "187.5 -4.2 MJD 61113.916666667",
    ],
)
def test_the_notations_of_others_say_the_same(entry):
    assert re.fullmatch(ENTRY, entry, re.ASCII)
    first, second = timed_positions(f"{entry}\n187.5 -4.2 61114")
    assert (first.ra_deg, first.dec_deg) == pytest.approx((187.5, -4.2), abs=1e-9)
    assert first.mjd == pytest.approx(MJD, abs=1e-8)
    assert second.mjd == 61114.0


def test_a_declination_just_below_zero_keeps_its_sign():
    for entry in ("12 30 00 -00 12 00 61114", "187.5 -0d12m00s 61114", "187.5 -00:12:00 61114"):
        assert timed_positions(entry)[0].dec_deg == pytest.approx(-0.2)


@given(ra=st.floats(0, 359.999), dec=st.floats(-90, 90), mjd=st.floats(40_000, 80_000, allow_nan=False))
def test_numbers_survive_the_text(ra, dec, mjd):
    (position,) = timed_positions(f"{ra:.9f} {dec:.9f} {mjd:.9f}")
    assert (position.ra_deg, position.dec_deg, position.mjd) == pytest.approx((ra, dec, mjd), abs=1e-8)


DEGREES = st.floats(0, 359.9, allow_nan=False).map(lambda ra: f"{ra:.{int(ra) % 7}f}")
HOURS = st.tuples(st.integers(0, 23), st.integers(0, 59), st.floats(0, 59.4)).map(
    lambda t: f"{t[0]}:{t[1]:02d}:{t[2]:.1f}"
)
DECLINATION = st.floats(-89.9, 89.9, allow_nan=False).map(lambda dec: f"{dec:+.3f}")
ARCS = st.tuples(st.sampled_from(["", "+", "-"]), st.integers(0, 89), st.integers(0, 59), st.integers(0, 59)).map(
    lambda t: f"{t[0]}{t[1]:02d}:{t[2]:02d}:{t[3]:02d}"
)
MJDS = st.floats(0, 399_999, allow_nan=False).map(lambda mjd: f"{mjd:.4f}")
DAYS = st.dates(date(1900, 1, 1), date(2900, 1, 1)).map(str)
DATES = DAYS | st.tuples(DAYS, st.times()).map(lambda moment: f"{moment[0]}T{moment[1].isoformat()}")
GAPS = st.sampled_from([" ", ", ", ",", "   "])


@given(ra=DEGREES | HOURS, dec=DECLINATION | ARCS, time=MJDS | DATES, gaps=st.tuples(GAPS, GAPS))
def test_what_has_the_form_of_an_entry_can_be_read(ra, dec, time, gaps):
    entry = f"{ra}{gaps[0]}{dec}{gaps[1]}{time}"
    assert re.fullmatch(ENTRY, entry, re.ASCII), entry
    (position,) = timed_positions(entry)
    assert -90 <= position.dec_deg <= 90


@given(st.text("0123456789:.+-TZ ,ab", max_size=40))
def test_what_has_not_is_never_more_than_a_date_that_is_in_no_calendar(entry):
    """The other way round: what the form lets through is read, or its date does not exist."""
    if re.fullmatch(ENTRY, entry, re.ASCII):
        with suppress(PositionError):
            (position,) = timed_positions(entry)
            assert 0 <= position.ra_deg < 360
        assert not re.search(r"[ab]", entry)


@pytest.mark.parametrize(
    "entry",
    [
        "", "here", "1", "1 2", "1 2 tomorrow", "M 33 61114", "361 2 61114", "1 91 61114", "1 2 2461114.5",
        "24:10:10 -04:10:20 61114", "12:60:00 1 61114", "12:30 -04:10 61114", "1 2 61114 3", "nan 2 61114", "1 2 3 4 5",
    ],
)  # fmt: skip
def test_other_entries_have_not(entry):
    assert not re.fullmatch(ENTRY, entry, re.ASCII)
    if entry:
        with pytest.raises(PositionError):
            timed_positions(entry)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ([GOOD, {"ra": 1.0, "dec": 2.0}], "Target position 2 has no mjd."),
        ([{"dec": 2.0, "mjd": MJD}], "Target position 1 has no ra."),
        ([GOOD | {"ra": "10:00:00"}], "Target position 1: ra must be a finite number, not '10:00:00'."),
        ([GOOD, GOOD | {"dec": float("nan")}], "Target position 2: dec must be a finite number, not nan."),
        ([GOOD | {"mjd": True}], "Target position 1: mjd must be a finite number, not True."),
        ([GOOD | {"dec": 120.0}], "Target position 1: dec 120 is not between -90 and 90 degrees."),
        ([GOOD | {"ra": 400.0}], "Target position 1: ra 400 is not between 0 and 360 degrees."),
        ([GOOD | {"mjd": 2461114.4}], "Target position 1: 2461114.4 is not an MJD; a Julian date is 2400000.5 higher."),
        ([GOOD, GOOD | {"ra": 1.0}], "Target positions 1 and 2 are of the same time."),
        (["187.5 -4.2 61113"], "Target position 1 must have ra, dec and mjd."),
        (7, "Target positions must be a list or a text."),
        ("187.5 -4.2 61113; 187.6 -4.2", 'Target position 2 ("187.6 -4.2") must be "RA Dec time".'),
        ("here", 'Target position 1 ("here") must be "RA Dec time".'),
        ("1 2 2026-02-31", 'Target position 1 ("1 2 2026-02-31"): the time "2026-02-31" is in no calendar.'),
        ("x -4 61113", 'Target position 1 ("x -4 61113"): the right ascension "x" is neither degrees nor h:m:s.'),
        (
            "1 95 61113",
            'Target position 1 ("1 95 61113"): the declination "95" is not degrees or d:m:s from -90 to 90.',
        ),
        (
            "1 2 yesterday",
            'Target position 1 ("1 2 yesterday"): the time "yesterday" is neither an MJD nor an ISO date and time.',
        ),
    ],
)
def test_what_cannot_be_used_is_named(given, text):
    with pytest.raises(PositionError) as caught:
        timed_positions(given)
    assert str(caught.value) == text


@pytest.mark.parametrize("nothing", ["", " ;\n; ", []])
def test_nothing_is_no_position(nothing):
    assert timed_positions(nothing) == ()


def test_headers_give_hours_and_degrees():
    header = fits.Header([("CAT-RA", "18:07:23.824"), ("CAT-DEC", "-07:28:36.39")])
    assert header_position(header) == pytest.approx((271.84927, -7.47677), abs=5e-6)


def test_headers_may_give_degrees():
    assert header_position(fits.Header([("CAT-RA", 271.5), ("CAT-DEC", "-7.25")])) == (271.5, -7.25)


@pytest.mark.parametrize(
    "cards",
    [
        {},
        {"CAT-RA": "18:07:23.824"},
        {"CAT-RA": "18:07:23.824", "CAT-DEC": "N/A"},
        {"CAT-RA": "nowhere", "CAT-DEC": "-07:28:36.39"},
        {"CAT-RA": "18:07:23.824", "CAT-DEC": "-97:28:36.39"},
    ],
)
def test_headers_without_a_readable_position_are_refused(cards):
    with pytest.raises(PositionError, match="no readable CAT-RA and CAT-DEC"):
        header_position(fits.Header(list(cards.items())))


def test_the_kind_of_source_is_what_the_header_says():
    assert source_type(fits.Header([("SRCTYPE", "extrasolar ")])) == "EXTRASOLAR"
    assert source_type(fits.Header()) == ""
