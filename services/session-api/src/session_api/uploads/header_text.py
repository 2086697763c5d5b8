"""A header sent as JSON, as the text that observatories store beside their files: cards of 80 characters, to `END`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import JsonValue

from datalab.errors import UsageError

_CARD: Final = 80
_BLOCK: Final = 2880
_MOST_CARDS: Final = 2000
_KEYWORD: Final = re.compile(r"[A-Z0-9_-]{1,8}", re.ASCII)
_LONG_KEYWORD: Final = re.compile(r"[A-Z0-9_. -]{1,40}", re.ASCII)
#: What is left of a card for a text, between its quotes: of the first one, and of those that continue it.
_FIRST_TEXT, _NEXT_TEXT = 68, 67
_COMMENTARY: Final = frozenset({"COMMENT", "HISTORY", ""})
_COMMENT_TEXT: Final = 72


def header_text(cards: Mapping[str, JsonValue]) -> bytes:
    """Return a FITS header (FITS Standard 4.0, section 4). Raises `UsageError` for what no header can hold."""
    lines = [line for keyword, value in cards.items() for line in _lines(keyword.strip().upper(), value)]
    if len(lines) > _MOST_CARDS:
        raise UsageError(f"header_data makes {len(lines)} cards; at most {_MOST_CARDS} are taken.")
    text = "".join(line.ljust(_CARD) for line in [*lines, "END"])
    return text.ljust(-(-len(text) // _BLOCK) * _BLOCK).encode("ascii")


def _lines(keyword: str, value: JsonValue) -> Iterator[str]:
    if keyword == "END":
        return
    if keyword in _COMMENTARY:
        text = _ascii(str(value))
        for offset in range(0, len(text), _COMMENT_TEXT):
            yield keyword.ljust(8) + text[offset : offset + _COMMENT_TEXT]
        return
    if isinstance(value, dict | list):
        raise UsageError(f"header_data: {keyword[:40]!r} is no text, number, true, false or null.")
    if _KEYWORD.fullmatch(keyword):
        start = f"{keyword:<8}= "
    elif _LONG_KEYWORD.fullmatch(keyword):
        start = f"HIERARCH {keyword} = "
    else:
        raise UsageError(f"header_data: {keyword[:40]!r} is no keyword: up to 8 letters, digits, _ and -.")
    if isinstance(value, str):
        yield from _text_lines(start, _ascii(value))
    else:
        yield start + _plain(value).rjust(20 if len(start) == 10 else 0)


def _text_lines(start: str, text: str) -> Iterator[str]:
    quoted = text.replace("'", "''")
    room = _FIRST_TEXT - (len(start) - 10)
    if len(quoted) <= room:
        yield f"{start}'{quoted:<8}'" if room >= 8 else f"{start}'{quoted}'"
        return
    while quoted:
        last = len(quoted) <= room
        piece = quoted if last else quoted[: room - 1]
        if not last and (len(piece) - len(piece.rstrip("'"))) % 2:
            piece = piece[:-1]  # a doubled quote stays together
        quoted = quoted[len(piece) :]
        yield f"{start}'{piece}{'' if last else '&'}'"
        start, room = "CONTINUE  ", _NEXT_TEXT


def _plain(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    return "" if value is None else repr(value).upper()


def _ascii(text: str) -> str:
    """A header holds printable ASCII only; what else there is becomes a question mark."""
    return "".join(character if " " <= character <= "~" else "?" for character in text)
