"""Where an exposure points, as its header says: right ascension and declination, ICRS.

References:
    FITS Standard 4.0, section 8 (tables 22 to 25: celestial coordinates, RADESYS, EQUINOX).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from datalab.astro.headers.card_grammar import HeaderValue
from datalab.astro.headers.card_values import CardValues
from datalab.astro.headers.quantities import number_of

System = Literal["ICRS", "FK5", "FK4", "FK4-NO-E", "galactic", "ecliptic", "supergalactic"]

#: Pairs of cards, best first: MaxIm, NINA and others; the telescope's; ZTF, ESO, HST, NINA, Unistellar and others.
_PAIRS: Final = (
    ("OBJCTRA", "OBJCTDEC"),
    ("RA", "DEC"),
    ("OBJRAD", "OBJDECD"),
    ("OBJRA", "OBJDEC"),
    ("RA_OBJ", "DEC_OBJ"),
    ("RA_TARG", "DEC_TARG"),
    ("CENTRA", "CENTDEC"),
    ("TELRA", "TELDEC"),
    ("FOVRA", "FOVDEC"),
    ("RA_PNT", "DEC_PNT"),
    ("RA-D", "DEC-D"),
)
#: The axes of celestial systems, by the beginnings of CTYPE.
_SYSTEMS: Final[dict[tuple[str, str], System | None]] = {
    ("RA", "DEC"): None,  # by RADESYS and EQUINOX
    ("GLON", "GLAT"): "galactic",
    ("ELON", "ELAT"): "ecliptic",
    ("SLON", "SLAT"): "supergalactic",
}
#: Degrees in a unit, by CUNIT.
_UNITS_DEG: Final = {
    "deg": 1.0,
    "degree": 1.0,
    "degrees": 1.0,
    "arcmin": 1 / 60,
    "arcsec": 1 / 3600,
    "mas": 1 / 3_600_000,
    "rad": 57.295779513082323,
    "hourangle": 15.0,
    "h": 15.0,
}
#: Reference values that programs have not brought back into the circle.
_MOST_TURNS_DEG: Final = 720.0
_J2000: Final = 2000.0
#: FK4 until this equinox, FK5 from then on, where RADESYS says nothing (section 8.3).
_FIRST_FK5_EQUINOX: Final = 1984.0
_OF_HOURS: Final = frozenset({"h", "hr", "hrs", "hour", "hours", "hourangle"})
_EPOCH = re.compile(r"[JB]?(?P<year>[12][0-9]{3}(?:\.[0-9]*)?)", re.IGNORECASE | re.ASCII)
_OF_DATE: Final = frozenset({"JNOW", "NOW", "DATE", "OF DATE", "APPARENT", "TOPOCENTRIC", "JDATE"})
_LEAST_EQUINOX, _LAST_EQUINOX = 1750.0, 2150.0
_NAMED: Final[dict[str, System]] = {
    "ICRS": "ICRS",
    "ICRF": "ICRS",
    "GCRS": "ICRS",
    "FK5": "FK5",
    "FK4": "FK4",
    "FK4-NO-E": "FK4-NO-E",
}
#: Seconds of arc between ICRS and FK5 at J2000 are 0.025 at most (Feissel & Mignard 1998, A&A 331, L33): not
#: converted, which takes longer than reading the rest of the header.


@dataclass(frozen=True, slots=True)
class CelestialFrame:
    """A system and its equinox, a year."""

    system: System
    equinox: float = _J2000

    @property
    def is_icrs(self) -> bool:
        return self.system == "ICRS" or (self.system == "FK5" and self.equinox == _J2000)


def icrs_position(reader: CardValues, *, when: datetime | None) -> tuple[float | None, float | None]:
    """Return right ascension in [0, 360) and declination, ICRS degrees: both, from one place in the header, or none.

    The reference value of the WCS comes first, then `OBJCTRA` and `OBJCTDEC`, `RA` and `DEC`, and others. Plain numbers
    are degrees, right ascension in minutes and seconds is in hours. `when` is for the equinox of the date.
    """
    halves: list[tuple[str, str]] = []
    for lon_keyword, lat_keyword, system in _sources(reader):
        longitude, latitude = _longitude(reader, lon_keyword, system), _latitude(reader, lat_keyword)
        if longitude is not None and latitude is not None:
            frame = CelestialFrame(system) if system else _equatorial(reader, when)
            if frame is None:
                return None, None
            return (longitude % 360.0, latitude) if frame.is_icrs else _converted(longitude, latitude, frame)
        if longitude is not None:
            halves.append((lon_keyword, lat_keyword))
        elif latitude is not None:
            halves.append((lat_keyword, lon_keyword))
    for given, missing in halves:
        reader.note(given, f"{reader.value(given)!r} is half a position, without a usable {missing}: left out")
    return None, None


def _sources(reader: CardValues) -> Iterator[tuple[str, str, System | None]]:
    types = {axis: str(reader.value(f"CTYPE{axis}") or "").upper().partition("-")[0].strip() for axis in (1, 2)}
    pair = types[1], types[2]
    if pair in _SYSTEMS:
        yield "CRVAL1", "CRVAL2", _SYSTEMS[pair]
    elif pair[::-1] in _SYSTEMS:
        yield "CRVAL2", "CRVAL1", _SYSTEMS[pair[::-1]]
    for longitude, latitude in _PAIRS:
        yield longitude, latitude, None
    if pair == ("", ""):  # text headers without a solution still carry where the telescope pointed
        yield "CRVAL1", "CRVAL2", None


def _longitude(reader: CardValues, keyword: str, system: System | None) -> float | None:
    """Return a longitude: a turn more or less is the same direction."""
    most = _MOST_TURNS_DEG if keyword.startswith("CRVAL") else 360.0
    return _angle(reader, keyword, unit="h" if system is None else "d", lowest=-most, highest=most)


def _latitude(reader: CardValues, keyword: str) -> float | None:
    return _angle(reader, keyword, unit="d", lowest=-90, highest=90)


def _angle(reader: CardValues, keyword: str, *, unit: Literal["h", "d"], lowest: float, highest: float) -> float | None:
    value = reader.value(keyword)
    if value is None:
        return None
    if keyword.startswith("CRVAL"):
        factor = _unit_deg(reader, keyword)
        if factor is None:
            return None
        if factor != 1.0:
            number = number_of(value)
            value = None if number is None else number * factor
    elif reader.unit(keyword) in _OF_HOURS and (number := number_of(value)) is not None:
        reader.note(keyword, f"{value!r} [{reader.unit(keyword)}] read as hours")
        value = number * 15.0
    return reader.angle(keyword, value, unit=unit, lowest=lowest, highest=highest)


def _unit_deg(reader: CardValues, keyword: str) -> float | None:
    """Return how many degrees the unit of a reference value has, None if it is none of an angle."""
    axis = keyword[-1]
    said = reader.value(f"CUNIT{axis}")
    factor = 1.0 if said is None else _UNITS_DEG.get(str(said).strip().lower())
    if factor is None:
        reader.note(f"CUNIT{axis}", f"{said!r} is no unit of an angle: {keyword} left out")
    return factor


def _equatorial(reader: CardValues, when: datetime | None) -> CelestialFrame | None:
    """Return the frame of right ascensions, None if it cannot be told."""
    said = reader.value("RADESYS")
    keyword = "RADESYS" if said is not None else "RADECSYS"
    said = reader.value(keyword)
    name = str(said).strip().upper() if said is not None else None
    if name == "ICRS" or (name is None and reader.value("EQUINOX") is None and reader.value("EPOCH") is None):
        return CelestialFrame("ICRS")
    equinox = _equinox(reader, when)
    if equinox is None:
        return None
    system = _NAMED.get(name or "")
    if system is None:
        if name is not None:
            # An epoch in the place of the system is what programs write most often.
            meant = _year_of(said, when)
            equinox = equinox if equinox[0] is not None or meant is None else (meant, equinox[1])
            reader.note(keyword, f"{said!r} is no reference system of the standard: taken by the equinox")
        year, is_besselian = equinox
        system = "FK4" if is_besselian or (year or _J2000) < _FIRST_FK5_EQUINOX else "FK5"
    year = equinox[0] or (1950.0 if system.startswith("FK4") else _J2000)
    return CelestialFrame(system, year)


def _equinox(reader: CardValues, when: datetime | None) -> tuple[float | None, bool] | None:
    """Return the equinox, None if none is given, and whether it is Besselian; None if it cannot be read."""
    for keyword in ("EQUINOX", "EPOCH"):
        value = reader.value(keyword)
        if value is None:
            continue
        year = _year_of(value, when)
        if year is None:
            reader.note(keyword, f"{value!r} is no equinox: the position is left out")
            return None
        if isinstance(value, str) and value.strip().upper() in _OF_DATE:
            reader.note(keyword, f"{value!r} taken as the mean equinox of the date, {year:.3f}")
        return year, isinstance(value, str) and value.strip()[:1].upper() == "B"
    return None, False


def _year_of(value: HeaderValue, when: datetime | None) -> float | None:
    if isinstance(value, str):
        text = value.strip().upper()
        if text in _OF_DATE:
            return None if when is None else _julian_year(when)
        match = _EPOCH.fullmatch(text)
        if match:
            value = match["year"]
    year = number_of(value)
    return year if year is not None and _LEAST_EQUINOX <= year <= _LAST_EQUINOX else None


def _julian_year(when: datetime) -> float:
    return _J2000 + (when - datetime(2000, 1, 1, 12, tzinfo=UTC)) / timedelta(days=365.25)


def _converted(longitude_deg: float, latitude_deg: float, frame: CelestialFrame) -> tuple[float, float]:
    from astropy.coordinates import (  # noqa: PLC0415 - few headers are in another frame
        FK4,
        FK5,
        BarycentricMeanEcliptic,
        FK4NoETerms,
        Galactic,
        SkyCoord,
        Supergalactic,
    )
    from astropy.time import Time  # noqa: PLC0415

    julian, besselian = Time(frame.equinox, format="jyear"), Time(frame.equinox, format="byear")
    frames = {
        "FK5": lambda: FK5(equinox=julian),
        "FK4": lambda: FK4(equinox=besselian),
        "FK4-NO-E": lambda: FK4NoETerms(equinox=besselian),
        "galactic": Galactic,
        "ecliptic": lambda: BarycentricMeanEcliptic(equinox=julian),
        "supergalactic": Supergalactic,
    }
    place = SkyCoord(longitude_deg, latitude_deg, unit="deg", frame=frames[frame.system]()).icrs
    return float(place.ra.deg) % 360.0, float(place.dec.deg)
