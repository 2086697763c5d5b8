"""When an exposure began and what its middle was, UTC, from whatever cards say so: for archive and light curves alike.

References:
    FITS Standard 4.0, section 9: dates (9.1), time scales (9.2.1), reference positions (9.2.3), and what DATE-OBS,
    DATE-BEG, DATE-AVG, DATE-END and their MJD are (9.5, tables 34 and 35).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from datalab.astro.headers.card_grammar import HeaderValue
from datalab.astro.headers.card_values import CardValues
from datalab.astro.headers.date_texts import (
    DateText,
    TimeOfDay,
    UnreadableDateError,
    at,
    read_date,
    read_tidy,
    read_time,
)
from datalab.astro.headers.quantities import number_of
from datalab.astro.headers.time_scales import Scale, scale_named, utc_of

#: Cards with the date, or date and time, an exposure began: the standard's, then those of people and of ZTF.
_STARTS: Final = (
    "DATE-OBS",
    "DATE-BEG",
    "DATE_OBS",
    "DATEOBS",
    "DATE-STA",
    "UTC-OBS",
    "SHUTOPEN",
    "DATE-UTC",
    "OBS-DATE",
    "OBS_DATE",
)
#: Cards with the time of day an exposure began. The name of some says that it is UTC.
_TIMES_OF_DAY: Final = (
    ("TIME-OBS", False),
    ("TIME_OBS", False),
    ("UTSTART", True),
    ("UT-START", True),
    ("UT-OBS", True),
    ("UTC-OBS", True),
    ("UT", True),
    ("UTC", True),
    ("UTOBS", True),
    ("UTSHUT", True),
    ("UTC-STA", True),
    ("TIME-BEG", False),
    ("OBS-TIME", False),
    ("OBS_TIME", False),
)
_START_MJDS: Final = ("MJD-OBS", "MJD-BEG", "MJD_OBS", "MJDOBS", "OBSMJD", "MJD", "EXPSTART")
_START_JDS: Final = ("JD", "JD-OBS", "JD_OBS", "JD-BEG", "OBSJD", "JD_SOBS")
_MIDDLES: Final = ("DATE-AVG", "DATE-MID")
_MIDDLE_MJDS: Final = ("MJD-AVG", "MJD-MID", "MJDMID")
_MIDDLE_JDS: Final = ("JD_UTC", "JD-MID")
_ENDS: Final = ("DATE-END",)
_END_MJDS: Final = ("MJD-END",)
_END_JDS: Final = ("EXPEND",)
#: How many exposures an image was made of.
_COUNTS: Final = ("STACKCNT", "NCOMBINE")
_MOST_STACKED: Final = 1e6
#: The exposure time of all exposures of a stack: Siril's, Seestar's.
_TOTALS: Final = ("LIVETIME", "TOTALEXP")

MJD_ZERO: Final = datetime(1858, 11, 17)  # noqa: DTZ001 - of whatever scale
JD_OF_MJD_ZERO: Final = 2_400_000.5
#: In a thousand years; what is later is no MJD.
LATEST_MJD: Final = 400_000.0
#: Julian dates of 1858 to 2953: they are mistaken for MJD easily, and cannot be any.
_JULIAN_DATES: Final = (2_400_000.5, 2_800_000.0)
#: Dates written as numbers: 20260313.
_BASIC_DATES: Final = (18_400_101, 21_001_231)
#: Two cards that differ by less say the same.
_SAME_S: Final = 1.0
#: A Julian date of five decimals, as programs write it, is rounded to 0.4 s; one of four to 4 s.
_SAME_JD_S: Final = 5.0
_DAY: Final = timedelta(days=1)
#: Of longer exposures the middle differs from the start, as far as clocks of cameras tell.
_SHORT: Final = timedelta(seconds=2)
_ONE_MILLISECOND: Final = timedelta(milliseconds=1)
_DAY_S: Final = 86_400.0
_DAY_HOURS: Final = 24
#: A pause of a day in a stack of exposures is usual, one of years is not.
_LONGEST_STACK: Final = timedelta(days=3660)
#: Seconds in a unit, by TIMEUNIT (section 9.3, table 34).
_TIME_UNITS_S: Final = {"s": 1.0, "d": 86_400.0, "min": 60.0, "h": 3600.0}
_AWAY_FROM_EARTH = re.compile(r"BARY|HELIO|EMBARY|SUN|SOLAR", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ObservationTimes:
    """Start and middle of an exposure, aware, UTC. `day` is the date (ISO) where that is all there is."""

    start: datetime | None = None
    middle: datetime | None = None
    day: str | None = None


def observation_times(reader: CardValues, *, exposure_s: float | None) -> ObservationTimes:
    """Return when an exposure began, and its middle: what DATE-AVG says, else half the exposure time later.

    Where cards differ, DATE-OBS counts, but DATE-BEG before it, which is the start by definition. What cannot be used,
    differs, or follows from another card by the exposure time is noted.
    """
    return _Reading(reader, exposure_s).times()


class _Reading:
    """The cards of one header."""

    def __init__(self, reader: CardValues, exposure_s: float | None) -> None:
        self._reader = reader
        self._exposure = timedelta(seconds=exposure_s or 0.0)
        self._knows_exposure = exposure_s is not None
        self._scale: Scale | None = "UTC"
        self._day: tuple[str, date] | None = None

    def times(self) -> ObservationTimes:
        self._scale = self._time_scale()
        source, start = self._start()
        if start is not None and source == "DATE-OBS":
            start = self._checked(start)
        middle = self._middle(start)
        if start is None and middle is not None:
            start = middle - self._exposure / 2
            self._reader.note(_MIDDLES[0] if self._reader.value(_MIDDLES[0]) else "MJD-AVG", self._follows("middle"))
        if start is None:
            start = self._from_end()
        if start is None:
            if self._day is None:
                return ObservationTimes()
            keyword, day = self._day
            self._reader.refuse(keyword, "has no time of day beside it")
            return ObservationTimes(day=day.isoformat())
        if middle is None:
            middle = self._half_way(start)
        return ObservationTimes(start, middle)

    # --- the start -------------------------------------------------------------------------------------------

    def _start(self) -> tuple[str, datetime | None]:
        for keyword in _STARTS:
            found = self._moment(keyword, completes=True)
            if found is not None:
                return keyword, found
        for keyword in (*_START_MJDS, *_START_JDS):
            found = self._julian(keyword)
            if found is None:
                continue
            if self._day is not None and found.date() != self._day[1]:
                dated, day = self._day
                self._note_other_day(keyword, f"{dated}: only its time of day counts")
                found += day - found.date()
            if found.time() == datetime.min.time():  # rounded to the day
                self._day = self._day or (keyword, found.date())
                continue
            return keyword, found
        return "TSTART", self._relative("TSTART")

    def _relative(self, keyword: str) -> datetime | None:
        """Return the moment of a card with the time since MJDREF (sections 9.2.2 and 9.5)."""
        since = self._reader.number(keyword) if self._reader.value(keyword) is not None else None
        if since is None:
            return None
        parts = [self._reader.number(name) for name in ("MJDREF", "MJDREFI", "MJDREFF")]
        unit_s = _TIME_UNITS_S.get(str(self._reader.value("TIMEUNIT") or "s").strip().lower())
        if unit_s is None or not any(parts):
            self._reader.refuse(keyword, "is a time since nothing known (MJDREF, TIMEUNIT)")
            return None
        try:
            moment = MJD_ZERO + timedelta(
                days=parts[0] or (parts[1] or 0.0) + (parts[2] or 0.0), seconds=since * unit_s
            )
        except OverflowError:
            self._reader.refuse(keyword, "is no time within the years of the calendar")
            return None
        return self._utc(moment, keyword)

    def _checked(self, start: datetime) -> datetime:
        """Return the start that DATE-OBS says, or DATE-BEG if that differs; note what other cards say otherwise."""
        reader = self._reader
        begun = self._moment("DATE-BEG")
        if begun is not None and _differ(begun, start, _SAME_S):
            reader.note("DATE-OBS", f"{reader.value('DATE-OBS')!r} is not the start, DATE-BEG, which counts")
            start = begun
        for keyword, least_s in (("MJD-OBS", _SAME_S), ("JD", _SAME_JD_S)):
            said = self._julian(keyword)
            if said is None or not _differ(said, start, least_s):
                continue
            if keyword == "JD" and not _differ(said, start + self._exposure / 2, least_s):
                continue  # some programs write that of the middle
            away = _difference_text(said, start)
            reader.note(keyword, f"{reader.value(keyword)!r} is {away} from DATE-OBS: DATE-OBS counts")
        return self._with_time_of_day(start)

    def _with_time_of_day(self, start: datetime) -> datetime:
        """Compare the start with the time of day beside it, which counts where DATE-OBS has none but zeros."""
        reader = self._reader
        written = str(reader.value("DATE-OBS"))
        for keyword in ("TIME-OBS", "TIME_OBS", "UTSTART", "UT"):
            said = reader.value(keyword)
            if said is None or (isinstance(said, str) and said[:8] == written[11:19]):
                continue
            if keyword == "UT" and not isinstance(said, str):
                continue  # hours or seconds, of the start or of another moment
            time = self._time_of_day(keyword)
            if time is None:
                continue
            of_day = self._utc(at(start.date(), time), keyword)
            if of_day is None:
                continue
            away_s = abs((of_day - start).total_seconds()) % _DAY_S
            same_s = _SAME_S + (
                self._exposure.total_seconds() if keyword == "UT" else 0.0
            )  # some write that of the end
            if min(away_s, _DAY_S - away_s) <= same_s:
                continue
            if start.time() == datetime.min.time():
                reader.note("DATE-OBS", f"{written!r} has no time of day but zeros: {keyword} taken")
                return of_day
            reader.note(keyword, f"{said!r} differs from DATE-OBS: DATE-OBS counts")
        return start

    def _moment(self, keyword: str, *, completes: bool = False) -> datetime | None:
        """Return the moment of a card in UTC. Of a date alone the time of day is looked for, if it `completes`."""
        value = self._reader.value(keyword)
        if value is None:
            return None
        if isinstance(value, str) and (tidy := read_tidy(value.strip())) is not None:
            return self._utc(tidy, keyword)
        text = self._as_text(keyword, value)
        if text is None:
            return self._julian(keyword, says_so=True) if number_of(value) is not None else None
        try:
            found = read_date(text)
            moment = found.moment()
        except UnreadableDateError as error:
            self._reader.refuse(keyword, str(error))
            return None
        if found.time is None:
            return self._completed(keyword, found) if completes else None
        if not found.is_iso:
            self._reader.note(keyword, f"{value!r} read as {moment.isoformat(sep=' ')}")
        return self._utc(moment, keyword)

    def _as_text(self, keyword: str, value: HeaderValue) -> str | None:
        """Return a card's text; of a number only if it can be a date."""
        number = number_of(value)
        if number is not None:
            is_date = number.is_integer() and _BASIC_DATES[0] <= number <= _BASIC_DATES[1]
            return str(int(number)) if is_date else None
        if isinstance(value, str):
            return value
        self._reader.refuse(keyword, "is no date")
        return None

    def _completed(self, keyword: str, dated: DateText) -> datetime | None:
        """Return a date with the time of day of other cards, None if none has it."""
        if not dated.is_iso:
            self._reader.note(keyword, f"{self._reader.value(keyword)!r} read as {dated.day.isoformat()}")
        for other, _ in _TIMES_OF_DAY:
            if other == keyword or self._reader.value(other) is None:
                continue
            full = self._full_time(other, dated.day)
            if full is not None:
                return full
        if self._day is None:
            self._day = keyword, dated.day
        return None

    def _full_time(self, keyword: str, day: date) -> datetime | None:
        """Return a time of day on a day; some cards for it have a date of their own."""
        if _has_date(self._reader.value(keyword)):
            moment = self._moment(keyword)
            if moment is not None and moment.date() != day:
                self._note_other_day(keyword, f"{day.isoformat()}: it counts")
            return moment
        time = self._time_of_day(keyword)
        return None if time is None else self._utc(at(day, time), keyword)

    def _note_other_day(self, keyword: str, than: str) -> None:
        self._reader.note(keyword, f"{self._reader.value(keyword)!r} is of another day than {than}")

    def _time_of_day(self, keyword: str) -> TimeOfDay | None:
        value = self._reader.value(keyword)
        time, remark = _time_of_day(value)
        if time is None:
            self._reader.refuse(keyword, remark)
        elif remark:
            self._reader.note(keyword, f"{value!r} {remark}")
        return time

    # --- the middle and the end ------------------------------------------------------------------------------

    def _middle(self, start: datetime | None) -> datetime | None:
        """Return the middle of the exposure that the header states."""
        keyword, middle = self._first(_MIDDLES, _MIDDLE_MJDS, _MIDDLE_JDS if start is None else ())
        if middle is None or start is None:
            return middle
        if self._exposure > _SHORT and abs(middle - start) < _ONE_MILLISECOND:
            self._reader.note(keyword, f"{self._reader.value(keyword)!r} is the start, not the middle: left out")
            return None
        if start - timedelta(seconds=_SAME_S) <= middle <= start + _LONGEST_STACK:
            return middle
        self._reader.note(keyword, f"{self._reader.value(keyword)!r} is not after the start: left out")
        return None

    def _half_way(self, start: datetime) -> datetime:
        """Return the middle of an exposure, or of a stack, for which no card states it."""
        for keyword in _COUNTS:
            count = number_of(self._reader.value(keyword))
            if count is not None and count > 1:
                return self._half_way_of_stack(start, keyword, count)
        if not self._knows_exposure:
            _, end = self._first(_ENDS, _END_MJDS)
            return start + (end - start) / 2 if end is not None and start < end < start + _DAY else start
        return _later(start, self._exposure / 2)

    def _half_way_of_stack(self, start: datetime, keyword: str, count: float) -> datetime:
        """Return about when the middle of a stack was, and say so: pauses between its exposures may be of any length.

        EXPTIME of programs that write STACKCNT is that of one exposure; beside NCOMBINE it may be that of all.
        """
        source, end = self._first(_ENDS, _END_MJDS, _END_JDS)
        total = next((number for number in map(self._seconds, _TOTALS) if number), None)
        if end is not None and start < end < start + _LONGEST_STACK:
            middle, assumed = start + (end - start) / 2, f"half way from the start to {source}"
        elif total is not None:
            middle, assumed = _later(start, timedelta(seconds=total) / 2), "half of the whole exposure time"
        elif keyword == "STACKCNT" and count <= _MOST_STACKED:
            middle, assumed = _later(start, self._exposure * count / 2), "half of all exposure times"
        else:
            middle, assumed = _later(start, self._exposure / 2), "half of the exposure time"
        self._reader.note(
            keyword, f"made of {count:g} exposures, and no DATE-AVG says what their middle is: {assumed} is assumed"
        )
        return middle

    def _seconds(self, keyword: str) -> float | None:
        seconds = number_of(self._reader.value(keyword))
        return seconds if seconds is not None and 0 < seconds < _LONGEST_STACK.total_seconds() else None

    def _from_end(self) -> datetime | None:
        keyword, end = self._first(_ENDS, _END_MJDS)
        if end is None:
            return None
        if not self._knows_exposure:
            self._reader.refuse(keyword, "is the end of an exposure of unknown length")
            return None
        self._reader.note(keyword, self._follows("end"))
        return end - self._exposure

    def _follows(self, what: str) -> str:
        if not self._knows_exposure:
            return f"the {what} of an exposure of unknown length: taken for the start, which no card says"
        return f"the start, which no card says, is taken to be before this {what} by the exposure time"

    def _first(
        self, dates: tuple[str, ...], mjds: tuple[str, ...], jds: tuple[str, ...] = ()
    ) -> tuple[str, datetime | None]:
        for keyword in dates:
            moment = self._moment(keyword)
            if moment is not None:
                return keyword, moment
        for keyword in (*mjds, *jds):
            moment = self._julian(keyword)
            if moment is not None:
                return keyword, moment
        return "", None

    # --- numbers and scales ----------------------------------------------------------------------------------

    def _julian(self, keyword: str, *, says_so: bool = False) -> datetime | None:
        """Return the moment of a card with a (modified) Julian date."""
        value = self._reader.value(keyword)
        if value is None:
            return None
        number = self._reader.number(keyword)
        if number is None:
            return None
        is_jd = _JULIAN_DATES[0] < number < _JULIAN_DATES[1]
        is_to_be_jd = "JD" in keyword and "MJD" not in keyword
        if not is_jd and (is_to_be_jd or not 0 < number < LATEST_MJD):
            self._reader.refuse(keyword, f"is no {'Julian date' if is_to_be_jd else 'modified Julian date'}")
            return None
        if says_so or (is_jd and "MJD" in keyword):
            self._reader.note(keyword, f"{value!r} read as a {'Julian date' if is_jd else 'modified Julian date'}")
        mjd = number - JD_OF_MJD_ZERO if is_jd else number
        return self._utc(MJD_ZERO + timedelta(days=mjd), keyword)

    def _utc(self, moment: datetime, keyword: str) -> datetime | None:
        """Return a moment in UTC; an aware one says itself that it is. None in a scale that is not known."""
        if moment.tzinfo is not None:
            return moment
        if self._scale == "UTC" or any(keyword == name and is_utc for name, is_utc in _TIMES_OF_DAY):
            return moment.replace(tzinfo=UTC)
        return None if self._scale is None else utc_of(moment, self._scale)

    def _time_scale(self) -> Scale | None:
        reader = self._reader
        for keyword in ("TREFPOS", "TIMEREF"):
            place = reader.value(keyword)
            if place is not None and _AWAY_FROM_EARTH.search(str(place)):
                reader.note(keyword, f"{place!r}: times there differ by up to 8.3 minutes from those here: left out")
                return None
        name = reader.value("TIMESYS")
        if name is None or name == "UTC":
            return "UTC"
        scale = scale_named(str(name))
        if scale is None:
            reader.note("TIMESYS", f"{name!r} is not known: times in it are left out")
        return scale


def _has_date(value: HeaderValue) -> bool:
    """Tell whether a card has both a date and a time of day."""
    try:
        return isinstance(value, str) and read_date(value).time is not None
    except UnreadableDateError:
        return False


def _time_of_day(value: HeaderValue) -> tuple[TimeOfDay | None, str]:
    """Return a time of day and a remark on it, or why there is none."""
    reason = "is no time of day"
    if isinstance(value, str):
        try:
            return read_time(value), ""
        except UnreadableDateError as error:
            reason = str(error)
        if _has_date(value):
            return read_date(value).time, ""
    hours = number_of(value)
    if hours is not None and 0 <= hours < _DAY_HOURS:
        return TimeOfDay(hours * 3600.0), "read as hours"
    return None, reason


def _later(start: datetime, by: timedelta) -> datetime:
    try:
        return start + by
    except OverflowError:  # an exposure that does not end within the years of the calendar
        return start


def _differ(one: datetime, other: datetime, least_s: float) -> bool:
    return abs((one - other).total_seconds()) > least_s


def _difference_text(one: datetime, other: datetime) -> str:
    seconds = abs((one - other).total_seconds())
    return f"{seconds:.1f} s" if seconds < _DAY_S / 2 else f"{seconds / _DAY_S:.4f} d"
