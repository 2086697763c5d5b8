"""The grammar of a header card, for header texts and FITS files alike.

What the standard allows is read without a remark. What people write beside it (text without quotes, NaN, characters
beyond ASCII) is read where its meaning is clear, else left out; a remark says so either way. FITS Standard 4.0, section
4.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from numbers import Integral, Real
from typing import Final, NamedTuple

import numpy as np

HeaderValue = bool | int | float | str | None

CARD_LENGTH: Final = 80
COMMENTARY_KEYWORDS: Final = frozenset({"COMMENT", "HISTORY"})

#: A card with nothing to remark on, and no number beyond the floats. Its groups: keyword, text, logical value, whole
#: number, number.
_TIDY = re.compile(
    r"([A-Z0-9_-]{1,8}) *= +"
    r"(?:'((?:[ -&(-~]|'')*)'|([TF])|([+-]?[0-9]{1,70})|"
    r"([+-]?(?:[0-9]{1,70}(?:\.[0-9]*)?|\.[0-9]+)(?:[ED][+-]?[0-9]{1,2})?))"
    r"(?!/[0-9]) *(?:/[ -~]*)?"  # what follows a slash at once may be the rest of a date
)
_KEYWORD = re.compile(
    r"(?:HIERARCH +(?P<long>[^='/]+)|(?P<short>[A-Z0-9_-]{1,8}))\s*=(?P<rest>.*)", re.IGNORECASE | re.DOTALL
)
_QUOTED = re.compile(r"\s*'(?P<text>(?:[^']|'')*)'(?P<rest>.*)", re.DOTALL)
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[ED][+-]?[0-9]+)?", re.ASCII | re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_COMPLEX = re.compile(rf"\(\s*({_FLOAT.pattern})\s*,\s*({_FLOAT.pattern})\s*\)", re.ASCII | re.IGNORECASE)
_NO_NUMBER = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
#: A date whose slashes do not begin a comment.
_SLASHED_DATE = re.compile(r"\s*([0-9]{1,4}/[0-9]{1,2}/[0-9]{1,4}(?:[T ][0-9:.]+)?)(?=\s|$)", re.ASCII)
_UNIT = re.compile(r"(?: *'(?:[^']|'')*'|[^'/]*) */ *\[ *(?P<unit>[^\]]*?) *\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_INT64 = np.iinfo(np.int64)


class Remarked(NamedTuple):
    """A value, and what there is to say of how it was written."""

    value: HeaderValue
    remark: str | None = None


class Card(NamedTuple):
    """One card with a value."""

    keyword: str
    value: HeaderValue
    remark: str | None = None


class UnreadableCardError(ValueError):
    """A card has no value that can be read. `keyword` is None if it does not even name one."""

    def __init__(self, keyword: str | None, reason: str) -> None:
        super().__init__(reason)
        self.keyword = keyword
        self.reason = reason


def read_card(text: str) -> Card:
    """Read a card of 80 columns or another length: not COMMENT, HISTORY, CONTINUE, END or a blank one.

    Bytes beyond ASCII are to come as the characters of these numbers (Latin-1), so that columns are counted right.

    Raises:
        UnreadableCardError: there is no value.
    """
    tidy = read_tidy_card(text)
    if tidy is not None:
        return Card(*tidy)
    named = _KEYWORD.match(text)
    if named is None:
        raise UnreadableCardError(None, f"no value in {shown(text)}")
    keyword = (named["long"] or named["short"]).strip().upper()
    try:
        value, remark = read_value(named["rest"])
    except ValueError as error:
        raise UnreadableCardError(keyword, str(error)) from None
    return Card(keyword, value, remark or _remark_on_form(text, named))


def _remark_on_form(text: str, named: re.Match[str]) -> str | None:
    """Return what is wrong about keyword and equals sign (sections 4.1.2.1 and 4.1.2.2), though they are clear."""
    if named["long"]:
        return None
    if named["short"] != named["short"].upper():
        return "the keyword is in small letters: read all the same"
    return None if text[8:10] in {"= ", "="} else "no equals sign and blank in columns 9 and 10: read all the same"


def read_tidy_card(text: str) -> tuple[str, HeaderValue] | None:
    """Return keyword and value of a card with nothing to remark on, None for any other."""
    tidy = _TIDY.fullmatch(text)
    return None if tidy is None or text[8:10] != "= " else (tidy[1], _tidy_value(tidy))


def unit_of(text: str) -> str | None:
    """Return the unit that a card's comment begins with, `[ms]` without the brackets; None if there is none.

    FITS Standard 4.0, section 4.3.2.
    """
    found = _UNIT.match(text, 9)
    return found["unit"] if found else None


def is_tidy(text: str) -> bool:
    """Tell whether there is nothing to remark on a card of 80 columns."""
    return text[8:10] == "= " and _TIDY.fullmatch(text) is not None


def read_value(rest: str) -> Remarked:
    """Return what follows the equals sign of a card, without its comment. Raises `ValueError` if there is no value."""
    if rest.lstrip().startswith("'"):
        return _quoted(rest)
    dated = _SLASHED_DATE.match(rest)
    token = dated[1] if dated else rest.partition("/")[0].strip()
    return _number(token) or _unquoted_text(token)


def _number(token: str) -> Remarked | None:
    """Return a value that needs no quotes, None if it is not one."""
    if token in {"", "T", "F"}:
        return Remarked(token == "T" if token else None)  # noqa: S105  the FITS logical, no password
    if _INTEGER.fullmatch(token) and len(token) <= CARD_LENGTH:
        return Remarked(plain(int(token)))
    if _FLOAT.fullmatch(token):
        number = parse_float(token)
        return Remarked(number) if number is not None else Remarked(None, f"{shown(token)} is out of range: left out")
    if pair := _COMPLEX.fullmatch(token):
        real, imaginary = parse_float(pair[1]), parse_float(pair[2])
        return Remarked(None if real is None or imaginary is None else str(complex(real, imaginary)))
    if _NO_NUMBER.fullmatch(token):
        return Remarked(None, f"{token} is no number: left out")
    return None


def _unquoted_text(token: str) -> Remarked:
    text, remark = _allowed(token)
    return Remarked(text or None, remark or f"{shown(text)} is neither number nor quoted text: read as text")


def continuation(card: str) -> Remarked | None:
    """Return the text of a CONTINUE card, None if it has none."""
    part = _QUOTED.match(card[8:])
    return None if part is None else Remarked(*_allowed(_unquoted(part["text"])))


def parse_float(token: str) -> float | None:
    """Return the value of a number in FITS notation (exponent E or D), None if it is none or beyond the floats."""
    if not _FLOAT.fullmatch(token):
        return None
    number = float(token.upper().replace("D", "E"))
    return number if math.isfinite(number) else None


def plain(value: object) -> HeaderValue:
    """Return a card's value as strict JSON and 64-bit stores take it; integers beyond 64 bits become floats."""
    if value is None:
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, Integral) and _INT64.min <= int(value) <= _INT64.max:
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        return number if math.isfinite(number) else None
    return str(value)


def shown(text: str, most: int = CARD_LENGTH) -> str:
    """Return a text as notes quote it."""
    restored = _allowed(text.rstrip())[0]
    return repr(restored if len(restored) <= most else f"{restored[:most]}...")


def _tidy_value(tidy: re.Match[str]) -> HeaderValue:
    match tidy.lastindex:
        case 2:
            return _unquoted(tidy[2])
        case 3:
            return tidy[3] == "T"
        case 4:
            return plain(int(tidy[4]))
        case _:
            return float(tidy[5].replace("D", "E"))


def _quoted(rest: str) -> Remarked:
    quoted = _QUOTED.match(rest)
    if quoted is None:
        raise ValueError(f"the closing quote is missing in {shown(rest.strip())}: left out")
    after = quoted["rest"].strip()
    text, remark = _allowed(_unquoted(quoted["text"]))
    if after and not after.startswith("/"):
        remark = f"text after the closing quote is left out: {shown(after)}"
    return Remarked(text, remark)


def _unquoted(text: str) -> str:
    return text.rstrip().replace("''", "'") if "''" in text else text.rstrip()


def _allowed(text: str) -> tuple[str, str | None]:
    """Return a text with the characters that were meant, and a remark if FITS does not allow them."""
    if text.isascii() and text.isprintable():
        return text, None
    with_letters = text
    with suppress(UnicodeError):  # it is Latin-1, or was no bytes at all
        with_letters = text.encode("latin-1").decode("utf-8")
    cleaned = _CONTROL.sub("", with_letters).rstrip()
    if cleaned != with_letters.rstrip():
        return cleaned, f"control characters of {with_letters[:CARD_LENGTH]!r} are left out"
    if cleaned.isascii():
        return cleaned, None
    return cleaned, f"{cleaned[:CARD_LENGTH]!r} has characters that FITS does not allow"
