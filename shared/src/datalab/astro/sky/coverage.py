"""What an image covers on the sky: its corners, by whatever world coordinates its header has.

Of an exposure that comes in nothing more is wanted of its world coordinates. Where they are plain, no WCS is made: that
takes 1.5 ms, ten times as long.

References:
    M. R. Calabretta and E. W. Greisen, A&A 395, 1077 (2002), sections 2.3 and 5.1.3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from astropy.io import fits

from datalab.astro.headers.cards import HeaderCards, HeaderValue
from datalab.astro.sky.plain_tan import PlainTan
from datalab.astro.sky.wcs import outer_corners, plain_tan, read_wcs
from datalab.astro.sky.wcs_doubts import doubts


@dataclass(frozen=True, slots=True)
class Coverage:
    """The outer corners of an image as ICRS (right ascension, declination) in degrees, None if they are not known.

    The order is that of `datalab.astro.sky.wcs.footprint`; `notes` are those of `read_wcs`.
    """

    corners: tuple[tuple[float, float], ...] | None = None
    notes: tuple[str, ...] = ()


def coverage(header: fits.Header, shape: tuple[int, int]) -> Coverage:
    """Return what an image covers, and notes on how its world coordinates were read. Never raises and never warns.

    Args:
        header: of the image.
        shape: (rows, columns).
    """
    plain = plain_tan(HeaderCards(header))
    if plain is not None:
        return Coverage(_plain_corners(plain, shape), tuple(doubts(header, plain.pixel_scale_arcsec)))
    reading = read_wcs(header, shape)
    corners = None if reading.wcs is None else outer_corners(reading.wcs, shape)
    return Coverage(None if corners is None else tuple(corners), reading.notes)


def plain_coverage(cards: Mapping[str, HeaderValue], shape: tuple[int, int]) -> Coverage | None:
    """Return what an image covers by its cards alone; None unless what they say of coordinates is plain."""
    plain = plain_tan(cards)
    if plain is None:
        return None
    return Coverage(_plain_corners(plain, shape), tuple(doubts(cards, plain.pixel_scale_arcsec)))


def _plain_corners(plain: PlainTan, shape: tuple[int, int]) -> tuple[tuple[float, float], ...]:
    rows, columns = shape
    return tuple(_sky(plain, x, y) for x, y in ((0, 0), (columns, 0), (columns, rows), (0, rows)))


def _sky(plain: PlainTan, x: float, y: float) -> tuple[float, float]:
    """Return where a place of an image is on the sky; its outer corner beside the first pixel is (0, 0).

    The place in the tangent plane, whose axes are east and north, as a direction in space.
    """
    dx, dy = x + 0.5 - plain.crpix[0], y + 0.5 - plain.crpix[1]
    east, north = (math.radians(along_x * dx + along_y * dy) for along_x, along_y in plain.cd)
    declination = math.radians(plain.crval[1])
    to_equator = math.cos(declination) - north * math.sin(declination)
    to_pole = math.sin(declination) + north * math.cos(declination)
    right_ascension = plain.crval[0] + math.degrees(math.atan2(east, to_equator))
    return right_ascension % 360.0, math.degrees(math.atan2(to_pole, math.hypot(east, to_equator)))
