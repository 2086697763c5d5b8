"""The cards of one set of world coordinates, taken for what was meant by them, and notes on what was not plain."""

from __future__ import annotations

import re

from astropy.io import fits

from datalab.astro.headers.cards import HeaderCards, HeaderValue, parse_float

#: Cards that hold one number each and without which, or with a wrong one, an image is somewhere else.
_NUMBERS = re.compile(
    r"(?:CRPIX|CRVAL|CDELT|CROTA)[1-9]|(?:CD|PC)[1-9]_[1-9]|PV[1-9]_\d{1,2}|(?:A|B|AP|BP)_\d_\d|LONPOLE|LATPOLE"
)
_ORDERS = ("A_ORDER", "B_ORDER", "AP_ORDER", "BP_ORDER")
_MOST_SIP_ORDER = 9
_OLD_MATRIX = re.compile(r"(?P<kind>CD|PC)00(?P<row>[1-9])00(?P<column>[1-9])")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[EeDd][+-]?\d+)?", re.ASCII)
_EXPONENT_D = re.compile(r"[0-9.][Dd][+-]?[0-9]")
_VALUE_COLUMNS = slice(9, 33)
ABSENT_WORDS = frozenset({"", "N/A", "NAN", "NONE", "UNKNOWN"})


class UnusableWcsError(ValueError):
    """World coordinates are meant, but cannot be told for sure; the text is a note on the header."""


class WcsWords:
    """Cards by keyword, which can be changed, and what was noted."""

    def __init__(self, source: fits.Header, cards: list[fits.Card]) -> None:
        self.header = fits.Header(cards)
        self.source = source
        self.notes: list[str] = []
        self.values: dict[str, HeaderValue] = dict(HeaderCards(self.header))
        if len(self.values) < len(self.header):
            self._keep_last()
        for keyword in [keyword for keyword, value in self.values.items() if value is None]:
            if not _NUMBERS.fullmatch(keyword):  # a date that cannot be read must not cost the place
                self.drop(keyword)

    def _keep_last(self) -> None:
        """Of a keyword that comes twice the last counts, as everywhere, where it is noted: a solver appends its own."""
        for keyword in [keyword for keyword in self.values if self.header.count(keyword) > 1]:
            value = self.values[keyword]
            self.header.remove(keyword, remove_all=True)
            if value is not None:
                self.header[keyword] = value

    def note(self, text: str) -> None:
        self.notes.append(text)

    def number(self, keyword: str) -> float | None:
        value = self.values.get(keyword)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def text(self, keyword: str) -> str:
        value = self.values.get(keyword)
        return value.strip() if isinstance(value, str) else ""

    def set(self, keyword: str, value: str | float) -> None:
        if self.values.get(keyword) != value or type(self.values[keyword]) is not type(value):
            self._write(keyword, value)

    def _write(self, keyword: str, value: str | float) -> None:
        """Write a card anew: one that is only changed may keep how it was written."""
        self.values[keyword] = value
        self.header.remove(keyword, ignore_missing=True, remove_all=True)
        self.header[keyword] = value

    def drop(self, *keywords: str) -> None:
        for keyword in keywords:
            self.values.pop(keyword, None)
            self.header.remove(keyword, ignore_missing=True, remove_all=True)

    def matching(self, pattern: str) -> list[str]:
        return [keyword for keyword in self.values if re.fullmatch(pattern, keyword)]

    def rename_old(self) -> None:
        """CD001001 and LONGPOLE are how CD1_1 and LONPOLE were written before 2002."""
        longitude = self.values.get("LONGPOLE")
        self.drop("LONGPOLE")
        if longitude is not None and "LONPOLE" not in self.values:
            self.values["LONPOLE"] = self.header["LONPOLE"] = longitude
        for keyword in list(self.values):
            if old := _OLD_MATRIX.fullmatch(keyword):
                value, new = self.values[keyword], f"{old['kind']}{old['row']}_{old['column']}"
                self.drop(keyword)
                if new not in self.values and value is not None:
                    self.values[new] = self.header[new] = value

    def read_numbers(self) -> None:
        """Make numbers of those that are text. Raises `UnusableWcsError` for what is none."""
        from_text: list[str] = []
        for keyword, value in list(self.values.items()):
            if not _NUMBERS.fullmatch(keyword):
                continue
            if isinstance(value, float) and _EXPONENT_D.search(self.header.cards[keyword].image[_VALUE_COLUMNS]):
                self._write(keyword, value)  # WCSLIB stops reading at the D
            if isinstance(value, bool) or value is None:
                raise UnusableWcsError(f"{keyword}: has no readable number, the world coordinates were left out")
            if isinstance(value, str):
                if value.strip().upper() in ABSENT_WORDS:
                    self.drop(keyword)
                    continue
                self.set(keyword, _required_number(keyword, value))
                from_text.append(keyword)
        from_text += [keyword for keyword in _ORDERS if self._read_order(keyword)]
        if from_text:
            self.note(f"{', '.join(from_text)}: text, read as numbers")

    def _read_order(self, keyword: str) -> bool:
        """Make a whole number of an order of SIP; return whether it was text."""
        value = self.values.get(keyword)
        if value is None:
            return False
        number = parse_float(value.strip()) if isinstance(value, str) else float(value)
        if number is None or not number.is_integer() or not 0 <= number <= _MOST_SIP_ORDER:
            raise UnusableWcsError(
                f"{keyword}: {value!r} is no order of a SIP polynomial, the coordinates were left out"
            )
        self.set(keyword, int(number))
        return isinstance(value, str)


def number_in(text: str) -> float | None:
    """Return the number that a text is, with a decimal comma or point and the exponents E and D, or None."""
    token = text.strip()
    return parse_float(token.replace(",", ".") if _DECIMAL_COMMA.fullmatch(token) else token)


def _required_number(keyword: str, text: str) -> float:
    number = number_in(text)
    if number is None:
        raise UnusableWcsError(f"{keyword}: {text!r} is not a number, the world coordinates were left out")
    return number
