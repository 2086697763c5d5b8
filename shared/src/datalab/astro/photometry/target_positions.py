"""Where a target is, as users and headers say it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from astropy.io import fits

from datalab.astro.headers.card_reader import CardReader
from datalab.astro.headers.cards import UNREADABLE_CARD, header_cards
from datalab.astro.headers.exposure_times import LATEST_MJD, modified_julian_date

#: The cards of a position that may be sexagesimal.
_RA, _DEC = "OBJCTRA", "OBJCTDEC"
#: What stands between the entries of a text.
ENTRY_END = r"[;\r\n]+"
_SEXAGESIMAL_REST = r":[0-5]?\d:[0-5]?\d(?:\.\d*)?"
_BETWEEN = r"(?:\s*,\s*|\s+)"
#: One entry, as regular expression: what matches can be read, but for a date that is in no calendar. What does not is
#: refused before anybody computes.
ENTRY = (
    r"\s*(?:(?:[01]?\d|2[0-3])"
    + _SEXAGESIMAL_REST
    + r"|\+?(?:[0-2]?\d?\d|3[0-5]\d)(?:\.\d*)?)"
    + _BETWEEN
    + r"(?:[+-]?[0-8]?\d"
    + _SEXAGESIMAL_REST
    + r"|[+-]?(?:[0-8]?\d(?:\.\d*)?|90(?:\.0*)?))"
    + _BETWEEN
    + r"(?:\+?[0-3]?\d{1,5}(?:\.\d*)?"
    + r"|\d{4}-\d\d-\d\d(?:(?:T|"
    + _BETWEEN
    + r")\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?)\s*"
)
_ENTRY_END = re.compile(ENTRY_END)
_NUMBER = re.compile(r"[+-]?\d+\.?\d*", re.ASCII)


class PositionError(ValueError):
    """A position cannot be used; the text is for users and says which one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedPosition:
    """Where a target is at a time: ICRS degrees, right ascension in [0, 360); MJD (UTC), middle of the exposure."""

    mjd: float
    ra_deg: float
    dec_deg: float
    name: str | None = None


def timed_positions(given: object) -> tuple[TimedPosition, ...]:
    """Return the positions that a user gave, in his order.

    Args:
        given: a text of entries that are separated by semicolons or new lines, each "RA Dec time": RA and Dec in
            degrees, or sexagesimal as h:m:s and d:m:s, the time as MJD or as ISO date and time (UTC); or a list of
            mappings with `ra`, `dec` (degrees), `mjd`, and perhaps `name`; or one such mapping.

    Raises:
        PositionError: an entry cannot be read, or two are of one time.
    """
    if isinstance(given, str):
        entries = [entry.strip() for entry in _ENTRY_END.split(given) if entry.strip()]
        positions = tuple(_from_text(entry, number) for number, entry in enumerate(entries, start=1))
    elif isinstance(given, Mapping):
        positions = (_from_mapping(given, 1),)
    elif isinstance(given, Sequence):
        positions = tuple(_from_mapping(entry, number) for number, entry in enumerate(given, start=1))
    else:
        raise PositionError("Target positions must be a list or a text.")
    _check_times_differ(positions)
    return positions


def header_position(header: fits.Header) -> tuple[float, float]:
    """Return where the telescope's schedule says the target is: right ascension in [0, 360) and declination, degrees.

    Reads CAT-RA and CAT-DEC: sexagesimal hours and degrees, as LCO writes them, or numbers in degrees.

    Raises:
        PositionError: a card is missing or cannot be read; the text does not name the frame.
    """
    cards = header_cards(header)
    reader = CardReader({_RA: cards.get("CAT-RA"), _DEC: cards.get("CAT-DEC")})
    ra_deg, dec_deg = reader.position()
    if ra_deg is None or dec_deg is None:
        raise PositionError("the header has no readable CAT-RA and CAT-DEC")
    return ra_deg, dec_deg


def source_type(header: fits.Header) -> str:
    """Return what kind of target the header says was observed, in capitals; empty if it does not say."""
    try:
        return str(header.get("SRCTYPE", "")).strip().upper()
    except UNREADABLE_CARD:
        return ""


def _from_mapping(entry: object, number: int) -> TimedPosition:
    if not isinstance(entry, Mapping):
        raise PositionError(f"Target position {number} must have ra, dec and mjd.")
    name = entry.get("name")
    return _checked(
        number,
        ra_deg=_number(entry, "ra", number),
        dec_deg=_number(entry, "dec", number),
        mjd=_number(entry, "mjd", number),
        name=str(name) if name else None,
    )


def _number(entry: Mapping[object, object], key: str, number: int) -> float:
    value = entry.get(key)
    if value is None:
        raise PositionError(f"Target position {number} has no {key}.")
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise PositionError(f"Target position {number}: {key} must be a finite number, not {value!r}.")
    return float(value)


def _from_text(entry: str, number: int) -> TimedPosition:
    ra, dec, *time = entry.replace(",", " ").split() + [""] * 2
    when = " ".join(time).strip()
    if not when:
        raise PositionError(f'Target position {number} ("{entry}") must be "RA Dec time".')
    reader = CardReader({_RA: ra, _DEC: dec})
    ra_deg, dec_deg = reader.position()
    if ra_deg is None:
        raise PositionError(
            f'Target position {number} ("{entry}"): the right ascension "{ra}" is neither degrees nor h:m:s.'
        )
    if dec_deg is None:
        raise PositionError(
            f'Target position {number} ("{entry}"): the declination "{dec}" is not degrees or d:m:s from -90 to 90.'
        )
    return _checked(number, ra_deg=ra_deg, dec_deg=dec_deg, mjd=_time(when, entry, number))


def _time(text: str, entry: str, number: int) -> float:
    if _NUMBER.fullmatch(text):
        return float(text)
    moment = CardReader({"TIME": text}).moment("TIME")
    if moment is None:
        raise PositionError(
            f'Target position {number} ("{entry}"): the time "{text}" is neither an MJD nor an ISO date and time.'
        )
    return modified_julian_date(moment)


def _checked(number: int, *, ra_deg: float, dec_deg: float, mjd: float, name: str | None = None) -> TimedPosition:
    if not -360.0 <= ra_deg <= 360.0:
        raise PositionError(f"Target position {number}: ra {ra_deg:g} is not between 0 and 360 degrees.")
    if not -90.0 <= dec_deg <= 90.0:
        raise PositionError(f"Target position {number}: dec {dec_deg:g} is not between -90 and 90 degrees.")
    if not 0.0 <= mjd <= LATEST_MJD:
        raise PositionError(f"Target position {number}: {mjd:.10g} is not an MJD; a Julian date is 2400000.5 higher.")
    return TimedPosition(ra_deg=ra_deg % 360.0, dec_deg=dec_deg, mjd=mjd, name=name)


def _check_times_differ(positions: Sequence[TimedPosition]) -> None:
    first_of: dict[float, int] = {}
    for number, position in enumerate(positions, start=1):
        if position.mjd in first_of:
            raise PositionError(f"Target positions {first_of[position.mjd]} and {number} are of the same time.")
        first_of[position.mjd] = number
