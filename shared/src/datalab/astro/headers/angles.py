"""Angles as people write them into headers: decimal, or in units, minutes and seconds, with any usual separators."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from datalab.astro.headers.card_grammar import HeaderValue
from datalab.astro.headers.quantities import is_short_text, number_of

#: For a degree sign some mounts send `*` or a letter of their own, and programs without it write `?`.
_ANGLE = re.compile(
    r"(?P<sign>[+-]?)\s*(?P<units>[0-9]{1,3}(?:\.[0-9]*)?|\.[0-9]+)"
    r"(?:\s*(?P<unit>hours?|hrs?|h|degrees?|degs?|d|[*?\xb0\xba\xdf])\.?)?"
    r"(?:(?:(?<=[hrsdeg.*?\xb0\xba\xdf])\s*|[:\s]+)(?P<minutes>[0-9]{1,2}(?:\.[0-9]*)?)"
    r"(?P<mark>\s*(?:arcmin|min|m|'|\u2032|\u2019))?"
    r"(?:(?:(?<=[nm'\u2032\u2019])\s*|[:\s]+)(?P<seconds>[0-9]{1,2}(?:\.[0-9]*)?)"
    r"\s*(?P<last>arcsec|sec|s|''|\"|\u2033|\u201d)?)?)?",
    re.IGNORECASE,
)
_MINUS_SIGNS = str.maketrans({"\u2212": "-", "\u2013": "-", ",": "."})
#: The largest value of minutes or seconds that others follow, and of the last ones, which may be rounded up.
_MOST, _MOST_AT_THE_END = 59, 60.0


@dataclass(frozen=True, slots=True)
class Angle:
    """A value, the unit it was given in if that was said, and whether minutes were given."""

    value: float
    unit: Literal["h", "d"] | None = None
    sexagesimal: bool = False

    def degrees(self, *, sexagesimal_unit: Literal["h", "d"]) -> float:
        """Return degrees. Of minutes and seconds without a unit the given one is meant, of plain numbers degrees."""
        unit = self.unit or (sexagesimal_unit if self.sexagesimal else "d")
        return self.value * 15.0 if unit == "h" else self.value


def read_angle(value: HeaderValue) -> Angle | None:
    """Return an angle: a number, `12:30:05.5`, `12 30 5`, `12 30.5`, `12h30m05s`, `-5d23m28s`, `12.5 h`; else None.

    60 seconds, to which some programs round, are a minute.
    """
    number = number_of(value)
    if number is not None:
        return Angle(number)
    match = _ANGLE.fullmatch(value.strip().translate(_MINUS_SIGNS)) if is_short_text(value) else None
    if match is None:
        return None
    parts = [part for part in (match["units"], match["minutes"], match["seconds"]) if part]
    if any("." in part for part in parts[:-1]) or any(float(part) > _MOST for part in parts[1:-1]):
        return None
    if len(parts) > 1 and float(parts[-1]) > _MOST_AT_THE_END:
        return None
    if (match["last"] or "").lower() == "s" and not (match["unit"] or match["mark"]):
        return None  # `05:12:30 S` is south, and `12:30:05s` seconds
    units = sum(float(part) / 60**place for place, part in enumerate(parts))
    unit = (match["unit"] or "").lower()
    return Angle(
        math.copysign(units, -1 if match["sign"] == "-" else 1),
        "h" if unit.startswith("h") else "d" if unit else None,
        sexagesimal=len(parts) > 1,
    )
