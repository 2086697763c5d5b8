"""Dates and times of day as people write them into headers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

#: ISO 8601 in its usual form, which is read at once.
_TIDY = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?", re.ASCII)
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_MONTH = r"(?P<name>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_TIME = (
    r"(?P<hours>\d{1,2})(?:\s*[:hH]\s*|\s+)(?P<minutes>\d{1,2})"
    r"(?:(?:\s*[:mM]\s*|\s+)(?P<seconds>\d{1,2}(?:[.,]\d*)?)\s*[sS]?|\s*[mM])?"
)
_TIME_WITH_HYPHENS = r"(?P<hours>\d\d)-(?P<minutes>\d\d)-(?P<seconds>\d\d(?:[.,]\d*)?)"
_COMPACT_TIME = r"(?P<hours>\d\d)(?P<minutes>\d\d)(?P<seconds>\d\d(?:[.,]\d*)?)"
_AFTER_TIME = r"\s*(?P<half>[ap]\.?m\.?)?\s*(?P<zone>z|utc?|gmt|[+-]\d\d(?::?\d\d)?)?"
_TIMES: Final = tuple(
    re.compile(form + _AFTER_TIME, re.ASCII | re.IGNORECASE) for form in (_TIME, _TIME_WITH_HYPHENS, _COMPACT_TIME)
)
#: Each form of a date; what follows it is a time of day.
_DATES: Final = tuple(
    re.compile(rf"{form}(?=\D|$)", re.ASCII | re.IGNORECASE)
    for form in (
        r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})",
        r"\+(?P<year>\d{5})-(?P<month>\d\d)-(?P<day>\d\d)",
        r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)",
        r"(?P<year>\d{4})[-:](?P<ordinal>\d{3})",
        r"(?P<first>\d{1,2})(?P<mark>[-/.])(?P<second>\d{1,2})(?P=mark)(?P<year>\d{4}|\d\d)",
        rf"(?P<day>\d{{1,2}})[-. ]+{_MONTH}[-, ]+(?P<year>\d{{4}})",
        rf"{_MONTH}\s+(?P<day>\d{{1,2}})\s*,?\s+(?P<year>\d{{4}})",
        rf"(?P<year>\d{{4}})[- ]{_MONTH}[- ](?P<day>\d{{1,2}})",
    )
)
#: What the C library's `ctime` writes: `Fri Mar 13 21:30:05 2026`.
_CTIME = re.compile(
    rf"(?:[a-z]{{3}},?\s+)?{_MONTH}\s+(?P<day>\d{{1,2}})\s+(?P<time>[\d:.]+)\s+(?:utc?\s+|gmt\s+)?(?P<year>\d{{4}})",
    re.ASCII | re.IGNORECASE,
)
_BETWEEN = re.compile(r"\s*(?:[Tt_,;:]|-(?=\d))?\s*")
#: Two-digit years are of the 1900s (FITS Standard 4.0, section 9.1.1: DD/MM/YY is for dates before 2000). Below this
#: one a program after 2000 is meant at least as often, and nobody can tell.
_FIRST_SHORT_YEAR = 50
#: There is no astronomical photograph from before.
_FIRST_YEAR = 1840
_SHORT_YEAR_DIGITS = 2
#: No date and time is as long.
_LONGEST = 60
_DAY_S: Final = 86_400.0
#: What clocks and spreadsheets begin with: an exposure is never from then.
_ZEROS: Final = frozenset({(1899, 12, 30), (1899, 12, 31), (1900, 1, 1), (1904, 1, 1), (1970, 1, 1), (1980, 1, 1)})


class UnreadableDateError(ValueError):
    """A text is no date or time, or one that can mean several. The text says why."""


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """Seconds since midnight, and the zone if one was given; `Z` and `UTC` are one."""

    seconds: float
    zone: timezone | None = None


@dataclass(frozen=True, slots=True)
class DateText:
    """A date, the time of day if there is one, and whether the form is that of ISO 8601, so that none can be wrong."""

    day: date
    time: TimeOfDay | None = None
    is_iso: bool = True

    def moment(self) -> datetime:
        """Return the moment: aware if a zone was given. Raises `UnreadableDateError` beyond the calendar."""
        return at(self.day, self.time or TimeOfDay(0.0))


def read_tidy(text: str) -> datetime | None:
    """Return a date and time in the usual form, which has no zone; None for any other."""
    if not _TIDY.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:  # 31 February, second 60
        return None
    return moment if moment.year >= _FIRST_YEAR and not is_zero(moment) else None


def read_date(text: str) -> DateText:
    """Return a date, or a date and time.

    ISO 8601 also with blanks, one digit for two, decimal commas, second 60 and hour 24; DD/MM/YY of the 1900s; days and
    months in an order that can be told; names of months. Raises `UnreadableDateError`.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        raise UnreadableDateError("is no date")
    if ctime := _CTIME.fullmatch(text):
        return DateText(_day(ctime), read_time(ctime["time"]), is_iso=False)
    for form in _DATES:
        match = form.match(text)
        if match is None:
            continue
        rest = text[match.end() :]
        between = _BETWEEN.match(rest)
        rest = rest[between.end() if between else 0 :]
        time = read_time(rest) if rest else None
        is_iso = form.groupindex.keys().isdisjoint({"first", "name"})
        found = DateText(_day(match), time, is_iso=is_iso)
        if found.day.year < _FIRST_YEAR or is_zero(found.moment()):
            raise UnreadableDateError("is the beginning of a clock's count, not of an exposure")
        return found
    raise UnreadableDateError("is no date")


def read_time(text: str) -> TimeOfDay:
    """Return a time of day: `9:05:07.5`, `09h05m07s`, `090507`, `9:05 PM`; 60 seconds are a minute.

    Raises `UnreadableDateError`.
    """
    text = text.strip()[: _LONGEST + 1]
    match = next((match for match in (form.fullmatch(text) for form in _TIMES) if match), None)
    if match is None or len(text) > _LONGEST:
        raise UnreadableDateError("is no time of day")
    hours, minutes = int(match["hours"]), int(match["minutes"])
    seconds = float((match["seconds"] or "0").replace(",", "."))
    if match["half"]:
        if not 1 <= hours <= 12:
            raise UnreadableDateError("is no time of day")
        hours = hours % 12 + (12 if match["half"][0] in "pP" else 0)
    total = hours * 3600.0 + minutes * 60.0 + seconds
    if minutes > 59 or seconds >= 61.0 or total > _DAY_S + 1.0 or (hours > 23 and total != _DAY_S):
        raise UnreadableDateError("is no time of day")
    return TimeOfDay(total, _zone(match["zone"]))


def at(day: date, time: TimeOfDay) -> datetime:
    """Return a moment: aware, in UTC, if the time of day has a zone. Raises `UnreadableDateError`."""
    try:
        midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - of whatever scale
        moment = midnight + timedelta(microseconds=round(time.seconds * 1e6))
        return moment if time.zone is None else moment.replace(tzinfo=time.zone).astimezone(UTC)
    except OverflowError:
        raise UnreadableDateError("is beyond the calendar") from None


def is_zero(moment: datetime) -> bool:
    """Tell whether a moment is what a clock shows that was never set."""
    return (moment.year, moment.month, moment.day) in _ZEROS and moment.hour == moment.minute == moment.second == 0


def _zone(text: str | None) -> timezone | None:
    if not text:
        return None
    if text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    if offset >= timedelta(days=1):
        raise UnreadableDateError("is no time zone")
    return timezone(-offset if text[0] == "-" else offset)


def _day(match: re.Match[str]) -> date:
    parts = match.groupdict()
    year = int(parts["year"])
    try:
        if parts.get("ordinal"):
            return _ordinal(year, int(parts["ordinal"]))
        if parts.get("name"):
            return date(year, _MONTHS[parts["name"].lower()], int(parts["day"]))
        if parts.get("first"):
            return _of_unknown_order(parts, year)
        return date(year, int(parts["month"]), int(parts["day"]))
    except UnreadableDateError:
        raise
    except ValueError:
        raise UnreadableDateError("is no date") from None


def _ordinal(year: int, number: int) -> date:
    day = date(year, 1, 1) + timedelta(days=number - 1)
    if day.year != year:
        raise UnreadableDateError("is no date")
    return day


def _of_unknown_order(parts: dict[str, str], year: int) -> date:
    """Return the date of two numbers and a year. Days come first before points, and in FITS's own old form."""
    first, second = int(parts["first"]), int(parts["second"])
    if len(parts["year"]) == _SHORT_YEAR_DIGITS:
        if parts["mark"] != "/" or year < _FIRST_SHORT_YEAR:
            raise UnreadableDateError("can be of several centuries")
        return date(1900 + year, second, first)
    if parts["mark"] == "." or first == second or first > 12:
        return date(year, second, first)
    if second > 12:
        return date(year, first, second)
    raise UnreadableDateError("can be read day first or month first")
