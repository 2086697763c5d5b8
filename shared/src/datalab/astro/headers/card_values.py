"""Single values of cards, whatever was written into them: None for the rest, with a note."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Literal, Self

from astropy.io import fits

from datalab.astro.headers.angles import read_angle
from datalab.astro.headers.card_grammar import shown
from datalab.astro.headers.cards import HeaderCards, HeaderValue
from datalab.astro.headers.quantities import number_of

#: What observatories write into a card they have no value for.
_PLACEHOLDERS: Final = frozenset({"", "N/A"})
#: What a header says may be megabytes long.
_LONGEST_NOTE: Final = 400


class CardValues:
    """Returns usable values and None for the rest, noting in `notes` what could not be used and why."""

    def __init__(self, cards: Mapping[str, HeaderValue], units: Mapping[str, str] | None = None) -> None:
        """`units` are those that the comments of cards name."""
        self._cards = cards
        self._units = units or {}
        self.notes: list[str] = []

    @classmethod
    def of(cls, header: fits.Header) -> Self:
        cards = HeaderCards(header)
        return cls(cards, cards.units)

    def unit(self, keyword: str) -> str:
        """Return the unit that the comment of a card names, in small letters; empty if it names none."""
        return self._units.get(keyword, "").lower()

    def value(self, keyword: str) -> HeaderValue:
        """Return what a card holds, None for what stands for no value."""
        value = self._cards.get(keyword)
        if isinstance(value, str) and len(value) < 4 and value.strip().upper() in _PLACEHOLDERS:
            return None
        return None if isinstance(value, str) and not value.strip() else value

    def note(self, keyword: str, text: str) -> None:
        """Note something on a card, once."""
        note = f"{keyword}: {text[:_LONGEST_NOTE]}"
        if note not in self.notes:
            self.notes.append(note)

    def refuse(self, keyword: str, reason: str) -> None:
        """Note that the value of a card is left out."""
        value = self._cards[keyword]
        self.note(keyword, f"{shown(value) if isinstance(value, str) else repr(value)} {reason}: left out")

    def text(self, keyword: str) -> str | None:
        value = self.value(keyword)
        if value is None:
            return None
        if isinstance(value, bool):
            self.refuse(keyword, "is not text")
            return None
        return str(value).strip()

    def number(self, *keywords: str, lowest: float = -math.inf, highest: float = math.inf) -> float | None:
        """Return the first usable number in [lowest, highest] among the keywords."""
        for keyword in keywords:
            value = self.value(keyword)
            if value is None:
                continue
            number = number_of(value)
            if number is None:
                self.refuse(keyword, "is not a finite number")
            elif not lowest <= number <= highest:
                self.refuse(keyword, "is out of range")
            else:
                if isinstance(value, str) and "," in value:
                    self.note(keyword, f"{value!r} read as {number!r}")
                return number
        return None

    def angle(
        self,
        keyword: str,
        value: HeaderValue = None,
        *,
        unit: Literal["h", "d"] = "d",
        lowest: float = -math.inf,
        highest: float = math.inf,
    ) -> float | None:
        """Return an angle in degrees; see `read_angle`. In minutes and seconds without a unit it is in `unit`.

        `value` is what the card holds, if that is not to be read as it is.
        """
        value = self.value(keyword) if value is None else value
        if value is None:
            return None
        angle = read_angle(value)
        if angle is None:
            self.refuse(keyword, "is not a finite number")
            return None
        degrees = angle.degrees(sexagesimal_unit=unit)
        if not lowest <= degrees <= highest or (angle.sexagesimal and unit == "h" and degrees < 0):
            self.refuse(keyword, "is out of range")
            return None
        if isinstance(value, str) and "," in value:
            self.note(keyword, f"{value!r} read as {degrees:g} degrees")
        return degrees

    def whole(self, keyword: str) -> int | None:
        number = self.number(keyword, lowest=-(2**53), highest=2**53)  # every whole number a float holds
        if number is None:
            return None
        if not number.is_integer():
            self.refuse(keyword, "is not a whole number")
            return None
        return int(number)
