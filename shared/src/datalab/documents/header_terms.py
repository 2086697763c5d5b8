"""What of a header can be searched by keyword and value: each such card is a term, and the terms are indexed."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import JsonValue

#: Longer texts are sentences, which nobody searches as a whole.
_MOST_CHARACTERS = 80
#: Longer numbers are measurements, hardly two of them alike.
_MOST_NUMBER_CHARACTERS = 7
#: An index entry for each: of headers with more cards, the first count.
_MOST_TERMS = 150

#: How the file is built, and what differs in every file.
_NOT_SEARCHED = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|TFIELDS|T(TYPE|FORM|UNIT|DIM)\d+|Z(IMAGE|BITPIX|NAXIS\d*|TILE"
    r"\d+|CMPTYPE|NAME\d+|VAL\d+|SIMPLE|EXTEND|QUANTIZ|DITHER0)|BSCALE|BZERO|.?HECKSUM|CHECKSUM|Z?DATASUM|COMMENT|HISTORY"
    r"|CONTINUE|END|"
)
#: Times and positions have filters of their own.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[t ]\d\d:.*|[+-]?\d{1,3}:\d\d(:.*)?")
_WHOLE = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII)


def terms_of(cards: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """Return the terms of a header."""
    terms = (term_of(keyword, value) for keyword, value in cards.items() if not _NOT_SEARCHED.fullmatch(keyword))
    return tuple(dict.fromkeys(term for term in terms if term))[:_MOST_TERMS]


def term_of(keyword: str, value: JsonValue) -> str | None:
    """Return the term of a card: what is equal but for case, blanks or the form of a number has the same.

    None for what is not searched.
    """
    text = _searched(value)
    return f"{keyword.strip().upper()}={text}" if text else None


def _searched(value: JsonValue) -> str | None:
    if isinstance(value, bool):
        return "t" if value else "f"
    if not isinstance(value, str | int | float):
        return None
    text = str(value).strip().casefold()
    number = _number(text)
    if number is not None:
        return number if len(number) <= _MOST_NUMBER_CHARACTERS or _WHOLE.fullmatch(number) else None
    return None if len(text) > _MOST_CHARACTERS or "\0" in text or _MOMENT.fullmatch(text) else text


def _number(text: str) -> str | None:
    """Return a number in its shortest form, None if the text is none."""
    if _WHOLE.fullmatch(text):
        return str(int(text))
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)
