"""When an exposure began: the ways of saying it, and of saying it badly.

All files but those at the end mean the same instant, `START`.
"""

from __future__ import annotations

from typing import Any

from astropy import units
from astropy.time import Time, TimeDelta

from corpus.building import Cards, Raw, cards_of, file
from corpus.model import EXPOSURE_S, START, File, right
from corpus.truth import START_TIME, moment, utc

_STANDARD = "FITS 4.0, section 9"
_BEFORE_1999 = "FITS 4.0, section 9.1.1: DD/MM/YY for dates before 1999-01-01"
_DAY, _CLOCK = "2026-05-04", "22:00:01.417"
#: FITS 4.0, section 9.1.1, and ISO 8601: the same day in the way of before 1999.
_OLD = moment("1992-04-09T01:29:11")
_WHOLE_SECOND = moment("2026-05-04T22:00:01")
_WHOLE_MINUTE = moment("2026-05-04T22:00:00")
_MIDNIGHT = moment("2026-05-04T00:00:00")
_MIDDLE_TIME = START_TIME + TimeDelta(EXPOSURE_S / 2, format="sec")
_END_TIME = START_TIME + TimeDelta(EXPOSURE_S, format="sec")
#: Nobody knows the hour: midnight is what the standard's default is, and it is told.
_UNKNOWN_HOUR: dict[str, Any] = {
    "start": _MIDNIGHT,
    "noted": ("DATE-OBS",),
    "may_be_left_out": ("start", "middle"),
    "source": "FITS 4.0, section 9.1.1: a date without a time",
}
#: A double holds a Julian date of our days to 40 microseconds, and what is stored is cut to the millisecond.
_JD_WITHIN_S = 0.0012
#: One more than a header says may well be told: that a scale was converted, that a time was put together.
_TOLD = ("DATE-OBS", "DATE", "DATE-AVG", "MJD-AVG", "DATE-END", "TIMESYS")


def _no_date(**cards: Any) -> dict[str, Any]:
    return {"DATE-OBS": None, **cards}


def _time(name: str, changes: dict[str, Any] | Cards, **said: Any) -> File:
    told = {"may_be_noted": _TOLD, "source": _STANDARD} | said
    return file(name, right(**told), changes)


def _date(name: str, text: Any, start: Any = START, **said: Any) -> File:
    return _time(name, {"DATE-OBS": text}, **{"start": start} | said)


def _twice(first: Any, second: Any) -> Cards:
    cards = cards_of({"DATE-OBS": first})
    return Cards([*cards, ("DATE-OBS", second)])


ISO_8601 = [
    _date("iso-milliseconds", f"{_DAY}T{_CLOCK}", may_be_noted=()),
    _date("iso-seconds", f"{_DAY}T22:00:01", _WHOLE_SECOND, may_be_noted=()),
    _date("iso-nine-digits", f"{_DAY}T22:00:01.417000000", may_be_noted=()),
    _date("iso-seven-digits", f"{_DAY}T22:00:01.4170000", may_be_noted=()),
    _date("iso-zulu", f"{_DAY}T{_CLOCK}Z", source="ISO 8601; not of FITS 4.0, section 9.1.1"),
    _date("iso-offset", "2026-05-05T00:00:01.417+02:00", source="ISO 8601"),
    _date("iso-negative-offset", "2026-05-04T17:00:01.417-05:00", source="ISO 8601"),
    _date("iso-lower-case", f"{_DAY}t{_CLOCK}z", source="ISO 8601: T and Z by agreement in lower case"),
    _date("iso-blank-for-T", f"{_DAY} {_CLOCK}"),
    _date("iso-minutes", f"{_DAY}T22:00", _WHOLE_MINUTE),
    _date("iso-decimal-comma", f"{_DAY}T22:00:01,417", source="ISO 8601: the comma is the preferred sign"),
    _date("iso-trailing-blanks", f"{_DAY}T{_CLOCK}   ", may_be_noted=()),
    _date("iso-leading-blank", f" {_DAY}T{_CLOCK}"),
    _date("iso-basic", "20260504T220001.417", source="ISO 8601, basic format"),
    _date("iso-one-digit-hour", "2026-05-04T9:05:07", moment("2026-05-04T09:05:07")),
    _date("iso-sixty-seconds", "2026-05-04T21:59:60.0", _WHOLE_MINUTE),
    _date(
        "iso-leap-second",
        "2016-12-31T23:59:60.5",
        moment("2017-01-01T00:00:00"),
        time_within_s=1.001,  # Python's clock has no such second: its first or last instant is as near as can be
        source="FITS 4.0, section 9.1.1: seconds may be 60 in a leap second",
    ),
    _date("iso-twenty-four-hours", "2026-05-04T24:00:00", moment("2026-05-05T00:00:00"), source="ISO 8601:2004"),
    _date("iso-far-year", "+02026-05-04T22:00:01.417", source="FITS 4.0, section 9.1.1: five digits and a sign"),
    _date("unquoted", Raw(f"{_DAY}T{_CLOCK}")),
]

APART = [
    _time("date-and-ut", {"DATE-OBS": _DAY, "UT": _CLOCK}),
    _time("date-and-utc", {"DATE-OBS": _DAY, "UTC": _CLOCK}),
    _time("date-and-time-obs", {"DATE-OBS": _DAY, "TIME-OBS": _CLOCK}),
    _time("date-and-iso-time-obs", {"DATE-OBS": _DAY, "TIME-OBS": f"{_DAY}T{_CLOCK}"}),
    _time("date-and-utstart", {"DATE-OBS": _DAY, "UTSTART": _CLOCK}),
    _time("date-and-ut-start", {"DATE-OBS": _DAY, "UT-START": _CLOCK}),
    _time("date-and-mjd-obs", {"DATE-OBS": _DAY, "MJD-OBS": START_TIME.mjd}, time_within_s=_JD_WITHIN_S),
    _time("date-and-blank-ut", {"DATE-OBS": _DAY, "UT": "22 00 01.417"}),
    _time("midnight-in-full-and-ut", {"DATE-OBS": f"{_DAY}T00:00:00", "UT": "00:00:00"}, start=_MIDNIGHT),
    _time("full-date-and-same-time", {"TIME-OBS": _CLOCK, "UT": _CLOCK}, may_be_noted=()),
    _time("date-alone", {"DATE-OBS": _DAY}, **_UNKNOWN_HOUR),
    _time("date-and-no-time", {"DATE-OBS": _DAY, "UT": "N/A"}, **_UNKNOWN_HOUR),
    _time("date-and-bad-time", {"DATE-OBS": _DAY, "UT": "25:61:00"}, **_UNKNOWN_HOUR | {"noted": ("DATE-OBS", "UT")}),
]


OLD_DATES = [
    _time("old-date-and-ut", {"DATE-OBS": "09/04/92", "UT": "01:29:11"}, start=_OLD, source=_BEFORE_1999),
    _time("old-date-and-time-obs", {"DATE-OBS": "09/04/92", "TIME-OBS": "01:29:11"}, start=_OLD, source=_BEFORE_1999),
    _time(
        "old-date-and-mjd",  # of the ESO archive: to five digits of a day
        {"DATE-OBS": "09/04/92", "MJD-OBS": 48721.06194},
        start=utc(Time(48721.06194, format="mjd", scale="utc")),
        time_within_s=0.0012,
        source=_BEFORE_1999,
    ),
    _time(
        "old-date-of-1999",
        {"DATE-OBS": "31/12/99", "UT": "23:59:59"},
        start=moment("1999-12-31T23:59:59"),
        source=_BEFORE_1999,
    ),
    _time(
        "old-date-of-today",  # by a program that never learned better; and no month
        {"DATE-OBS": "31/13/04"},
        start=None,
        noted=("DATE-OBS",),
        source=_BEFORE_1999,
    ),
]

ELSEWHERE = [
    _time("mjd-obs", _no_date(**{"MJD-OBS": START_TIME.mjd}), time_within_s=_JD_WITHIN_S),
    _time("mjd-beg", _no_date(**{"MJD-BEG": START_TIME.mjd}), time_within_s=_JD_WITHIN_S),
    _time("jd", _no_date(JD=START_TIME.jd), time_within_s=_JD_WITHIN_S),
    _time("date-beg", _no_date(**{"DATE-BEG": f"{_DAY}T{_CLOCK}"})),
    _time("date-obs-underscore", _no_date(DATE_OBS=f"{_DAY}T{_CLOCK}")),
    _time("date-avg", _no_date(**{"DATE-AVG": _MIDDLE_TIME.isot})),
    _time("mjd-avg", _no_date(**{"MJD-AVG": _MIDDLE_TIME.mjd}), time_within_s=_JD_WITHIN_S),
    _time("date-end", _no_date(**{"DATE-END": _END_TIME.isot}), may_be_left_out=("start", "middle")),
    _time("date-beg-and-end", _no_date(**{"DATE-BEG": f"{_DAY}T{_CLOCK}", "DATE-END": _END_TIME.isot})),
    _time("file-date-only", _no_date(DATE="2026-05-05T08:00:00"), start=None, may_be_noted=(*_TOLD, "DATE-OBS")),
    _time("empty-and-mjd", {"DATE-OBS": "", "MJD-OBS": START_TIME.mjd}, time_within_s=_JD_WITHIN_S),
    _time("mjd-as-text", _no_date(**{"MJD-OBS": repr(float(START_TIME.mjd))}), time_within_s=_JD_WITHIN_S),
    _time(
        "jd-in-mjd-obs",
        _no_date(**{"MJD-OBS": START_TIME.jd}),
        time_within_s=_JD_WITHIN_S,
        noted=("MJD-OBS",),
        may_be_left_out=("start", "middle"),
    ),
    _time("no-time-at-all", _no_date(), start=None),
    _time("jd-of-nonsense", _no_date(JD=1234.5), start=None, noted=("JD",)),
]

#: What clocks of the scale show at the start. FITS 4.0, section 9.2.1 and table 30.
_CLOCKS = {
    "utc": START_TIME.isot,
    "tai": START_TIME.tai.isot,
    "tt": START_TIME.tt.isot,
    "tdt": START_TIME.tt.isot,
    "et": START_TIME.tt.isot,
    "tdb": START_TIME.tdb.isot,
    "tcg": START_TIME.tcg.isot,
    "tcb": START_TIME.tcb.isot,
    # GPS time was TAI - 19 s from its beginning on (IS-GPS-200)
    "gps": (START_TIME.tai - 19 * units.s).isot,
    "ut1": START_TIME.isot,
}
#: Nobody knows from a header how the Earth turned (UT1 - UTC is below 0.9 s), or where one was (TDB: 2 ms).
_CLOCKS_WITHIN_S = {"ut1": 0.9, "tdb": 0.004, "tcb": 0.004}

SCALES = [
    *(
        _time(
            f"timesys-{scale}",
            {"DATE-OBS": clock, "TIMESYS": scale.upper()},
            time_within_s=_CLOCKS_WITHIN_S.get(scale, 0.0021),
            source="FITS 4.0, section 9.2.1, table 30",
        )
        for scale, clock in _CLOCKS.items()
    ),
    _time("timesys-lower-case", {"DATE-OBS": START_TIME.tai.isot, "TIMESYS": "tai"}, time_within_s=0.0021),
    _time(
        "timesys-tai-mjd",
        _no_date(**{"MJD-OBS": START_TIME.tai.mjd, "TIMESYS": "TAI"}),
        time_within_s=0.0021,
        source="FITS 4.0, section 9.2.1: of all times of the header",
    ),
    _time("timesys-in-parentheses", {"DATE-OBS": START_TIME.tt.isot, "TIMESYS": "TT(TAI)"}, time_within_s=0.0021),
    _time("timesys-zulu-wins", {"DATE-OBS": f"{_DAY}T{_CLOCK}", "TIMESYS": "UTC     "}, may_be_noted=()),
    _time(
        "timesys-unknown",
        {"TIMESYS": "WALL"},
        noted=("TIMESYS",),
        may_be_left_out=("start", "middle"),
    ),
    _time(
        "timesys-local",
        {"TIMESYS": "LOCAL"},
        start=None,
        noted=("TIMESYS",),
        source="FITS 4.0, table 30: of no known relation to others",
    ),
]

DISAGREEING = [
    _time("mjd-agrees", {"MJD-OBS": START_TIME.mjd}, may_be_noted=()),
    _time("mjd-rounded", {"MJD-OBS": round(START_TIME.mjd, 2)}, noted=("MJD-OBS",)),
    _time("mjd-a-day-off", {"MJD-OBS": START_TIME.mjd + 1}, noted=("MJD-OBS",)),
    _time("jd-disagrees", {"JD": START_TIME.jd - 0.5}, may_be_noted=("JD", *_TOLD)),
    _time("mjd-of-the-middle", {"MJD-OBS": _MIDDLE_TIME.mjd}, may_be_noted=("MJD-OBS",)),
    _time("local-date-beside", {"DATE-LOC": "2026-05-05T00:00:01.417"}, may_be_noted=()),
    _time("empty-second", _twice(f"{_DAY}T{_CLOCK}", "")),
    _time("undefined-second", _twice(f"{_DAY}T{_CLOCK}", None)),
    _time("same-twice", _twice(f"{_DAY}T{_CLOCK}", f"{_DAY}T{_CLOCK}")),
    _time(
        "two-that-differ",
        _twice("2026-05-03T22:00:01.417", f"{_DAY}T{_CLOCK}"),
        noted=("DATE-OBS",),
        may_be_left_out=("start", "middle"),
        source="FITS 4.0, section 4.4: the value is indeterminate",
    ),
]

UNUSABLE = [
    _date("no-date-but-words", "last night", None, noted=("DATE-OBS",)),
    _date("day-that-is-none", "2026-02-31T00:00:00", None, noted=("DATE-OBS",)),
    _date("month-that-is-none", "2026-13-01T00:00:00", None, noted=("DATE-OBS",)),
    _date("hour-that-is-none", "2026-05-04T29:00:00", None, noted=("DATE-OBS",)),
    _date("number-for-a-date", 20260504.5, None, noted=("DATE-OBS",)),
    _date("truth-for-a-date", text=True, start=None, noted=("DATE-OBS",)),
    _date("year-zero", "0000-00-00T00:00:00", None, noted=("DATE-OBS",)),
    _date("months-first", "05/24/2026", None, noted=("DATE-OBS",), may_be_left_out=()),
]

MIDDLES = [
    # A stack of exposures: its header says when its middle was, which is not half its exposure time after its start.
    _time(
        "stack-with-date-avg",
        {"DATE-AVG": "2026-05-04T23:00:00.000"},
        middle=moment("2026-05-04T23:00:00"),
        may_be_noted=("DATE-AVG",),
        source="FITS 4.0, section 9.5: DATE-AVG",
    ),
    _time(
        "stack-with-mjd-avg",
        {"MJD-AVG": Time("2026-05-04T23:00:00").mjd},
        middle=moment("2026-05-04T23:00:00"),
        time_within_s=_JD_WITHIN_S,
        may_be_noted=("MJD-AVG",),
        source="FITS 4.0, section 9.5: MJD-AVG",
    ),
]

FURTHER = [
    _date("slashes-and-time", "2026/05/04 22:00:01.417"),
    _date("utc-behind", f"{_DAY}T{_CLOCK} UTC"),
    _date("offset-without-a-colon", f"{_DAY}T{_CLOCK}+0000", source="ISO 8601, basic format"),
    _date("ordinal-day", "2026-124T22:00:01.417", source="ISO 8601: ordinal dates"),
    _date("month-in-letters", "04-May-2026 22:00:01.417"),
    _date("ctime", "Mon May  4 22:00:01 2026", _WHOLE_SECOND),
    _date("twelve-digits", "2026-05-04T22:00:01.417000000000"),
    _date("hyphens-in-the-time", "2026-05-04T22-00-01.417"),
    _date("underscore-between", "2026-05-04_22:00:01.417"),
    _date("week-date", "2026-W19-1T22:00:01.417", may_be_left_out=("start", "middle"), source="ISO 8601: week dates"),
    _date("months-first-at-night", "05/24/2026 10:00:01 PM", moment("2026-05-24T22:00:01")),
    _date("clock-never-set", "1970-01-01T00:00:00", None, noted=("DATE-OBS",)),
    _time("ut-in-hours", {"DATE-OBS": _DAY, "UT": 22 + 1.417 / 3600}, may_be_noted=("UT", "DATE-OBS")),
    _time(
        "jd-with-comma",
        _no_date(JD=repr(float(START_TIME.jd)).replace(".", ",")),
        time_within_s=_JD_WITHIN_S,
        may_be_noted=("JD",),
    ),
    _time(
        "mjdref-and-tstart",
        _no_date(MJDREF=61164.0, TSTART=79201.417, TIMEUNIT="s"),
        time_within_s=_JD_WITHIN_S,
        source="FITS 4.0, sections 9.2.2 and 9.5",
    ),
    _time(
        "mjdref-in-parts",
        _no_date(MJDREFI=61164, MJDREFF=0.5, TSTART=36001.417),
        time_within_s=_JD_WITHIN_S,
        source="FITS 4.0, section 9.2.2",
    ),
    _time("tstart-since-nothing", _no_date(TSTART=79201.417), start=None, noted=("TSTART",)),
    _time("end-before-the-start", {"DATE-END": "2026-05-03T00:00:00"}, may_be_noted=("DATE-END",)),
    _time("timesys-realized", {"TIMESYS": "UTC(NIST)"}, source="FITS 4.0, section 9.2.1: realizations in parentheses"),
    _time("timesys-gmt", {"TIMESYS": "GMT"}, source="FITS 4.0, table 30: GMT"),
    _time("timesys-et-mjd", _no_date(**{"MJD-OBS": START_TIME.tt.mjd, "TIMESYS": "ET"}), time_within_s=0.0022),
    _time(
        "tai-date-and-mjd",
        {"DATE-OBS": START_TIME.tai.isot, "MJD-OBS": START_TIME.tai.mjd, "TIMESYS": "TAI"},
        time_within_s=0.0022,
    ),
    _time("tai-and-ut", {"DATE-OBS": _DAY, "UTSTART": _CLOCK, "TIMESYS": "TAI"}, time_within_s=0.0022),
    _time("tai-and-zulu", {"DATE-OBS": f"{_DAY}T{_CLOCK}Z", "TIMESYS": "TAI"}, time_within_s=0.0022),
]

RARE = [
    _time("date-and-time", {"DATE-OBS": _DAY, "TIME": _CLOCK}, may_be_left_out=("start", "middle")),
    _time("obs-date-and-obs-time", _no_date(**{"OBS-DATE": _DAY, "OBS-TIME": _CLOCK}), may_be_noted=("OBS-DATE",)),
    _time(
        "date-and-the-time-of-the-end", {"DATE-OBS": _DAY, "TIME-END": "22:00:31.417"}, start=None, noted=("DATE-OBS",)
    ),
    _time("date-and-another-ut", {"UT": "23:00:01"}, noted=("UT",)),
    _time("date-and-ut-of-the-end", {"UT": "22:00:31.417"}, may_be_noted=("UT",)),
    _time("date-and-utc-obs", {"DATE-OBS": _DAY, "UTC-OBS": _CLOCK}),
    _time(
        "mjd-in-date-obs", {"DATE-OBS": START_TIME.mjd}, time_within_s=_JD_WITHIN_S, may_be_left_out=("start", "middle")
    ),
    _time(
        "mjd-with-comma",
        _no_date(**{"MJD-OBS": Raw(f"{START_TIME.mjd:.11f}".replace(".", ","))}),
        time_within_s=0.002,
        may_be_noted=("MJD-OBS",),
    ),
    _time("mjd-with-d", _no_date(**{"MJD-OBS": Raw(f"{START_TIME.mjd:.15E}".replace("E", "D"))}), time_within_s=0.002),
    _time("mjd-of-zero", _no_date(**{"MJD-OBS": 0.0}), start=None, noted=("MJD-OBS",)),
    _time("mjd-below-zero", _no_date(**{"MJD-OBS": -1.0}), start=None, noted=("MJD-OBS",)),
    _time("mjd-of-the-day-only", _no_date(**{"MJD-OBS": 61164}), **_UNKNOWN_HOUR | {"noted": ("MJD-OBS",)}),
    _time("timesys-offset", {"TIMESYS": "TAI-UTC=37"}, start=None, noted=("TIMESYS",)),
    _time("timesys-empty", {"TIMESYS": ""}),
    _time(
        "at-the-barycentre",
        {"TREFPOS": "BARYCENTER", "TIMESYS": "TDB"},
        start=None,
        noted=("TREFPOS",),
        source="FITS 4.0, section 9.2.3",
    ),
    _date("year-of-two-digits", "26-05-04T22:00:01.417", noted=("DATE-OBS",), may_be_left_out=("start", "middle")),
    _date("day-or-month-first", "04/05/2026 22:00:01.417", noted=("DATE-OBS",), may_be_left_out=("start", "middle")),
    _date("points-in-the-date", "24.05.2026 22:00:01", moment("2026-05-24T22:00:01")),
    _date(
        "colon-before-milliseconds", f"{_DAY}T22:00:01:417", noted=("DATE-OBS",), may_be_left_out=("start", "middle")
    ),
    _date("zone-in-letters", f"{_DAY}T{_CLOCK} CEST", None, noted=("DATE-OBS",)),
    _date("quoted-twice", f"'{_DAY}T{_CLOCK}'", may_be_left_out=("start", "middle")),
]

FILES = [*ISO_8601, *APART, *OLD_DATES, *ELSEWHERE, *SCALES, *DISAGREEING, *UNUSABLE, *MIDDLES, *FURTHER, *RARE]
