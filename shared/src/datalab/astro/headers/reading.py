"""Reading FITS headers, also untidy ones: one bad card never costs the others."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from numbers import Integral, Real
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning

from datalab.astro.headers.card_reader import FLOAT, CardReader, HeaderValue, parse_float

__all__ = [
    "UNREADABLE_CARD",
    "FrameDescription",
    "HeaderValue",
    "ParsedHeader",
    "describe",
    "header_cards",
    "image_axes",
    "parse_header_text",
    "readable",
    "science_hdu",
]

CARD_LENGTH = 80
COMMENTARY_KEYWORDS = frozenset({"COMMENT", "HISTORY"})

#: What astropy raises for a card it can neither read nor mend: bad syntax, or characters that FITS does not allow.
UNREADABLE_CARD = (fits.VerifyError, ValueError)

#: Three years: no stack of exposures is as long.
_LONGEST_EXPOSURE_S = 1e8

_KEYWORD = re.compile(r"(?:HIERARCH +(?P<long>[^='/]+)|(?P<short>[A-Z0-9_-]{1,8}))\s*=(?P<rest>.*)", re.IGNORECASE)
_QUOTED = re.compile(r"\s*'(?P<text>(?:[^']|'')*)'(?P<rest>.*)", re.DOTALL)
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_INT64 = np.iinfo(np.int64)


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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VerifyWarning)
        for card in header.cards:
            value = _card_value(card)
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
    axes = [image_axes(header) for header in headers]
    named = [
        index for index, header in enumerate(headers) if str(readable(header, "EXTNAME", "")).strip().upper() == "SCI"
    ]
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
    reader = CardReader(cards)
    right_ascension_deg, declination_deg = reader.position()
    return FrameDescription(
        capture_time=reader.capture_time(),
        right_ascension_deg=right_ascension_deg,
        declination_deg=declination_deg,
        altitude_deg=reader.number("ALTITUDE", lowest=-90, highest=90),
        azimuth_deg=reader.number("AZIMUTH", lowest=-180, highest=360),
        airmass=reader.number("AIRMASS", lowest=0.99),  # 1 at the zenith, less rounding
        exposure_time_s=reader.number("EXPTIME", "EXPOSURE", lowest=0, highest=_LONGEST_EXPOSURE_S),
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


def _split_cards(text: str) -> Iterator[str]:
    for line in re.split(r"[\r\n]+", text):
        for start in range(0, len(line), CARD_LENGTH):
            card = line[start : start + CARD_LENGTH]
            if card.rstrip() == "END":
                return
            yield card


def _card_value(card: fits.Card) -> HeaderValue:
    try:
        return _plain(card.value)
    except UNREADABLE_CARD:
        return None


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
    if FLOAT.fullmatch(token):
        number = parse_float(token)
        return number, None if number is not None else f"{token} is out of range"
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


def image_axes(header: fits.Header) -> tuple[int, ...]:
    """Return the lengths of an image's axes, columns first as FITS has them, or () if there is no image or no pixel."""
    compressed = readable(header, "ZIMAGE", None) is True
    if not compressed and str(readable(header, "XTENSION", "IMAGE")).strip().upper() != "IMAGE":
        return ()
    prefix = "ZNAXIS" if compressed else "NAXIS"
    count = readable(header, prefix, 0)
    if not isinstance(count, int):
        return ()
    lengths = tuple(readable(header, f"{prefix}{axis}", None) for axis in range(1, count + 1))
    return lengths if all(isinstance(length, int) and length > 0 for length in lengths) else ()


def readable(header: fits.Header, keyword: str, default: Any) -> Any:
    """Return the value of a card, or `default` if there is none or it cannot be read."""
    try:
        return header.get(keyword, default)
    except UNREADABLE_CARD:
        return default
