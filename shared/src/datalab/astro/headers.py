"""Reading FITS headers, also untidy ones: one bad card never costs the others."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from numbers import Integral, Real

import numpy as np
from astropy.coordinates import ConvertError
from astropy.io import fits
from astropy.wcs import WCS

HeaderValue = bool | int | float | str | None

CARD_LENGTH = 80
COMMENTARY_KEYWORDS = frozenset({"COMMENT", "HISTORY"})

_KEYWORD = re.compile(r"(?:HIERARCH +(?P<long>[^='/]+)|(?P<short>[A-Z0-9_-]{1,8}))\s*=(?P<rest>.*)", re.IGNORECASE)
_QUOTED = re.compile(r"\s*'(?P<text>(?:[^']|'')*)'(?P<rest>.*)", re.DOTALL)
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[ED][+-]?[0-9]+)?", re.ASCII | re.IGNORECASE)
_INT64 = np.iinfo(np.int64)

_DATE_TIME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)(?:[T ](?P<time>\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(?P<zone>Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_SEXAGESIMAL = re.compile(
    r"(?P<sign>[+-]?)(?P<units>\d{1,3})[: ](?P<minutes>[0-5]?\d)[: ](?P<seconds>[0-5]?\d(?:\.\d*)?)", re.ASCII
)
_FILTER_WHEEL = re.compile(r"FILTER[1-9]", re.ASCII)

#: What observatories write into a card they have no value for.
_PLACEHOLDERS = frozenset({"", "N/A"})


@dataclass(frozen=True, slots=True)
class ParsedHeader:
    """The cards of a header by keyword, and what could not be read as the standard wants it."""

    cards: dict[str, HeaderValue]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FrameDescription:
    """What a header says about an exposure; None where it says nothing usable, with the reason in `problems`."""

    capture_time: datetime | None = None
    right_ascension_deg: float | None = None
    declination_deg: float | None = None
    altitude_deg: float | None = None
    azimuth_deg: float | None = None
    airmass: float | None = None
    exposure_time_s: float | None = None
    filter_name: str | None = None
    username: str | None = None
    user_id: str | None = None
    target_name: str | None = None
    proposal_id: str | None = None
    observation_id: str | None = None
    request_id: str | None = None
    site_id: str | None = None
    telescope_id: str | None = None
    instrument_id: str | None = None
    observation_day: str | None = None
    reduction_level: int | None = None
    configuration_type: str | None = None
    public_date: datetime | None = None
    problems: tuple[str, ...] = ()


def parse_header_text(text: str) -> ParsedHeader:
    """Read header cards from text: 80-column cards glued together, or one card per line, up to `END` or the text's end.

    Strings lose their quotes and trailing blanks, long strings are joined over their CONTINUE cards, COMMENT and
    HISTORY cards are joined by newlines; of a keyword that comes twice the last value counts. Values without a type
    of the standard are kept as text and named in `problems`; cards without keyword or value are left out and named.

    References:
        FITS Standard 4.0, section 4.
    """
    cards: dict[str, HeaderValue] = {}
    problems: list[str] = []
    continued: str | None = None
    for number, card in enumerate(_split_cards(text), start=1):
        keyword = card[:8].rstrip().upper()
        if keyword in COMMENTARY_KEYWORDS:
            _add_commentary(cards, keyword, card[8:].rstrip())
        elif keyword == "CONTINUE":
            so_far = cards.get(continued) if continued else None
            part = _QUOTED.match(card[8:])
            if continued and isinstance(so_far, str) and so_far.endswith("&") and part:
                cards[continued] = so_far[:-1] + _unquote(part)
            else:
                problems.append(f"card {number}: CONTINUE continues nothing")
        elif named := _KEYWORD.match(card):
            name = (named["long"] or named["short"]).strip().upper()
            try:
                cards[name], remark = _parse_value(named["rest"])
            except ValueError as error:
                problems.append(f"{name}: {error}")
                continued = None
                continue
            if remark:
                problems.append(f"{name}: {remark}")
            continued = name
        elif keyword:
            problems.append(f"card {number}: no value in {card.rstrip()!r}")
    return ParsedHeader(cards, tuple(problems))


def header_cards(header: fits.Header) -> dict[str, HeaderValue]:
    """Return the values of a header by keyword, fit for strict JSON: undefined or unreadable values are None.

    COMMENT and HISTORY cards are joined by newlines; of a keyword that comes twice the last value counts.
    """
    cards: dict[str, HeaderValue] = {}
    for card in header.cards:
        try:
            value = _plain(card.value)
        except fits.VerifyError:
            value = None
        if card.keyword in COMMENTARY_KEYWORDS:
            _add_commentary(cards, card.keyword, str(value))
        elif card.keyword:
            cards[card.keyword] = value
    return cards


def science_hdu(headers: Sequence[fits.Header]) -> int:
    """Return the index of the science image: the extension named SCI, else the first two-dimensional image.

    Args:
        headers: one per header-data unit, in the order of the file; tile-compressed images may be given by the
            header of their table (ZIMAGE) or by that of the image.

    Raises:
        ValueError: there is no image, or it has not two dimensions.
    """
    axes = [_image_axes(header) for header in headers]
    named = [index for index, header in enumerate(headers) if str(header.get("EXTNAME", "")).strip().upper() == "SCI"]
    candidates = named or range(len(headers))
    for index in candidates:
        if len(axes[index]) == 2:
            return index
    dimensions = [len(axes[index]) for index in candidates if axes[index]]
    if dimensions:
        raise ValueError(f"the science image has {dimensions[0]} dimensions; only images of two can be used")
    raise ValueError("the extension SCI has no image" if named else "the file has no image")


def describe(cards: Mapping[str, HeaderValue]) -> FrameDescription:
    """Return what the archive wants to know about an exposure, from the cards observatories are known to write.

    Numbers may be given as text. Times are UTC, cut to milliseconds; positions are in degrees, taken from the WCS
    reference value, else OBJCTRA/OBJCTDEC, else RA/DEC. Numbers are degrees; in sexagesimal text RA is in hours.
    """
    reader = _CardReader(cards)
    right_ascension_deg, declination_deg = reader.position()
    return FrameDescription(
        capture_time=reader.capture_time(),
        right_ascension_deg=right_ascension_deg,
        declination_deg=declination_deg,
        altitude_deg=reader.number("ALTITUDE", lowest=-90, highest=90),
        azimuth_deg=reader.number("AZIMUTH", lowest=-180, highest=360),
        airmass=reader.number("AIRMASS", lowest=0.99),  # 1 at the zenith, less rounding
        exposure_time_s=reader.number("EXPTIME", "EXPOSURE", lowest=0),
        filter_name=reader.filter_name(),
        username=reader.text("USERNAME"),
        user_id=reader.text("USERID"),
        target_name=reader.text("OBJECT"),
        proposal_id=reader.text("PROPID"),
        observation_id=reader.text("BLKUID"),
        request_id=reader.text("REQNUM"),
        site_id=reader.text("SITEID"),
        telescope_id=reader.text("TELID"),
        instrument_id=reader.text("INSTRUME"),
        observation_day=reader.day("DAY-OBS"),
        reduction_level=reader.whole("RLEVEL"),
        configuration_type=reader.text("OBSTYPE"),
        public_date=reader.moment("L1PUBDAT"),
        problems=tuple(reader.problems),
    )


def footprint(header: fits.Header, shape: tuple[int, int]) -> list[tuple[float, float]] | None:
    """Return the corners of an image on the sky as ICRS (right ascension, declination) in degrees, or None without WCS.

    The order is that of the outer corners of pixels [0, 0], [0, last], [last, last], [last, 0]. Right ascensions are
    in [0, 360), so a footprint across RA 0 has values from both ends.

    Args:
        header: of the image; an invalid WCS counts as none.
        shape: (rows, columns).
    """
    rows, columns = shape
    x = np.array([0, columns, columns, 0]) - 0.5  # pixel centres are whole numbers
    y = np.array([0, 0, rows, rows]) - 0.5
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # astropy tells what it mended in the header
            wcs = WCS(header)
            if not wcs.has_celestial:
                return None
            corners = wcs.celestial.pixel_to_world(x, y).icrs
    # What astropy.wcs raises for damaged keywords; WcsError is a ValueError.
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, ConvertError, fits.VerifyError):
        return None
    right_ascensions, declinations = corners.ra.deg % 360.0, corners.dec.deg
    if not (np.isfinite(right_ascensions).all() and np.isfinite(declinations).all()):
        return None
    return list(zip(right_ascensions.tolist(), declinations.tolist(), strict=True))


def _split_cards(text: str) -> Iterator[str]:
    for line in re.split(r"[\r\n]+", text):
        for start in range(0, len(line), CARD_LENGTH):
            card = line[start : start + CARD_LENGTH]
            if card.rstrip() == "END":
                return
            yield card


def _add_commentary(cards: dict[str, HeaderValue], keyword: str, text: str) -> None:
    cards[keyword] = f"{cards[keyword]}\n{text}" if keyword in cards else text


def _unquote(quoted: re.Match[str]) -> str:
    return quoted["text"].replace("''", "'").rstrip()


def _parse_value(rest: str) -> tuple[HeaderValue, str | None]:
    """Return the value after a card's equals sign, and a remark if it is not what the standard wants.

    Raises:
        ValueError: a string without its closing quote.
    """
    if rest.lstrip().startswith("'"):
        quoted = _QUOTED.match(rest)
        if quoted is None:
            raise ValueError(f"closing quote missing in {rest.strip()!r}")
        after = quoted["rest"].strip()
        remark = f"text after the closing quote: {after!r}" if after and not after.startswith("/") else None
        return _unquote(quoted), remark
    token = rest.partition("/")[0].strip()
    if not token:
        return None, None
    if token in {"T", "F"}:
        return token == "T", None  # noqa: S105  the FITS logical, no password
    if _INTEGER.fullmatch(token):
        return _plain(int(token)), None
    if _FLOAT.fullmatch(token):
        number = float(token.upper().replace("D", "E"))
        return (number, None) if math.isfinite(number) else (None, f"{token} is out of range")
    return token, f"{token!r} is neither number nor quoted text"


def _plain(value: object) -> HeaderValue:
    """Return a card's value as strict JSON and 64-bit stores take it; integers beyond 64 bits become floats."""
    if value is None or isinstance(value, fits.card.Undefined):
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, Integral) and _INT64.min <= int(value) <= _INT64.max:
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        return number if math.isfinite(number) else None
    return str(value)


def _image_axes(header: fits.Header) -> tuple[int, ...]:
    """Return the lengths of an image's axes, none of them empty, or () if there is no image."""
    compressed = header.get("ZIMAGE") is True
    if not compressed and str(header.get("XTENSION", "IMAGE")).strip().upper() != "IMAGE":
        return ()
    prefix = "ZNAXIS" if compressed else "NAXIS"
    count = header.get(prefix, 0)
    if not isinstance(count, int):
        return ()
    lengths = tuple(header.get(f"{prefix}{axis}") for axis in range(1, count + 1))
    return lengths if all(isinstance(length, int) and length > 0 for length in lengths) else ()


class _CardReader:
    """Takes values out of cards, noting those that cannot be used."""

    def __init__(self, cards: Mapping[str, HeaderValue]) -> None:
        self._cards = cards
        self.problems: list[str] = []

    def text(self, keyword: str) -> str | None:
        value = self._value(keyword)
        if value is None:
            return None
        if isinstance(value, bool):
            return self._refuse(keyword, "is not text")
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
        if number is None or number.is_integer():
            return None if number is None else int(number)
        return self._refuse(keyword, "is not a whole number")

    def moment(self, keyword: str) -> datetime | None:
        """Return a UTC time; a date alone is its midnight."""
        text = self.text(keyword)
        if text is None:
            return None
        moment = _as_moment(text)
        return moment if moment else self._refuse(keyword, "is not an ISO date and time")

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
            return self._refuse(keyword, "is not a date")

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
        return degrees if lowest <= degrees <= highest else self._refuse(keyword, "is out of range")

    def _value(self, keyword: str) -> HeaderValue:
        value = self._cards.get(keyword)
        is_placeholder = isinstance(value, str) and value.strip().upper() in _PLACEHOLDERS
        return None if is_placeholder else value

    def _refuse(self, keyword: str, reason: str) -> None:
        problem = f"{keyword}: {self._cards[keyword]!r} {reason}"
        if problem not in self.problems:
            self.problems.append(problem)


def _as_number(value: HeaderValue) -> float | None:
    if isinstance(value, str):
        value = float(value) if _FLOAT.fullmatch(value.strip()) else None
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
