"""Taking typed values out of the cards of a header, whatever was written into them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Self

from astropy.io import fits

from datalab.astro.headers.cards import HeaderCards, HeaderValue, parse_float

_DATE_TIME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)(?:[T ](?P<time>\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(?P<zone>Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_SEXAGESIMAL = re.compile(
    r"(?P<sign>[+-]?)(?P<units>\d{1,3})[: ](?P<minutes>[0-5]?\d)[: ](?P<seconds>[0-5]?\d(?:\.\d*)?)", re.ASCII
)
_FILTER_WHEEL = re.compile(r"FILTER[1-9]", re.ASCII)

#: Says from when on an exposure is public.
PUBLIC_DATE_KEYWORD = "L1PUBDAT"
#: What observatories write into a card they have no value for.
_PLACEHOLDERS = frozenset({"", "N/A"})


class CardReader:
    """Returns usable values and None for the rest, noting in `notes` what could not be used and why."""

    def __init__(self, cards: Mapping[str, HeaderValue]) -> None:
        self._cards = cards
        self.notes: list[str] = []

    @classmethod
    def of(cls, header: fits.Header) -> Self:
        return cls(HeaderCards(header))

    def text(self, keyword: str) -> str | None:
        value = self._value(keyword)
        if value is None:
            return None
        if isinstance(value, bool):
            self._refuse(keyword, "is not text")
            return None
        return str(value).strip()

    def number(self, *keywords: str, lowest: float = -math.inf, highest: float = math.inf) -> float | None:
        """Return the first usable number in [lowest, highest] among the keywords."""
        for keyword in keywords:
            value = self._value(keyword)
            if value is None:
                continue
            number = _as_number(value)
            if number is None:
                self._refuse(keyword, "is not a finite number")
            elif not lowest <= number <= highest:
                self._refuse(keyword, "is out of range")
            else:
                return number
        return None

    def whole(self, keyword: str) -> int | None:
        number = self.number(keyword, lowest=-(2**53), highest=2**53)  # every whole number a float holds
        if number is None:
            return None
        if not number.is_integer():
            self._refuse(keyword, "is not a whole number")
            return None
        return int(number)

    def moment(self, keyword: str) -> datetime | None:
        """Return a UTC time; a date alone is its midnight."""
        text = self.text(keyword)
        if text is None:
            return None
        moment = _as_moment(text)
        if moment is None:
            self._refuse(keyword, "is not an ISO date and time")
        return moment

    def public_date(self) -> datetime | None:
        """Return from when on everybody may see the exposure. A card without a value is noted: there should be one."""
        if PUBLIC_DATE_KEYWORD in self._cards and self._value(PUBLIC_DATE_KEYWORD) is None:
            self._refuse(PUBLIC_DATE_KEYWORD, "is not an ISO date and time")
        return self.moment(PUBLIC_DATE_KEYWORD)

    def capture_time(self) -> datetime | None:
        start = self.moment("DATE-OBS")
        if start is None or _has_time(str(self._cards["DATE-OBS"])):
            return start
        for keyword in ("TIME-OBS", "UTSTART"):
            text = self.text(keyword)
            if text is None:
                continue
            combined = _as_moment(f"{start.date().isoformat()}T{text}")
            if combined:
                return combined
            self._refuse(keyword, "is not a time of day")
        self._refuse("DATE-OBS", "has no time of day, midnight is assumed")
        return start

    def day(self, keyword: str) -> str | None:
        text = self.text(keyword)
        if text is None:
            return None
        try:
            return date.fromisoformat(text[:10]).isoformat()
        except ValueError:
            self._refuse(keyword, "is not a date")
            return None

    def filter_name(self) -> str | None:
        """Return FILTER, else the first optical element of the filter wheels that is not an empty slot."""
        wheels = sorted(keyword for keyword in self._cards if _FILTER_WHEEL.fullmatch(keyword))
        names = [self.text("FILTER"), *(name for name in map(self.text, wheels) if name and name.lower() != "air")]
        return next((name for name in names if name), None)

    def position(self) -> tuple[float | None, float | None]:
        """Return right ascension and declination in degrees, both from the same source if one has both."""
        found = [(self._right_ascension(ra), self._declination(dec)) for ra, dec in self._position_keywords()]
        complete = [pair for pair in found if None not in pair]
        return next(iter(complete or found), (None, None))

    def _position_keywords(self) -> Iterator[tuple[str, str]]:
        axes = {str(self._cards.get(f"CTYPE{axis}", "")).strip().upper().partition("-")[0]: axis for axis in (1, 2)}
        if axes.keys() >= {"RA", "DEC"}:
            yield f"CRVAL{axes['RA']}", f"CRVAL{axes['DEC']}"
        yield "OBJCTRA", "OBJCTDEC"
        yield "RA", "DEC"
        if axes.keys() == {""}:  # text headers without a solution still carry where the telescope pointed
            yield "CRVAL1", "CRVAL2"

    def _right_ascension(self, keyword: str) -> float | None:
        degrees = self._angle(keyword, degrees_per_unit=15.0, lowest=0, highest=360)
        return None if degrees is None else degrees % 360.0

    def _declination(self, keyword: str) -> float | None:
        return self._angle(keyword, degrees_per_unit=1.0, lowest=-90, highest=90)

    def _angle(self, keyword: str, *, degrees_per_unit: float, lowest: float, highest: float) -> float | None:
        value = self._value(keyword)
        sexagesimal = _SEXAGESIMAL.fullmatch(value.strip()) if isinstance(value, str) else None
        if sexagesimal is None:
            return self.number(keyword, lowest=lowest, highest=highest)
        units = int(sexagesimal["units"]) + int(sexagesimal["minutes"]) / 60 + float(sexagesimal["seconds"]) / 3600
        degrees = math.copysign(units * degrees_per_unit, -1 if sexagesimal["sign"] == "-" else 1)
        if not lowest <= degrees <= highest:
            self._refuse(keyword, "is out of range")
            return None
        return degrees

    def _value(self, keyword: str) -> HeaderValue:
        value = self._cards.get(keyword)
        is_placeholder = isinstance(value, str) and value.strip().upper() in _PLACEHOLDERS
        return None if is_placeholder else value

    def _refuse(self, keyword: str, reason: str) -> None:
        note = f"{keyword}: {self._cards[keyword]!r} {reason}"
        if note not in self.notes:
            self.notes.append(note)


def _as_number(value: HeaderValue) -> float | None:
    if isinstance(value, str):
        return parse_float(value.strip())
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _has_time(text: str) -> bool:
    match = _DATE_TIME.fullmatch(text.strip())
    return match is not None and match["time"] is not None


def _as_moment(text: str) -> datetime | None:
    """Return an ISO date and time as UTC, cut to the millisecond; without a zone it is UTC."""
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # 31 February; a zone that leads before the year 1
        return None
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
