"""Times as people write them: the start and the middle of an exposure are right, or left out and noted."""

import pytest
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from datalab.astro.headers.description import describe
from datalab.astro.headers.time_scales import scale_named, utc_of

START = "2024-01-02T03:04:05.000"
MJD = 60311.12783565  # of START, to 0.3 ms


def start(**cards):
    found = described(cards)
    return None if found.capture_time is None else found.capture_time.isoformat(timespec="milliseconds")[:-6]


def described(cards):
    return describe({keyword.replace("_OBS", "-OBS"): value for keyword, value in cards.items()})


def noted(cards):
    return [note.split(":")[0] for note in describe(cards).notes]


# --- dates alone, completed by other cards (FITS Standard 4.0, section 9.1.1)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("TIME-OBS", "03:04:05"), ("UT", "03:04:05.0"), ("UTC", "3:04:05"), ("UTSTART", "03:04:05.0004"),
        ("UT-OBS", "03h04m05s"), ("TIME-OBS", "2024-01-02T03:04:05"), ("UT", "03 04 05"), ("UTC", "03:04:05Z"),
        ("UT", "03:04:05 UT"), ("TIME-OBS", "03:04:05,0"), ("UT", "030405"), ("MJD-OBS", MJD), ("JD", MJD + 2400000.5),
        ("MJD-OBS", str(MJD)), ("DATE-BEG", "2024-01-02T03:04:05"), ("TIME-OBS", "04:04:05+01:00"),
        ("UT", "3:04:05 AM"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("date", ["2024-01-02", "2024/01/02", "20240102", 20240102, "2024-01-02 "])
def test_a_date_alone_is_completed(date, keyword, value):
    found = describe({"DATE-OBS": date, keyword: value})
    assert abs((Time(found.capture_time) - Time(START)).sec) < 0.06  # a Julian date holds no more
    assert found.notes == ()


def test_a_number_for_the_time_of_day_is_hours_and_says_so():
    assert start(DATE_OBS="2024-01-02", UT=3.5) == "2024-01-02T03:30:00.000"
    assert noted({"DATE-OBS": "2024-01-02", "UT": 3.5}) == ["UT"]


def test_an_mjd_of_another_day_gives_only_the_time_of_day():
    cards = {"DATE-OBS": "2024-01-02", "MJD-OBS": MJD + 1}
    assert start(**cards)[:19] == START[:19]
    assert noted(cards) == ["MJD-OBS"]


def test_a_day_and_an_mjd_rounded_to_it_have_no_time_of_day():
    cards = {"DATE-OBS": "2024-01-02", "MJD-OBS": 60311}
    assert (start(**cards), describe(cards).observation_day) == (None, "2024-01-02")
    assert noted(cards) == ["DATE-OBS"]


def test_zeros_for_a_time_of_day_are_none_where_another_card_has_one():
    cards = {"DATE-OBS": "2024-01-02T00:00:00", "UTSTART": "03:04:05"}
    assert start(**cards) == START
    assert noted(cards) == ["DATE-OBS"]


# --- no DATE-OBS (section 9.5, tables 34 and 35)


@pytest.mark.parametrize(
    "cards",
    [
        {"MJD-OBS": MJD}, {"MJD-BEG": MJD}, {"JD": MJD + 2400000.5}, {"DATE-BEG": START}, {"DATE_OBS": START},
        {"DATE-OBS": "", "DATE-BEG": START}, {"DATE-OBS": "N/A", "MJD-OBS": MJD}, {"OBSMJD": MJD},
        {"UTC-OBS": "2024-01-02T03:04:05"}, {"SHUTOPEN": START}, {"DATE_OBS": "2024-01-02", "UT": "03:04:05"},
    ],
)  # fmt: skip
def test_other_cards_say_when_it_began(cards):
    found = describe(cards)
    assert abs((Time(found.capture_time) - Time(START)).sec) < 0.06
    assert found.notes == ()


@pytest.mark.parametrize(
    ("cards", "note"),
    [
        ({"DATE-AVG": "2024-01-02T03:04:35", "EXPTIME": 60}, "DATE-AVG"),
        ({"MJD-AVG": MJD + 30 / 86400, "EXPTIME": 60}, "MJD-AVG"),
        ({"DATE-END": "2024-01-02T03:05:05", "EXPTIME": 60}, "DATE-END"),
        ({"MJD-END": MJD + 60 / 86400, "EXPTIME": 60}, "MJD-END"),
    ],
)
def test_the_start_follows_from_the_middle_or_the_end_and_says_so(cards, note):
    found = describe(cards)
    assert abs((Time(found.capture_time) - Time(START)).sec) < 0.002
    assert abs((Time(found.mid_time) - Time(START)).sec - 30) < 0.002
    assert [each.split(":")[0] for each in found.notes] == [note]


def test_the_end_of_an_exposure_of_unknown_length_says_nothing_of_its_start():
    assert start(**{"DATE-END": START}) is None
    assert noted({"DATE-END": START}) == ["DATE-END"]


# --- forms (section 9.1.1; ISO 8601)


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-02T03:04:05", "2024-01-02t03:04:05z", "2024-01-02 03:04:05Z", "2024-1-2T3:04:05",
        "2024-01-02T03:04:05,0",
        "2024-01-02T03:03:60.0", "20240102T030405",
        "2024-01-02T030405", "2024/01/02 03:04:05", "2024-01-02T04:04:05+01:00", "2024-01-01T22:04:05-0500",
        "2024-01-02_03:04:05", "2024-002T03:04:05", "2024-01-02T03-04-05", "2024.01.02 03:04:05",
        "2024-01-02T03:04:05 UTC",
    ],
)  # fmt: skip
def test_forms_of_a_moment_that_say_themselves_what_they_are(text):
    expected = "2024-01-02T03:04:00.000" if text.endswith("03:60.0") else START
    assert start(DATE_OBS=text) == expected
    assert noted({"DATE-OBS": text}) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("25/12/2023 03:04:05", "2023-12-25T03:04:05.000"), ("12/25/2023 03:04:05", "2023-12-25T03:04:05.000"),
        ("02.01.2024 03:04:05", START), ("02-Jan-2024 03:04:05", START), ("Jan 2 2024 03:04:05", START),
        ("2024-Jan-02 03:04:05", START), ("Tue Jan  2 03:04:05 2024", START), ("2 January 2024 3:04:05 am", START),
        ("25/12/98 03:04:05", "1998-12-25T03:04:05.000"),
    ],
)  # fmt: skip
def test_other_forms_of_a_moment_are_read_and_say_so(text, expected):
    assert start(DATE_OBS=text) == expected
    assert noted({"DATE-OBS": text}) == ["DATE-OBS"]


@pytest.mark.parametrize("cards", [{"UT": "03:04:05"}, {"MJD-OBS": 48721.12783565}])
def test_the_old_form_of_fits_is_of_the_last_century(cards):
    assert start(DATE_OBS="09/04/92", **cards)[:19] == "1992-04-09T03:04:05"


@pytest.mark.parametrize(
    "text",
    [
        "31/13/04", "01/02/24", "01/02/2024 03:04:05", "2024-02-30T03:04:05", "2024-13-01T00:00:00",
        "2024-01-02T25:00:00",
        "2024-01-02T03:60:00", "2024-01-02T03:04:61", "0000-00-00T00:00:00", "0001-01-01T00:00:00",
        "1970-01-01T00:00:00",
        "1899-12-30T00:00:00", "1858-99-17", "soon", "2023-366T00:00:00",
        "2024-01-02T03:04:05+99:00", 1.5e300, -1, True,
        "9" * 5000, "2024-01-02T" + " " * 5000 + "!",
    ],
)  # fmt: skip
def test_what_is_no_moment_is_left_out_and_noted(text):
    assert start(DATE_OBS=text) is None
    assert noted({"DATE-OBS": text}) == ["DATE-OBS"]


def test_second_60_of_a_leap_second_is_the_next_minute():
    assert start(DATE_OBS="2016-12-31T23:59:60.5") == "2017-01-01T00:00:00.500"


@given(st.text(max_size=40), st.text(max_size=20))
def test_no_date_is_too_strange(date, time):
    describe({"DATE-OBS": date, "TIME-OBS": time, "MJD-OBS": time, "TIMESYS": time, "DATE-AVG": date, "DATE-END": date})


# --- scales (section 9.2.1, table 30)


@pytest.mark.parametrize("scale", ["tai", "tt", "tdb", "tcg", "tcb"])
@pytest.mark.parametrize("moment", ["2024-01-02T03:04:05.123", "1999-07-02T12:00:00.000", "1975-03-01T00:00:00.000"])
def test_scales_are_converted_as_astropy_does(scale, moment):
    truth = Time(moment, scale=scale).utc
    found = describe({"DATE-OBS": moment, "TIMESYS": scale.upper(), "EXPTIME": 0})
    assert abs((Time(found.mid_time) - truth).sec) < 2e-5
    by_number = describe({"MJD-OBS": Time(moment, scale=scale).mjd, "TIMESYS": scale.upper(), "EXPTIME": 0})
    assert abs((Time(by_number.mid_time) - truth).sec) < 2e-5


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("TAI", "2024-01-02T03:03:28.000"), ("TT", "2024-01-02T03:02:55.816"), ("TDT", "2024-01-02T03:02:55.816"),
        ("GPS", "2024-01-02T03:03:47.000"), ("tai", "2024-01-02T03:03:28.000"), ("TT(BIPM)", "2024-01-02T03:02:55.816"),
        ("UT1", START), ("GMT", START), ("UTC(NIST)", START), ("ut", START), ("IAT", "2024-01-02T03:03:28.000"),
    ],
)  # fmt: skip
def test_names_of_scales(name, expected):
    assert start(DATE_OBS=START, TIMESYS=name) == expected
    assert noted({"DATE-OBS": START, "TIMESYS": name}) == []


def test_the_time_of_day_in_ut_is_not_in_the_scale_of_the_date():
    assert start(DATE_OBS="2024-01-02", UT="03:04:05", TIMESYS="TAI") == START


@pytest.mark.parametrize(
    "cards", [{"TIMESYS": "LOCAL"}, {"TIMESYS": "PST"}, {"TREFPOS": "BARYCENTER", "TIMESYS": "TDB"}]
)
def test_times_of_clocks_that_are_not_known_are_left_out(cards):
    assert start(DATE_OBS=START, **cards) is None
    assert len(noted({"DATE-OBS": START, **cards})) == 1
    assert start(DATE_OBS=f"{START}Z", **cards) == START


def test_a_scale_of_its_own_stays_itself():
    assert scale_named("BJD") is None
    moment = Time("2024-01-02T03:04:05").datetime
    assert utc_of(moment, "UTC").isoformat() == "2024-01-02T03:04:05+00:00"


# --- cards that disagree


@pytest.mark.parametrize("away_s", [384, -384, 86400, -86400, 2])
def test_an_mjd_that_disagrees_is_noted_and_does_not_count(away_s):
    cards = {"DATE-OBS": START, "MJD-OBS": MJD + away_s / 86400, "EXPTIME": 60}
    found = describe(cards)
    assert found.capture_time.isoformat()[:19] == START[:19]
    assert found.mid_time.isoformat()[:19] == "2024-01-02T03:04:35"
    assert noted(cards) == ["MJD-OBS"]


@pytest.mark.parametrize(
    "cards",
    [
        {"MJD-OBS": round(MJD, 6)},
        {"JD": round(MJD + 2400000.5, 5)},
        {"JD": MJD + 2400000.5 + 300 / 86400, "EXPTIME": 600},
    ],
)
def test_what_is_as_precise_as_it_can_be_agrees(cards):
    assert noted({"DATE-OBS": START, **cards}) == []


def test_a_julian_date_in_the_place_of_an_mjd_is_read_and_says_so():
    assert start(**{"MJD-OBS": MJD + 2400000.5})[:17] == START[:17]
    assert noted({"MJD-OBS": MJD + 2400000.5}) == ["MJD-OBS"]
    assert start(JD=MJD) is None
    assert noted({"JD": MJD}) == ["JD"]


def test_date_beg_is_the_start_by_definition():
    cards = {"DATE-OBS": "2024-01-02T03:04:35", "DATE-BEG": START}
    assert start(**cards) == START
    assert noted(cards) == ["DATE-OBS"]


def test_a_time_of_day_that_differs_is_noted():
    cards = {"DATE-OBS": START, "TIME-OBS": "09:09:09"}
    assert start(**cards) == START
    assert noted(cards) == ["TIME-OBS"]


# --- the middle


def test_the_middle_of_a_stack_is_what_its_header_says():
    cards = {"DATE-OBS": START, "EXPTIME": 60, "DATE-AVG": "2024-01-02T03:34:05", "NCOMBINE": 20}
    assert describe(cards).mid_time.isoformat() == "2024-01-02T03:34:05+00:00"
    assert describe(cards).notes == ()
    by_number = {"DATE-OBS": START, "EXPTIME": 60, "MJD-AVG": MJD + 1800 / 86400}
    assert abs((Time(describe(by_number).mid_time) - Time("2024-01-02T03:34:05")).sec) < 0.002


def test_a_middle_before_the_start_is_left_out_and_noted():
    cards = {"DATE-OBS": START, "EXPTIME": 60, "DATE-AVG": "2024-01-01T03:34:05"}
    assert describe(cards).mid_time.isoformat() == "2024-01-02T03:04:35+00:00"
    assert noted(cards) == ["DATE-AVG"]


def test_a_middle_that_was_copied_from_the_start_is_left_out_and_noted():
    cards = {"DATE-OBS": START, "EXPTIME": 60, "DATE-AVG": START}
    assert describe(cards).mid_time.isoformat() == "2024-01-02T03:04:35+00:00"
    assert noted(cards) == ["DATE-AVG"]


def test_of_a_stack_that_says_no_middle_there_is_doubt():
    assert noted({"DATE-OBS": START, "EXPTIME": 10, "STACKCNT": 30}) == ["STACKCNT"]


def test_without_an_exposure_time_the_middle_is_between_start_and_end():
    cards = {"DATE-OBS": START, "DATE-END": "2024-01-02T03:06:05"}
    assert describe(cards).mid_time.isoformat() == "2024-01-02T03:05:05+00:00"
