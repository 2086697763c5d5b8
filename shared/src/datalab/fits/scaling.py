"""What stored numbers mean as pixels: BSCALE, BZERO and BLANK. FITS Standard 4.0, sections 4.4.2.5 and 5.3.

astropy leaves BLANK out where it is 0 or the pixels are unsigned, and scales 16 bits in single precision also where
that cannot tell two neighbouring values apart.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np

from datalab.astro.headers.card_reader import CardReader
from datalab.astro.headers.cards import HeaderValue, parse_header_text
from datalab.astro.types import Pixels
from datalab.errors import UsageError

_CARD: Final = 80
_KEYWORDS: Final = ("BSCALE", "BZERO", "BLANK", "ZBLANK")
_STORED: Final = {8: "u1", 16: "i2", 32: "i4", 64: "i8", -32: "f4", -64: "f8"}
#: By BITPIX: the BZERO that turns the sign, and the type meant by it (FITS Standard 4.0, table 11).
_TURNED: Final = {8: (-128.0, "i1"), 16: (2.0**15, "u2"), 32: (2.0**31, "u4"), 64: (2.0**63, "u8")}
#: Types of one and two bytes are scaled to single precision if so many of its 2^24 steps are left for one of theirs.
_LEAST_STEPS: Final = 16
_SINGLE_STEP: Final = 2.0**-23
#: What is scaled by more, or less than its inverse, may leave the range of single precision (1e38).
_MOST_SCALE: Final = 1e20
_DECIMAL_COMMA: Final = re.compile(r"([+-]?\d*),(\d*(?:[ED][+-]?\d+)?)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Scaling:
    """How pixels follow from what is stored: `scale` times it plus `zero`; `blank` stands for no value."""

    bitpix: int
    scale: float = 1.0
    zero: float = 0.0
    blank: int | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str, *, bitpix: int, is_compressed: bool = False) -> Self:
        """Read the header of an image, or of the table it is compressed in, as its text is in the file.

        Args:
            text: cards of 80 columns.
            bitpix: of the image; ZBITPIX if it is compressed.
            is_compressed: then ZBLANK of integers stands for BLANK, where that is missing.

        Raises:
            UsageError: what is stored cannot be understood.
        """
        found = {card[:8].rstrip(): card for card in _cards(text) if card[:8].rstrip() in _KEYWORDS}
        parsed = parse_header_text("".join(found.values()))
        cards = dict(parsed.cards)
        for keyword in ("BSCALE", "BZERO"):
            if cards.get(keyword, 0) is None and any(note.startswith(f"{keyword}:") for note in parsed.notes):
                said = found[keyword].partition("=")[2].partition("/")[0].strip()
                raise UsageError(f"{keyword} is {said}, no number, so that nothing is known of the pixels")
        if is_compressed and bitpix > 0:
            cards.setdefault("BLANK", cards.get("ZBLANK"))
        notes: list[str] = []
        if _count(text, _KEYWORDS) > len(found):
            notes += _repeated(text)
        scale = _number(cards, "BSCALE", 1.0, notes)
        zero = _number(cards, "BZERO", 0.0, notes)
        if scale == 0:
            raise UsageError("BSCALE is 0, so that nothing is known of the pixels")
        if bitpix < 0 and (scale, zero) != (1, 0):
            keyword, value = ("BZERO", zero) if zero else ("BSCALE", scale)
            notes.append(f"{keyword}: {value:g} on floating-point pixels, applied as the standard says")
        return cls(bitpix, scale, zero, _blank(cards, bitpix, notes), tuple(notes))

    @cached_property
    def stored(self) -> np.dtype[Any]:
        """The type of what is stored, in this machine's byte order."""
        return np.dtype(_STORED[self.bitpix])

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The type of the pixels: that which is stored or meant by BZERO, else floats."""
        if self._turned is not None and self.blank is None:
            return self._turned
        return self.stored if self._is_stored_as_meant else self._floats

    def meant(self, stored: Pixels) -> Pixels:
        """Return the pixels, of any shape, of what is stored in any byte order; NaN where blank. May be `stored`."""
        native = np.ascontiguousarray(stored, self.stored)
        if self._is_stored_as_meant:
            return native
        if self._turned is not None:
            turned: Pixels = native ^ (native.dtype.type(1) << native.dtype.type(8 * native.itemsize - 1))
            pixels = turned.view(self._turned)
            if self.blank is None:
                return pixels
            pixels = pixels.astype(self._floats)
        else:
            pixels = native.astype(self._floats)
            with np.errstate(over="ignore", invalid="ignore"):  # infinity is a value, and stays one
                if self.scale != 1:
                    pixels *= self.scale
                if self.zero != 0:
                    pixels += self.zero
        if self.blank is not None:
            pixels[native == self.blank] = np.nan
        return pixels

    @property
    def _is_stored_as_meant(self) -> bool:
        return (self.scale, self.zero) == (1, 0) and self.blank is None

    @property
    def _turned(self) -> np.dtype[Any] | None:
        zero, kind = _TURNED.get(self.bitpix, (math.nan, ""))
        return np.dtype(kind) if (self.scale, self.zero) == (1, zero) else None

    @property
    def _floats(self) -> np.dtype[Any]:
        """Single precision for what has up to 16 bits or is that already, if it keeps neighbouring values apart."""
        if self.bitpix not in (8, 16, -32) or not 1 / _MOST_SCALE <= abs(self.scale) <= _MOST_SCALE:
            return np.dtype(np.float64)
        highest = abs(self.zero) + (abs(self.scale) * 2.0**self.bitpix if self.bitpix > 0 else 0.0)
        is_kept = highest * _SINGLE_STEP * _LEAST_STEPS <= abs(self.scale)
        return np.dtype(np.float32 if is_kept else np.float64)


def _cards(text: str) -> list[str]:
    return [text[start : start + _CARD] for start in range(0, len(text), _CARD)]


def _count(text: str, keywords: tuple[str, ...]) -> int:
    return sum(card[:8].rstrip() in keywords for card in _cards(text))


def _repeated(text: str) -> list[str]:
    """Return notes on keywords that come again with another value; the last one counts, as everywhere."""
    values: dict[str, set[str]] = {}
    for card in _cards(text):
        values.setdefault(card[:8].rstrip(), set()).add(card[8:].partition("/")[0].strip())
    return [
        f"{keyword}: comes with several values, the last is used"
        for keyword in _KEYWORDS
        if len(values.get(keyword, ())) > 1
    ]


def _number(cards: Mapping[str, HeaderValue], keyword: str, default: float, notes: list[str]) -> float:
    value = cards.get(keyword)
    if value is None or (isinstance(value, str) and not value.strip()):
        if keyword in cards:
            notes.append(f"{keyword}: has no value, {default:g} is assumed")
        return default
    with_point = _DECIMAL_COMMA.sub(r"\1.\2", value.strip()) if isinstance(value, str) else value
    number = CardReader({keyword: with_point}).number(keyword)
    if number is None:
        raise UsageError(f"{keyword} is {value!r}, no number, so that nothing is known of the pixels")
    if isinstance(value, str):
        notes.append(f"{keyword}: {value!r} is text, read as {number:g}")
    return number


def _blank(cards: Mapping[str, HeaderValue], bitpix: int, notes: list[str]) -> int | None:
    """Return the stored number that stands for no value; None if there is none, or it can be no pixel."""
    value = cards.get("BLANK")
    if value is None:
        return None
    if bitpix < 0:
        notes.append(f"BLANK: {value!r} on floating-point pixels, which have NaN for it: left out")
        return None
    with_point = _DECIMAL_COMMA.sub(r"\1.\2", value.strip()) if isinstance(value, str) else value
    number = CardReader({"BLANK": with_point}).number("BLANK")
    limits = np.iinfo(_STORED[bitpix])
    blank = value if isinstance(value, int) and not isinstance(value, bool) else number
    if blank is None or blank != int(blank):
        notes.append(f"BLANK: {value!r} is no whole number: left out")
        return None
    if not limits.min <= blank <= limits.max:
        notes.append(f"BLANK: {value!r} is no value of pixels of {bitpix} bits: left out")
        return None
    if not isinstance(value, int):
        notes.append(f"BLANK: {value!r} is no integer, read as {int(blank)}")
    return int(blank)
