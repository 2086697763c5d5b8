"""Reading FITS headers, also untidy ones: one bad card never costs the others."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning

HeaderValue = bool | int | float | str | None

_CARD_LENGTH = 80
_COMMENTARY_KEYWORDS = frozenset({"COMMENT", "HISTORY"})
#: Keywords that may come as often as there is something to say (FITS Standard 4.0, section 4.4.2.4).
COMMENTARY = _COMMENTARY_KEYWORDS | {""}

#: What astropy raises for a card it can neither read nor mend: bad syntax, or characters that FITS does not allow.
UNREADABLE_CARD = (fits.VerifyError, ValueError)

_KEYWORD = re.compile(r"(?:HIERARCH +(?P<long>[^='/]+)|(?P<short>[A-Z0-9_-]{1,8}))\s*=(?P<rest>.*)", re.IGNORECASE)
_QUOTED = re.compile(r"\s*'(?P<text>(?:[^']|'')*)'(?P<rest>.*)", re.DOTALL)
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[ED][+-]?[0-9]+)?", re.ASCII | re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_INT64 = np.iinfo(np.int64)


@dataclass(frozen=True, slots=True)
class ParsedHeader:
    """The cards of a header by keyword, and what could not be read as the standard wants it."""

    cards: dict[str, HeaderValue]
    notes: tuple[str, ...]


def parse_header_text(text: str) -> ParsedHeader:
    """Read header cards from text: 80-column cards glued together, or one card per line, up to `END` or the text's end.

    Strings lose their quotes and trailing blanks, long strings are joined over their CONTINUE cards, COMMENT and
    HISTORY cards are joined by newlines; of a keyword that comes twice the last value counts. Values without a type
    of the standard are kept as text and named in `notes`; cards without keyword or value are left out and named.

    References:
        FITS Standard 4.0, section 4.
    """
    cards: dict[str, HeaderValue] = {}
    notes: list[str] = []
    continued: str | None = None
    for number, card in enumerate(_split_cards(text), start=1):
        keyword = card[:8].rstrip().upper()
        if keyword in _COMMENTARY_KEYWORDS:
            _add_commentary(cards, keyword, card[8:].rstrip())
        elif keyword == "CONTINUE":
            so_far = cards.get(continued) if continued else None
            part = _QUOTED.match(card[8:])
            if continued and isinstance(so_far, str) and so_far.endswith("&") and part:
                cards[continued] = so_far[:-1] + _unquote(part)
            else:
                notes.append(f"card {number}: CONTINUE continues nothing")
        elif named := _KEYWORD.match(card):
            name = (named["long"] or named["short"]).strip().upper()
            try:
                cards[name], remark = _parse_value(named["rest"])
            except ValueError as error:
                notes.append(f"{name}: {error}")
                continued = None
                continue
            if remark:
                notes.append(f"{name}: {remark}")
            continued = name
        elif keyword:
            notes.append(f"card {number}: no value in {card.rstrip()!r}")
    return ParsedHeader(cards, tuple(notes))


class HeaderCards(Mapping[str, HeaderValue]):
    """The values of a header by keyword, fit for strict JSON: undefined or unreadable values are None.

    COMMENT and HISTORY cards are joined by newlines; of a keyword that comes twice the last value counts. A value is
    read when it is asked for: astropy takes 10 microseconds for one, and most are not.
    """

    def __init__(self, header: fits.Header) -> None:
        self._cards: dict[str, list[fits.Card]] = {}
        for card in header.cards:
            if card.keyword:
                self._cards.setdefault(card.keyword, []).append(card)

    def __getitem__(self, keyword: str) -> HeaderValue:
        cards = self._cards[keyword]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VerifyWarning)
            if keyword in _COMMENTARY_KEYWORDS:
                return "\n".join(str(_card_value(card)) for card in cards)
            return _card_value(cards[-1])

    def __iter__(self) -> Iterator[str]:
        return iter(self._cards)

    def __len__(self) -> int:
        return len(self._cards)


def header_cards(header: fits.Header) -> dict[str, HeaderValue]:
    """Return all values of a header by keyword, as `HeaderCards` has them."""
    return dict(HeaderCards(header))


def parse_float(token: str) -> float | None:
    """Return the value of a number in FITS notation (exponent E or D), None if it is none or beyond the floats."""
    if not _FLOAT.fullmatch(token):
        return None
    number = float(token.upper().replace("D", "E"))
    return number if math.isfinite(number) else None


def _split_cards(text: str) -> Iterator[str]:
    for line in re.split(r"[\r\n]+", text):
        for start in range(0, len(line), _CARD_LENGTH):
            card = line[start : start + _CARD_LENGTH]
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
    if _FLOAT.fullmatch(token):
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
