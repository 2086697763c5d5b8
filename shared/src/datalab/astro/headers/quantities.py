"""Numbers and durations as people write them into headers."""

from __future__ import annotations

import math
import re
from typing import Final, TypeGuard

from datalab.astro.headers.card_grammar import HeaderValue, parse_float

#: Seconds in a unit, by its name in small letters: SI symbols (FITS Standard 4.0, section 4.3) and what else is met.
UNITS_S: Final = {
    "": 1.0,
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "\xb5s", "\u03bcs", "usec", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
}
_LONGEST: Final = 400
#: A comma is a decimal one: no program writes any between thousands.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[ED][+-]?[0-9]+)?", re.ASCII | re.IGNORECASE)
_QUANTITY = re.compile(rf"(?P<number>{_NUMBER.pattern})\s*\[?(?P<unit>[^\W\d]*)\.?\]?", re.IGNORECASE)
#: Shutter speeds of cameras: 1/250.
_RATIO = re.compile(r"(?P<upper>[0-9]+)\s*/\s*(?P<lower>[0-9]+(?:\.[0-9]*)?)\s*s?", re.ASCII)
_CLOCK = re.compile(r"(?P<hours>[0-9]{1,2}):(?P<minutes>[0-5][0-9]):(?P<seconds>[0-5][0-9](?:[.,][0-9]*)?)", re.ASCII)


def is_short_text(value: HeaderValue) -> TypeGuard[str]:
    """Tell whether a card holds a text that can be a number with its unit: others are not looked at."""
    return isinstance(value, str) and len(value) <= _LONGEST


def number_of(value: HeaderValue) -> float | None:
    """Return a number, also one given as text and with a decimal comma; None for anything else."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        if not is_short_text(text):
            return None
        return parse_float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def seconds_of(value: HeaderValue) -> float | None:
    """Return a duration in seconds: a number, with or without a unit of time, a ratio, or hours:minutes:seconds."""
    number = number_of(value)
    if number is not None or not is_short_text(value):
        return number
    text = value.strip()
    if ratio := _RATIO.fullmatch(text):
        lower = float(ratio["lower"])
        return float(ratio["upper"]) / lower if lower else None
    if clock := _CLOCK.fullmatch(text):
        seconds = float(clock["seconds"].replace(",", "."))
        return int(clock["hours"]) * 3600.0 + int(clock["minutes"]) * 60.0 + seconds
    quantity = _QUANTITY.fullmatch(text)
    if quantity is None:
        return None
    number, unit = number_of(quantity["number"]), UNITS_S.get(quantity["unit"].lower())
    return None if number is None or unit is None else number * unit
