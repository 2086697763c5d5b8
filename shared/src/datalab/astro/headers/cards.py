"""Reading FITS headers, also untidy ones: one bad card never costs the others, and none is lost without a note."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning

from datalab.astro.headers.card_grammar import (
    CARD_LENGTH,
    COMMENTARY_KEYWORDS,
    HeaderValue,
    UnreadableCardError,
    continuation,
    is_tidy,
    parse_float,
    plain,
    read_card,
    read_tidy_card,
    shown,
    unit_of,
)

__all__ = [
    "COMMENTARY",
    "UNREADABLE_CARD",
    "WITH_UNITS",
    "HeaderCards",
    "HeaderValue",
    "ParsedHeader",
    "comment_of",
    "header_cards",
    "image_axes",
    "is_empty",
    "parse_float",
    "parse_header_text",
    "readable",
    "value_of",
]

#: Keywords that may come as often as there is something to say (FITS Standard 4.0, section 4.4.2.4).
COMMENTARY: Final = COMMENTARY_KEYWORDS | {""}

#: Of these a number means nothing without its unit, and programs differ in it.
WITH_UNITS: Final = frozenset({"EXPTIME", "EXPOSURE", "XPOSURE", "ITIME", "RA", "DEC", "OBJCTRA", "OBJCTDEC", "OBJRA"})

#: What astropy raises for a card it can neither read nor mend: bad syntax, or characters that FITS does not allow.
UNREADABLE_CARD = (fits.VerifyError, ValueError)

#: What stands in the place of a keyword on cards without a value.
_NO_VALUES: Final = COMMENTARY_KEYWORDS | {"CONTINUE"}
#: How cards begin: a line of text that goes on so after 80 columns is several cards, any other is a long one.
_BEGINNING = re.compile(r"[A-Z0-9_-]{1,8} *=|(?:COMMENT|HISTORY|CONTINUE|HIERARCH|END) | {8}")
_BYTE_ORDER_MARKS: Final = ("\ufeff", "\xef\xbb\xbf")


@dataclass(frozen=True, slots=True)
class ParsedHeader:
    """The cards of a header by keyword, and what could not be read as the standard wants it."""

    cards: dict[str, HeaderValue]
    notes: tuple[str, ...]
    #: The units that comments name, of the keywords in `WITH_UNITS`.
    units: Mapping[str, str] = field(default_factory=dict)


class _Collected:
    """Cards as they come, one after the other."""

    def __init__(self) -> None:
        self.cards: dict[str, HeaderValue] = {}
        self.notes: list[str] = []
        self.units: dict[str, str] = {}
        #: The keyword of the card before, whose text a CONTINUE card goes on with.
        self.continued: str | None = None

    def add_untidy(self, card: str, number: int) -> None:
        """Add the card of a number that may be of any kind and form."""
        keyword = card[:8].rstrip().upper()
        if keyword in COMMENTARY_KEYWORDS:
            _add_commentary(self.cards, keyword, card[8:].rstrip())
        elif keyword == "CONTINUE":
            self._go_on(card, number)
        elif keyword:
            try:
                read = read_card(card)
            except UnreadableCardError as error:
                self.notes.append(_unreadable(error, number))
                self.continued = None
            else:
                self.add(read.keyword, read.value, read.remark)
                self.add_unit(read.keyword, card)
                self.continued = read.keyword

    def add_unit(self, keyword: str, card: str) -> None:
        """Add the unit that the comment of a card names, if a number means nothing without."""
        if keyword in WITH_UNITS and (unit := unit_of(card)):
            self.units[keyword] = unit

    def _go_on(self, card: str, number: int) -> None:
        so_far = self.cards.get(self.continued) if self.continued else None
        part = continuation(card)
        if self.continued and isinstance(so_far, str) and so_far.endswith("&") and part:
            self.cards[self.continued] = so_far[:-1] + str(part.value)
        else:
            self.notes.append(f"card {number}: CONTINUE continues nothing: left out")

    def add(self, keyword: str, value: HeaderValue, remark: str | None = None) -> None:
        if remark:
            self.notes.append(f"{keyword}: {remark}")
        if keyword in self.cards:
            value = self._last(keyword, self.cards[keyword], value)
        self.cards[keyword] = value

    def _last(self, keyword: str, former: HeaderValue, value: HeaderValue) -> HeaderValue:
        """Return which of two values counts: the last one, unless it is none."""
        if is_empty(value):
            return former
        if value != former and not is_empty(former):
            self.notes.append(f"{keyword}: comes twice, {shown(str(former))} and {shown(str(value))}: the last counts")
        return value


def parse_header_text(text: str) -> ParsedHeader:
    """Read header cards from text: 80-column cards glued together, or one card per line, up to `END` or the text's end.

    Strings lose their quotes and trailing blanks, long strings are joined over their CONTINUE cards, COMMENT and
    HISTORY cards are joined by newlines; of a keyword that comes twice the last value counts that is one. Values
    without a type of the standard are kept as text and named in `notes`; cards without keyword or value are left out
    and named. Bytes beyond ASCII are to come as the characters of these numbers (Latin-1).

    References:
        FITS Standard 4.0, section 4.
    """
    found = _Collected()
    for number, card in enumerate(_split_cards(text), start=1):
        tidy = read_tidy_card(card)
        if tidy is None or tidy[0] in _NO_VALUES or tidy[0] in found.cards:
            found.add_untidy(card, number)
            continue
        keyword, found.cards[tidy[0]] = tidy
        found.continued = keyword
        if keyword in WITH_UNITS:
            found.add_unit(keyword, card)
    return ParsedHeader(found.cards, tuple(found.notes), found.units)


class HeaderCards(Mapping[str, HeaderValue]):
    """The values of a header by keyword, fit for strict JSON: undefined or unreadable values are None.

    The grammar is that of `parse_header_text`, whatever astropy makes of a card. COMMENT and HISTORY cards are joined
    by newlines; of a keyword that comes twice the last value counts that is one. A value is read when it is asked for.
    """

    def __init__(self, header: fits.Header) -> None:
        self._cards: dict[str, list[fits.Card]] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # astropy warns of keywords, and `notes` tells of them
            for card in header.cards:
                if card.keyword:
                    self._cards.setdefault(card.keyword, []).append(card)

    def __getitem__(self, keyword: str) -> HeaderValue:
        cards = self._cards[keyword]
        if keyword in COMMENTARY_KEYWORDS:
            return "\n".join(str(_by_astropy(card)) for card in cards)
        if len(cards) == 1:
            return _read(cards[0])[0]
        return next((value for value in (_read(card)[0] for card in reversed(cards)) if not is_empty(value)), None)

    def get(self, keyword: str, default: Any = None) -> Any:
        """Return the value of a card, without the exception that `Mapping` has for each card there is not."""
        return self[keyword] if keyword in self._cards else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._cards)

    def __len__(self) -> int:
        return len(self._cards)

    @cached_property
    def units(self) -> Mapping[str, str]:
        """The units that comments name, of the keywords in `WITH_UNITS`."""
        cards = ((keyword, self._cards[keyword][-1]) for keyword in self._cards.keys() & WITH_UNITS)
        found = ((keyword, unit_of(str(_text(card) or card))) for keyword, card in cards)
        return {keyword: unit for keyword, unit in found if unit}

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What could not be read as the standard wants it, in all cards."""
        found = _Collected()
        for keyword, cards in self._cards.items():
            if keyword in COMMENTARY_KEYWORDS:
                continue
            for card in cards:
                text = _text(card)
                if len(cards) > 1 or (text is not None and not is_tidy(text)):
                    found.add(keyword, *_read(card))
        return tuple(found.notes)


def header_cards(header: fits.Header) -> dict[str, HeaderValue]:
    """Return all values of a header by keyword, as `HeaderCards` has them."""
    return dict(HeaderCards(header))


def value_of(card: fits.Card) -> HeaderValue:
    """Return the value of one card, as `HeaderCards` has it."""
    return _read(card)[0]


def comment_of(card: fits.Card) -> str:
    """Return the comment of one card, empty if it has none, or none that can be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VerifyWarning)
            return str(card.comment)
    except UNREADABLE_CARD:
        return ""


def is_empty(value: HeaderValue) -> bool:
    """Tell whether a card has no value: none at all, or an empty text."""
    return value is None or (isinstance(value, str) and not value.strip())


def _unreadable(error: UnreadableCardError, number: int) -> str:
    if error.keyword is None:
        return f"card {number}: {error.reason}: left out"
    return f"{error.keyword}: {error.reason}"


def _split_cards(text: str) -> Iterator[str]:
    for mark in _BYTE_ORDER_MARKS:
        text = text.removeprefix(mark)
    for line in re.split(r"[\r\n]+", text):
        several = len(line) % CARD_LENGTH == 0 or _BEGINNING.match(line, CARD_LENGTH) is not None
        length = CARD_LENGTH if several else max(1, len(line))
        for start in range(0, len(line), length):
            card = line[start : start + length]
            if card.startswith("END") and card.rstrip() == "END":
                return
            yield card


def _text(card: fits.Card) -> str | None:
    """Return a card as it is in its file, None if it was made or changed since."""
    text = None if card._modified else card._image  # noqa: SLF001 - `image` takes 10 microseconds, and may fail
    return text if isinstance(text, str) else None


def _read(card: fits.Card) -> tuple[HeaderValue, str | None]:
    """Return a card's value and a remark on it."""
    text = _text(card)
    if text is None or "." in card.keyword:  # a record-valued card: its keyword is part of what astropy reads
        return _by_astropy(card), None
    try:
        first = read_card(text[:CARD_LENGTH])
    except UnreadableCardError as error:
        return None, f"{error.reason}: left out" if error.keyword is None else error.reason
    value, remark = first.value, first.remark
    for start in range(CARD_LENGTH, len(text), CARD_LENGTH):
        part = continuation(text[start : start + CARD_LENGTH])
        if part is not None and isinstance(value, str) and value.endswith("&"):
            value = value[:-1] + str(part.value)
    return value, remark


def _by_astropy(card: fits.Card) -> HeaderValue:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VerifyWarning)
            value = card.value
    except UNREADABLE_CARD:
        return None
    return None if isinstance(value, fits.card.Undefined) else plain(value)


def _add_commentary(cards: dict[str, HeaderValue], keyword: str, text: str) -> None:
    cards[keyword] = f"{cards[keyword]}\n{text}" if keyword in cards else text


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


def readable(header: fits.Header | Mapping[str, HeaderValue], keyword: str, default: Any) -> Any:
    """Return the value of a card, or `default` if there is none or it cannot be read."""
    try:
        return header.get(keyword, default)
    except UNREADABLE_CARD:
        return default
