"""How long an exposure was, seconds."""

from __future__ import annotations

from typing import Final

from datalab.astro.headers.card_grammar import HeaderValue
from datalab.astro.headers.card_values import CardValues
from datalab.astro.headers.quantities import UNITS_S, number_of, seconds_of

#: The first usable one counts. XPOSURE is the standard's (FITS Standard 4.0, section 9.8), EXPTIME what most write.
KEYWORDS: Final = (
    "EXPTIME",
    "EXPOSURE",
    "XPOSURE",
    "EXP_TIME",
    "EXP-TIME",
    "EXPOS",
    "ITIME",
    "TEXP",
    "ESO DET DIT",
    "TELAPSE",
)
#: Three years: no stack of exposures is as long.
LONGEST_S: Final = 1e8
#: EXPTIME and EXPOSURE that differ by less than this part, or by so many seconds, are the same.
_SAME_PART, _SAME_S = 0.01, 0.01


def exposure_time_s(reader: CardValues) -> float | None:
    """Return the exposure time: a number of seconds, or one with a unit, `0.5 s`, `500 ms`, `1/250`, `00:05:00`."""
    for keyword in KEYWORDS:
        value = reader.value(keyword)
        if value is None:
            continue
        seconds = _in_seconds(reader, keyword, value)
        if seconds is None:
            reader.refuse(keyword, "is not a finite number")
        elif not 0 <= seconds <= LONGEST_S:
            reader.refuse(keyword, "is out of range")
        else:
            if isinstance(value, str) and not _is_plain(value):
                reader.note(keyword, f"{value!r} read as {seconds:g} s")
            if keyword == "TELAPSE":
                reader.note(keyword, f"{value!r} s from start to end, pauses included, taken for the exposure time")
            elif keyword == "ITIME":
                seconds = _of_all_coadds(reader, seconds)
            elif keyword == "EXPTIME":
                _compare(reader, seconds)
            return seconds
    return None


def _in_seconds(reader: CardValues, keyword: str, value: HeaderValue) -> float | None:
    """Return a duration, by the unit in the comment if the value itself has none."""
    number, unit = number_of(value), reader.unit(keyword)
    factor = UNITS_S.get(unit, 1.0)
    if number is None or factor == 1.0:
        return seconds_of(value)
    reader.note(keyword, f"{value!r} [{unit}] read as {number * factor:g} s")
    return number * factor


def _is_plain(text: str) -> bool:
    return "," not in text and number_of(text) is not None


def _of_all_coadds(reader: CardValues, seconds: float) -> float:
    """ITIME is that of one read-out, of which the detectors that have it add up several."""
    coadds = number_of(reader.value("COADDS"))
    if coadds is None or coadds <= 1:
        return seconds
    reader.note("ITIME", f"{seconds:g} s, {coadds:g} times (COADDS)")
    return seconds * coadds


def _compare(reader: CardValues, exptime_s: float) -> None:
    value = reader.value("EXPOSURE")
    if value is None or value == exptime_s:
        return
    other = seconds_of(value)
    if other is not None and number_of(value) is not None:
        other *= UNITS_S.get(reader.unit("EXPOSURE"), 1.0)
    if other is not None and abs(other - exptime_s) > max(_SAME_S, _SAME_PART * exptime_s):
        reader.note("EXPOSURE", f"{value!r} differs from EXPTIME, {exptime_s:g} s, which counts")
