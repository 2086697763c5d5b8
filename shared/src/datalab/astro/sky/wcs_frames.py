"""In which frame, and of which equinox, world coordinates are, by the words that programs have for it."""

from __future__ import annotations

import re

from astropy.io import fits

from datalab.astro.headers.card_reader import CardReader
from datalab.astro.headers.cards import parse_float
from datalab.astro.sky.wcs_words import ABSENT_WORDS, UnusableWcsError, WcsWords

_EQUINOX = re.compile(r"(?P<kind>[JB]?)(?P<year>\d{4}(?:\.\d*)?)", re.IGNORECASE | re.ASCII)
_OF_DATE = frozenset(
    {"JNOW", "NOW", "CURRENT", "EOD", "OFDATE", "OF DATE", "DATE", "TOPOCENTRIC", "EPOCH OF DATE", "MEAN OF DATE"}
)
_FRAMES = frozenset({"ICRS", "FK5", "FK4", "FK4-NO-E"})
#: Frames that agree with the ICRS to far less than a pixel.
_LIKE_ICRS = re.compile(r"ICR[SF]|GCRS|GAIA|BCRS")
_APPARENT = frozenset({"GAPPT", "APPARENT", "APPT", "CIRS", "TETE", "ITRS", "ALTAZ"})
#: From this equinox on coordinates without a frame are FK5, before it FK4 (FITS Standard 4.0, section 8.3, table 24).
_FIRST_FK5_EQUINOX = 1984.0
#: Equinoxes outside are no years.
_EQUINOXES = (1800.0, 2200.0)


def choose_frame(words: WcsWords, header: fits.Header) -> None:
    keyword = next((name for name in ("RADESYS", "RADECSYS") if words.text(name)), "RADESYS")
    given = words.text(keyword)
    frame = given.upper()
    equinox = _equinox(words, header)
    words.drop("RADECSYS", "EPOCH")
    if not frame:
        words.drop("RADESYS")
        if equinox is not None:
            words.set("EQUINOX", equinox)
        return
    if frame in _APPARENT:
        raise UnusableWcsError(f"{keyword}: {given!r} are no catalogue positions, the world coordinates were left out")
    if frame not in _FRAMES:
        read, equinox = _frame_of(frame, equinox, header)
        words.note(f"{keyword}: {given!r} was read as {read}" + (f" of {equinox:g}" if equinox else ""))
        frame = read
    if frame == "ICRS":
        if equinox is not None and "EQUINOX" in words.values and abs(equinox - 2000.0) > 1.0:
            words.note(f"EQUINOX: {equinox:g} does not go with ICRS and was not used")
        equinox = equinox if equinox is not None and words.values.get("EQUINOX") == equinox else None
    words.set("RADESYS", frame)
    if equinox is None:
        words.drop("EQUINOX")
    else:
        words.set("EQUINOX", equinox)


def _frame_of(frame: str, equinox: float | None, header: fits.Header) -> tuple[str, float | None]:
    """Return the frame, and its equinox, of a word that the standard does not know."""
    if _LIKE_ICRS.match(frame):
        return "ICRS", None
    if frame in _OF_DATE:
        return "FK5", equinox if equinox is not None else _of_date("RADESYS", header)
    if named := _EQUINOX.fullmatch(frame.replace(" ", "")):
        equinox = float(named["year"]) if equinox is None else equinox
    chosen = 2000.0 if equinox is None else equinox
    return ("FK5" if chosen >= _FIRST_FK5_EQUINOX else "FK4"), chosen


def _equinox(words: WcsWords, header: fits.Header) -> float | None:
    """Return the equinox in years: EQUINOX, else EPOCH, its name before 1996 (FITS Standard 4.0, section 8.3)."""
    for keyword in ("EQUINOX", "EPOCH"):
        value = words.values.get(keyword)
        if value is None or isinstance(value, bool):
            continue
        if isinstance(value, str):
            token = value.strip().upper()
            if token in ABSENT_WORDS:
                continue
            if token in _OF_DATE:
                today = _of_date(keyword, header)
                words.note(f"{keyword}: {value!r} was read as {today:.2f}, when the image was taken")
                return today
            named = _EQUINOX.fullmatch(token.replace(" ", "").replace(",", "."))
            year = float(named["year"]) if named else None
            if year is not None and parse_float(token) is None:
                words.note(f"{keyword}: {value!r} was read as {year:g}")
        else:
            year = float(value)
        if year is None or not _EQUINOXES[0] <= year <= _EQUINOXES[1]:
            words.note(f"{keyword}: {value!r} is no year and was not used")
            words.drop(keyword)
            continue
        if keyword == "EPOCH" and not words.text("RADESYS") and year not in (1950.0, 2000.0):
            words.note(f"EPOCH: {year:g} was read as the equinox, as FITS 4.0 has it where EQUINOX is missing")
        return year
    return None


def _of_date(keyword: str, header: fits.Header) -> float:
    moment = CardReader.of(header).capture_time()
    if moment is None:
        raise UnusableWcsError(f"{keyword}: means the day of the exposure, which is not known: no world coordinates")
    day_of_year = moment.timetuple().tm_yday
    return moment.year + (day_of_year - 1) / 365.25
