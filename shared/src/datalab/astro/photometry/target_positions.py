"""Where a target is, as users and headers say it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from astropy.io import fits

from datalab.astro.headers.card_reader import CardReader
from datalab.astro.headers.cards import UNREADABLE_CARD, header_cards
from datalab.astro.headers.exposure_times import JD_OF_MJD_ZERO, LATEST_MJD, modified_julian_date

#: The cards of a position that may be sexagesimal.
_RA, _DEC = "OBJCTRA", "OBJCTDEC"
#: What stands between the entries of a text.
ENTRY_END = r"[;\r\n]+"
_BETWEEN = r"(?:\s*,\s*|\s+)"
_HOURS, _DEGREES, _SIXTY, _SECONDS = r"(?:[01]?\d|2[0-3])", r"[0-8]?\d", r"[0-5]?\d", r"[0-5]?\d(?:\.\d*)?"
_RA_DEGREES = r"\+?(?:[0-2]?\d?\d|3[0-5]\d)(?:\.\d*)?"
_RA_TEXT = (
    rf"{_HOURS}:{_SIXTY}:{_SECONDS}"
    rf"|{_HOURS}\s*[hH]\s*{_SIXTY}\s*[mM'\u2032](?:\s*{_SECONDS}\s*(?:[sS\"\u2033]|''))?"
)
_DEC_DEGREES = r"[+-]?(?:[0-8]?\d(?:\.\d*)?|90(?:\.0*)?)"
_DEC_TEXT = (
    rf"[+-]?{_DEGREES}:{_SIXTY}:{_SECONDS}"
    rf"|[+-]?{_DEGREES}\s*[dD°]\s*{_SIXTY}\s*[mM'\u2032](?:\s*{_SECONDS}\s*(?:[sS\"\u2033]|''))?"
)
#: With blanks, as the Minor Planet Center and Horizons have them, only both: else nobody knows where one ends.
_BOTH_WITH_BLANKS = (
    rf"(?P<ra_blanks>{_HOURS}\s+{_SIXTY}\s+{_SECONDS}){_BETWEEN}"
    rf"(?P<dec_blanks>[+-]?{_DEGREES}\s+{_SIXTY}\s+{_SECONDS})"
)
_PLACE = rf"(?:(?P<ra>{_RA_TEXT}|{_RA_DEGREES}){_BETWEEN}(?P<dec>{_DEC_TEXT}|{_DEC_DEGREES})|{_BOTH_WITH_BLANKS})"
_CLOCK = r"\d\d:\d\d(?::\d\d(?:\.\d+)?)?"
_ZONE = r"(?:[Zz]|\s*UTC?|[+-]\d\d:?\d\d)?"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY = rf"\d{{4}}-(?:\d\d|{'|'.join(_MONTHS)})-\d\d"
_MOMENT = rf"{_DAY}(?:[Tt]|{_BETWEEN}){_CLOCK}{_ZONE}"
#: The date of the Minor Planet Center: the day with its fraction.
_MPC_DATE = r"\d{4}[ -]\d\d?[ -]\d\d?\.\d+"
_TIME = (
    rf"{_MOMENT}|{_MPC_DATE}|{_DAY}"
    r"|(?:MJD\s*)?\+?[0-3]?\d{1,5}(?:\.\d*)?|JD\s*2[4-7]\d{5}(?:\.\d*)?"
)
_NAMED = (
    re.compile(rf"\s*{_PLACE}{_BETWEEN}(?P<time>{_TIME})\s*", re.ASCII),
    # Lines of the Minor Planet Center and of Horizons begin with the time.
    re.compile(rf"\s*(?P<time>{_MOMENT}|{_MPC_DATE}){_BETWEEN}{_PLACE}\s*", re.ASCII),
)
#: One entry, as regular expression: what matches can be read, but for a date that is in no calendar. What does not is
#: refused before anybody computes.
ENTRY = "|".join(re.sub(r"\(\?P<\w+>", "(?:", form.pattern) for form in _NAMED)
_ENTRY_END = re.compile(ENTRY_END)
_NUMBER = re.compile(r"\d+(?:\.\d*)?", re.ASCII)


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
            degrees, or sexagesimal as h:m:s and d:m:s, with letters, or both with blanks; the time as MJD, as "JD" and
            the Julian date, as ISO date and time (UTC), or with a fraction of the day as the Minor Planet Center has
            it (2026 03 14.91667); or the time first, as in lines of the Minor Planet Center and of Horizons; or a list
            of mappings with `ra`, `dec` (degrees), `mjd`, and perhaps `name`; or one such mapping.

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
    match = next((found for form in _NAMED if (found := form.fullmatch(entry))), None)
    if match is None:
        raise PositionError(f'Target position {number} ("{entry}"){_what_is_wrong(entry)}')
    ra, dec = match["ra"] or match["ra_blanks"], match["dec"] or match["dec_blanks"]
    moment = _time(match["time"])
    if moment is None:
        raise PositionError(f'Target position {number} ("{entry}"): the time "{match["time"]}" is in no calendar.')
    in_hours = re.fullmatch(_RA_DEGREES, ra, re.ASCII) is None
    return _checked(number, ra_deg=_angle(ra) * (15.0 if in_hours else 1.0), dec_deg=_angle(dec), mjd=moment)


def _what_is_wrong(entry: str) -> str:
    """Return which part of an entry cannot be read, for users."""
    ra, dec, *time = entry.replace(",", " ").split() + [""] * 2
    when = " ".join(time).strip()
    if not when:
        return ' must be "RA Dec time".'
    if not re.fullmatch(f"{_RA_TEXT}|{_RA_DEGREES}", ra, re.ASCII):
        return f': the right ascension "{ra}" is neither degrees nor h:m:s.'
    if not re.fullmatch(f"{_DEC_TEXT}|{_DEC_DEGREES}", dec, re.ASCII):
        return f': the declination "{dec}" is not degrees or d:m:s from -90 to 90.'
    if re.fullmatch(r"2[4-7]\d{5}(?:\.\d*)?", when, re.ASCII):
        return f": {when} is not an MJD; a Julian date is 2400000.5 higher."
    return f': the time "{when}" is neither an MJD nor an ISO date and time.'


def _angle(text: str) -> float:
    parts = [float(part) for part in _NUMBER.findall(text)]
    value = sum(part / 60.0**place for place, part in enumerate(parts))
    return -value if text.lstrip().startswith("-") else value


def _time(text: str) -> float | None:
    """Return the MJD (UTC) of a time in one of the forms of `ENTRY`, None if no calendar has the date."""
    if re.fullmatch(r"(?:MJD\s*)?\+?\d+(?:\.\d*)?", text, re.ASCII):
        return _angle(text)
    if text.startswith("JD"):
        return _angle(text) - JD_OF_MJD_ZERO
    year, month, day = re.split(r"[ -]", text[:11].replace(",", " "), maxsplit=2)
    month_number = _MONTHS.index(month) + 1 if month in _MONTHS else int(month)
    try:
        if re.fullmatch(_MPC_DATE, text, re.ASCII):
            fraction = float("0." + text.rpartition(".")[2])
            return (
                modified_julian_date(datetime(int(year), month_number, int(day.partition(".")[0]), tzinfo=UTC))
                + fraction
            )
        date, rest = f"{year}-{month_number:02d}-{day[:2]}", re.split(_DAY, text, maxsplit=1)[1].lstrip(" ,tT")
        clock = re.sub(r"\s*UTC?$|[zZ]$", "+00:00", rest)
        moment = datetime.fromisoformat(f"{date}T{clock}" if clock else date)
    except ValueError:
        return None
    return modified_julian_date(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


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
