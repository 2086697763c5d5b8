"""World coordinates as programs write them, put into the words of the FITS Standard.

What a program means beyond doubt is translated and noted; what may mean two things is refused, so that nobody takes an
image for one of another place.

References:
    FITS Standard 4.0 (2018), section 8.
    M. R. Calabretta and E. W. Greisen, A&A 395, 1077 (2002): "Paper II".
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from astropy.io import fits

from datalab.astro.sky.wcs_distortions import choose_distortion, read_iraf, refuse_lookup_tables
from datalab.astro.sky.wcs_frames import choose_frame
from datalab.astro.sky.wcs_matrix import choose_matrix, use_degrees
from datalab.astro.sky.wcs_words import UnusableWcsError, WcsWords

#: Cards of a second set of coordinates, which are not read: one of them that is damaged must not cost the first set.
_ALTERNATE = re.compile(
    r"(?:(?:CRPIX|CRVAL|CDELT|CTYPE|CUNIT|CNAME|CRDER|CSYER)[1-9]|(?:CD|PC)[1-9]_[1-9]|P[VS][1-9]_\d{1,2}|WCSAXES|WCSNAME|"
    r"LONPOLE|LATPOLE|RADESYS|EQUINOX)[A-Z]"
)
_MOST_AXES = 9
_CELESTIAL_TYPE = re.compile(
    r"(?P<axis>RA|DEC|GLON|GLAT|ELON|ELAT)-+(?P<code>[A-Z]{3})(?:(?P<sip>-+SIP)|-*)", re.IGNORECASE
)
_PARTNERS = {"RA": "DEC", "GLON": "GLAT", "ELON": "ELAT"}


def standard_cards(header: fits.Header, cards: Iterable[fits.Card]) -> tuple[fits.Header, tuple[str, ...]] | None:
    """Return the primary world coordinates in the words of the standard, and notes on what was translated.

    Args:
        header: of the image: dates are looked up in it.
        cards: those of it that have to do with coordinates.

    Returns:
        None if the header has no celestial world coordinates, or only where the telescope pointed.

    Raises:
        UnusableWcsError: see there.
    """
    words = WcsWords(header, [card for card in cards if not _ALTERNATE.fullmatch(card.keyword)])
    words.rename_old()
    axes = _celestial_axes(words)
    if axes is None:
        return None
    words.read_numbers()
    _check_counts(words)
    if set(axes) == {1, 2}:
        _leave_two_axes(words)
    if not _has_position_and_scale(words):
        return None
    refuse_lookup_tables(words)
    use_degrees(words, axes)
    latitude_deg = words.number(f"CRVAL{axes[1]}")
    if latitude_deg is not None and abs(latitude_deg) > 90.0:
        raise UnusableWcsError(
            f"CRVAL{axes[1]}: {latitude_deg:g} is beyond the pole, the world coordinates were left out"
        )
    choose_matrix(words, axes)
    choose_frame(words, header)
    read_iraf(words, axes)
    choose_distortion(words, axes)
    return words.header, tuple(words.notes)


def _check_counts(words: WcsWords) -> None:
    """WCSLIB makes tables as large as WCSAXES says."""
    count = words.values.get("WCSAXES")
    if count is not None and not (isinstance(count, int) and 0 <= count <= _MOST_AXES):
        raise UnusableWcsError(f"WCSAXES: {count!r} is no number of axes, the world coordinates were left out")


def _leave_two_axes(words: WcsWords) -> None:
    """The image is a plane: what is left of other axes, of the cube it was cut from, only misleads WCSLIB."""
    words.drop(*words.matching(r"(?:CRPIX|CRVAL|CDELT|CROTA|CTYPE|CUNIT|CNAME|CRDER|CSYER)[3-9]|PV[3-9]_\d+"))
    words.drop(*words.matching(r"(?:CD|PC)(?:[1-9]_[3-9]|[3-9]_[1-9])"))
    if "WCSAXES" in words.values:
        words.set("WCSAXES", 2)


def _celestial_axes(words: WcsWords) -> tuple[int, int] | None:
    """Return which axes are longitude and latitude, their types put right, or None if there are none."""
    found: dict[str, tuple[int, re.Match[str]]] = {}
    for number in range(1, 10):
        text = words.text(f"CTYPE{number}")
        if match := _CELESTIAL_TYPE.fullmatch(text):
            found.setdefault(match["axis"].upper(), (number, match))
        elif text.upper() in {"RA", "DEC"} and words.number("CRVAL1") is not None:
            raise UnusableWcsError(f"CTYPE{number}: {text!r} names no projection, the world coordinates were left out")
    if len(found) == 1 and words.number("CRVAL1") is not None:
        ((number, match),) = found.values()
        raise UnusableWcsError(
            f"CTYPE{number}: {match[0]!r} is alone, the other axis is not on the sky: no world coordinates"
        )
    pair = next(((lng, lat) for lng, lat in _PARTNERS.items() if lng in found and lat in found), None)
    if pair is None and len(found) > 1 and words.number("CRVAL1") is not None:
        (number, match), (other, _) = list(found.values())[:2]
        raise UnusableWcsError(
            f"CTYPE{number}: {match[0]!r} and CTYPE{other} are of two systems, the world coordinates were left out"
        )
    if pair is None:
        return None
    (lng, lng_type), (lat, lat_type) = found[pair[0]], found[pair[1]]
    code = lng_type["code"].upper()
    if code != lat_type["code"].upper():
        raise UnusableWcsError(
            f"CTYPE{lng}: {lng_type[0]!r} does not go with {lat_type[0]!r}, the world coordinates were left out"
        )
    has_sip = lng_type["sip"] or lat_type["sip"]
    for name, number, given in ((pair[0], lng, lng_type), (pair[1], lat, lat_type)):
        proper = f"{name:-<4}-{code}" + ("-SIP" if has_sip else "")
        if given[0] != proper:
            words.note(f"CTYPE{number}: {given[0]!r} was read as {proper}")
        words.set(f"CTYPE{number}", proper)
    return lng, lat


def _has_position_and_scale(words: WcsWords) -> bool:
    """Tell whether both are given: for missing ones WCSLIB assumes 0 and 1 degree per pixel."""
    scales = [*words.matching(r"CD[1-9]_[1-9]"), *words.matching(r"CDELT[1-9]"), *words.matching(r"PC[1-9]_[1-9]")]
    without = [keyword for keyword in ("CRVAL1", "CRVAL2") if words.number(keyword) is None]
    if len(without) == 2 or not scales:
        return False
    if without:
        raise UnusableWcsError(f"{without[0]}: is missing, the world coordinates were left out")
    if not any(words.number(keyword) for keyword in scales):
        raise UnusableWcsError(f"{scales[0]}: pixels without a size, the world coordinates were left out")
    missing = [keyword for keyword in ("CRPIX1", "CRPIX2") if keyword not in words.values]
    if len(missing) == 1:
        raise UnusableWcsError(f"{missing[0]}: is missing, the world coordinates were left out")
    if missing:  # FITS Standard 4.0, section 8.2: the default is 0
        words.note("CRPIX1, CRPIX2: are missing, 0 was taken as the FITS standard has it")
    return True
