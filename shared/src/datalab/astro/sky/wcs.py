"""World coordinates of images, as their headers have them.

Pixel coordinates are those of numpy and astropy: x is the column, y the row, whole numbers at pixel centres from 0 on.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
from astropy import units
from astropy.coordinates import ConvertError, SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import pixel_to_pixel

from datalab.astro.headers.cards import HeaderCards, HeaderValue
from datalab.astro.sky.plain_tan import PlainTan
from datalab.astro.sky.wcs_dialects import standard_cards
from datalab.astro.sky.wcs_doubts import DOUBT_KEYWORDS, doubts
from datalab.astro.sky.wcs_words import UnusableWcsError
from datalab.astro.types import FloatArray

#: Takes x and y of pixels, of any one shape, to x and y in another image; NaN for what has no place there.
PixelMapping = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
#: What astropy.wcs raises for damaged keywords; its own errors are ValueErrors, those of WCSLIB without words
#: RuntimeErrors.
_ASTROPY_ERRORS = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RuntimeError,
    ConvertError,
    fits.VerifyError,
)
#: Points along each side of an image that stand for its outline: straight sides need one, SIP bends them little.
_OUTLINE_POINTS_PER_SIDE = 16
#: How all keywords begin that say where, in which frame and when (FITS Standard 4.0, sections 8 and 9; SIP, distortion
#: tables, SCAMP's PV, as astropy.wcs reads them). It is given no others: it formats each card, and an exposure has 80.
_OF_COORDINATES = re.compile(
    r"NAXIS\d|WCS|CRPIX|CRVAL|CTYPE|CUNIT|CD|PC|CROTA|PV|PS|CRDER|CSYER|CNAME|CZPHS|CPERI|LONPOLE|LONGPOLE|LATPOLE|RADE|EQUINOX|"
    r"EPOCH|[JB]EPOCH|VEL|VSOURCE|ZSOURCE|SPECSYS|SSYS|REST|OBSGEO|OBSORBIT|MJD|DATE|TIM|TREF|TRPOS|TRDIR|PLEPHEM|TSTART|"
    r"TSTOP|TELAPSE|XPOSURE|[AB]P?_|C[PQ]DIS|C[PQ]ERR|DVERR|D[PQ]\d|D2IM|AXISCORR|WAT|LTM|LTV"
)
#: No keyword of the standard is longer.
_MOST_CHARACTERS = 8
_DAMAGED = "the world coordinates do not hold on the whole image and were left out"
#: A pixel taken to the sky and back must return.
_ROUND_TRIP_PX = 0.1


def says_where(keyword: str) -> bool:
    """Tell whether a card may have to do with the coordinates of an image."""
    return _OF_COORDINATES.match(keyword) is not None or keyword in DOUBT_KEYWORDS


@dataclass(frozen=True, slots=True)
class WcsReading:
    """The celestial WCS of an image, None if there is none to rely on, and notes on what was translated or left out."""

    wcs: WCS | None
    notes: tuple[str, ...] = ()


def celestial_wcs(header: fits.Header, shape: tuple[int, int]) -> WCS | None:
    """Return the celestial WCS of an image, or None if there is none to rely on; see `read_wcs`."""
    return read_wcs(header, shape).wcs


def read_wcs(header: fits.Header, shape: tuple[int, int]) -> WcsReading:
    """Return the celestial WCS of an image, distortions (SIP, TPV, TNX) included, and notes on how it was read.

    Never raises and never warns, whatever is in the header. The WCS has two axes and knows its `array_shape`.

    Args:
        header: of the image; CD, PC with CDELT, and CROTA are understood, and what programs make of them.
        shape: (rows, columns).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy tells what it mended in the header
        try:
            standard = standard_cards(header, [card for card in header.cards if _OF_COORDINATES.match(card.keyword)])
        except UnusableWcsError as error:
            return WcsReading(None, (str(error),))
        except _ASTROPY_ERRORS:
            return WcsReading(None, (f"CTYPE1: {_DAMAGED}",))
        if standard is None:
            return WcsReading(None)
        cards, notes = standard
        wcs = _usable_wcs(cards, shape)
    if wcs is None:
        return WcsReading(None, (*notes, f"{_blamed(cards)}: {_DAMAGED}"))
    return WcsReading(wcs, (*notes, *doubts(header, pixel_scale_arcsec(wcs))))


def wcs_notes(header: fits.Header, shape: tuple[int, int]) -> tuple[str, ...]:
    """Return the notes of `read_wcs`, without making a WCS where the cards are plain."""
    plain = plain_tan(HeaderCards(header))
    if plain is None:
        return read_wcs(header, shape).notes
    return tuple(doubts(header, plain.pixel_scale_arcsec))


def plain_tan(cards: Mapping[str, HeaderValue]) -> PlainTan | None:
    """Return the world coordinates of an image's cards, None unless they are plain; doubts do not change them."""
    of_coordinates = {
        keyword: cards[keyword]
        for keyword in cards
        if len(keyword) <= _MOST_CHARACTERS and keyword not in DOUBT_KEYWORDS and _OF_COORDINATES.match(keyword)
    }
    return PlainTan.of(of_coordinates)


def _blamed(cards: fits.Header) -> str:
    """Return the keyword of what most likely does not hold: a distortion, if there is one."""
    return next((keyword for keyword in ("A_ORDER", "PV1_1") if keyword in cards), "CTYPE1")


def _usable_wcs(cards: fits.Header, shape: tuple[int, int]) -> WCS | None:
    """Return the WCS of cards of the standard, None if it does not hold on the whole image."""
    rows, columns = shape
    try:
        cards["NAXIS"] = 2  # WCSLIB sizes its tables by this one too
        wcs = WCS(cards)
        if not wcs.has_celestial:
            return None
        wcs = wcs if wcs.naxis == 2 else wcs.celestial
        x, y = np.array([0.0, columns - 1, 0, columns - 1]), np.array([0.0, 0, rows - 1, rows - 1])
        right_ascensions, declinations = _icrs_deg(wcs, x, y)
        if not (np.isfinite(right_ascensions).all() and np.isfinite(declinations).all() and _returns(wcs, shape)):
            return None
    except _ASTROPY_ERRORS:
        return None
    wcs.array_shape = shape
    return wcs


def pixel_scale_arcsec(wcs: WCS) -> float:
    """Return the side of a square of the area that a pixel of a celestial WCS has at the reference point.

    As `astropy.wcs.utils.proj_plane_pixel_area`, which first makes another WCS of the celestial axes: here all are.
    """
    return float(np.sqrt(abs(np.linalg.det(wcs.pixel_scale_matrix)))) * 3600.0


def pixel_sides_arcsec(wcs: WCS) -> tuple[float, float]:
    """Return the width and the height that a pixel of a celestial WCS has at the reference point."""
    width, height = np.sqrt(np.sum(np.square(wcs.pixel_scale_matrix), axis=0)) * 3600.0
    return float(width), float(height)


def position_angle_deg(wcs: WCS, shape: tuple[int, int]) -> float:
    """Return the direction in which rows grow, at the middle of an image: from north through east, in [0, 360)."""
    rows, columns = shape
    x, y = (columns - 1) / 2, (rows - 1) / 2
    here, above = wcs.pixel_to_world([x, x], [y - 0.5, y + 0.5]).icrs
    return float(here.position_angle(above).to_value(units.deg))


def between(target: WCS, source: WCS) -> PixelMapping:
    """Return the mapping from the pixels of `target` to those of `source` that show the same place on the sky.

    Differing celestial frames are converted. Places that the projection of `source` cannot show become NaN.
    """

    def mapping(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        if not np.size(x):  # astropy cannot take none to the sky
            return x, y
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SIP has no inverse far outside the image; nothing is taken from there
            source_x, source_y = pixel_to_pixel(target, source, x, y)
        return np.asarray(source_x, np.float64), np.asarray(source_y, np.float64)

    return mapping


def outline(wcs: WCS, shape: tuple[int, int], *, points_per_side: int = _OUTLINE_POINTS_PER_SIDE) -> SkyCoord:
    """Return places along the outer edge of an image of the shape (rows, columns), all corners included."""
    return wcs.pixel_to_world(*_edge(shape, points_per_side)).icrs


def footprint(header: fits.Header, shape: tuple[int, int]) -> list[tuple[float, float]] | None:
    """Return the corners of an image on the sky as ICRS (right ascension, declination) in degrees, or None without WCS.

    The order is that of the outer corners of pixels [0, 0], [0, last], [last, last], [last, 0]. Right ascensions are
    in [0, 360), so a footprint across RA 0 has values from both ends.

    Args:
        header: of the image; an invalid WCS counts as none.
        shape: (rows, columns).
    """
    wcs = celestial_wcs(header, shape)
    return None if wcs is None else outer_corners(wcs, shape)


def outer_corners(wcs: WCS, shape: tuple[int, int]) -> list[tuple[float, float]] | None:
    """Return the corners of an image with a celestial WCS; see `footprint`."""
    right_ascensions, declinations = _icrs_deg(wcs, *_edge(shape, points_per_side=1))
    if not (np.isfinite(right_ascensions).all() and np.isfinite(declinations).all()):
        return None
    return list(zip((right_ascensions % 360.0).tolist(), declinations.tolist(), strict=True))


def _edge(shape: tuple[int, int], points_per_side: int) -> tuple[FloatArray, FloatArray]:
    """Return x and y of points along the outer edge of an image of the shape (rows, columns), all corners included."""
    rows, columns = shape
    part = np.arange(points_per_side) / points_per_side
    x = np.concatenate([part, np.ones_like(part), 1 - part, np.zeros_like(part)]) * columns - 0.5
    y = np.concatenate([np.zeros_like(part), part, np.ones_like(part), 1 - part]) * rows - 0.5
    return x, y


def _icrs_deg(wcs: WCS, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return right ascension and declination of pixels, in degrees.

    Where the axes are those of the ICRS they are read off; astropy's coordinate objects take 2 ms for four points.
    """
    axes = wcs.wcs
    if axes.radesys.strip().upper() == "ICRS" and (axes.lngtyp.strip(), axes.lattyp.strip()) == ("RA", "DEC"):
        world = wcs.pixel_to_world_values(x, y)
        return np.asarray(world[axes.lng]), np.asarray(world[axes.lat])
    sky = wcs.pixel_to_world(x, y).icrs
    return sky.ra.deg, sky.dec.deg


def _returns(wcs: WCS, shape: tuple[int, int]) -> bool:
    """Tell whether pixels have an area and come back from the sky: matrices and distortions may have no inverse."""
    if not pixel_scale_arcsec(wcs) > 0.0:
        return False
    x, y = np.array([0.0, (shape[1] - 1) / 2, shape[1] - 1.0]), np.array([0.0, (shape[0] - 1) / 2, shape[0] - 1.0])
    back_x, back_y = wcs.world_to_pixel_values(*wcs.pixel_to_world_values(x, y))
    return bool((np.hypot(back_x - x, back_y - y) < _ROUND_TRIP_PX).all())


def is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
