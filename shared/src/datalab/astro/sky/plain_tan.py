"""World coordinates that need no interpretation: gnomonic, without distortion, in the words of the standard.

Most headers have these. That they hold on the whole image is known from the cards alone; to try it with WCSLIB takes a
millisecond for each image of each operation.

References:
    FITS Standard 4.0 (2018), section 8.
    M. R. Calabretta and E. W. Greisen, A&A 395, 1077 (2002), section 5.1.3: TAN.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from datalab.astro.headers.cards import HeaderValue

_NUMBERS = ("CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2", "CD1_1", "CD1_2", "CD2_1", "CD2_2")
#: What other cards say, if they are there.
_WORDS: Mapping[str, HeaderValue] = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CUNIT1": "deg",
    "CUNIT2": "deg",
    "RADESYS": "ICRS",
    "EQUINOX": 2000.0,
    "WCSAXES": 2,
    "LONPOLE": 180.0,
}
_REQUIRED = frozenset({*_NUMBERS, "CTYPE1", "CTYPE2", "RADESYS"})
#: Cards that say when, or how the coordinates were found; LATPOLE does not matter to a gnomonic projection.
_NOT_OF_PLACE = re.compile(
    r"(?P<text>DATE(?:-OBS|-BEG|-AVG|-END)?|TIMESYS|TIMEUNIT|WCSNAME)|"
    r"(?P<number>NAXIS[12]|PCOUNT|LATPOLE|MJD-(?:OBS|BEG|AVG|END)|WCSERR|WCSMATCH|WCSNREF)"
)
_POLE_DEG = 90.0
#: The sides of a camera's pixels, and how unlike they are at the most.
_PIXEL_DEG = (1e-7, 1.0)
_MOST_ELONGATED = 10.0
#: Further from the reference pixel than any image reaches: beyond, numbers lose the digits that pixels need.
_FURTHEST_PX = 1e6


@dataclass(frozen=True, slots=True)
class PlainTan:
    """A gnomonic projection of the ICRS: the reference pixel as FITS counts, its place, the CD matrix in degrees."""

    crpix: tuple[float, float]
    crval: tuple[float, float]
    cd: tuple[tuple[float, float], tuple[float, float]]

    @classmethod
    def of(cls, values: Mapping[str, HeaderValue]) -> Self | None:
        """Return what the cards that have to do with coordinates say; None unless all of it is plain.

        Args:
            values: of all cards that `datalab.astro.sky.wcs` reads coordinates from, by keyword.
        """
        if not values.keys() >= _REQUIRED or not all(_is_plain(keyword, value) for keyword, value in values.items()):
            return None
        x, y, longitude, latitude, *matrix = (float(str(values[keyword])) for keyword in _NUMBERS)
        found = cls((x, y), (longitude, latitude), ((matrix[0], matrix[1]), (matrix[2], matrix[3])))
        return found if found._is_of_a_camera() else None

    @property
    def pixel_scale_arcsec(self) -> float:
        """The side of a square of the area that a pixel has at the reference point."""
        (a, b), (c, d) = self.cd
        return math.sqrt(abs(a * d - b * c)) * 3600.0

    def _is_of_a_camera(self) -> bool:
        if not abs(self.crval[1]) < _POLE_DEG or max(map(abs, self.crpix)) > _FURTHEST_PX:
            return False
        longest, shortest = np.linalg.svd(np.array(self.cd), compute_uv=False)
        return bool(_PIXEL_DEG[0] < shortest <= longest < _PIXEL_DEG[1] and longest < _MOST_ELONGATED * shortest)


def _is_plain(keyword: str, value: HeaderValue) -> bool:
    if keyword in _NUMBERS:
        return _is_number(value)
    if keyword in _WORDS:
        expected = _WORDS[keyword]
        return value == expected and _is_number(value) is _is_number(expected)
    beside = _NOT_OF_PLACE.fullmatch(keyword)
    if beside is None:
        return False
    return isinstance(value, str) if beside["text"] else _is_number(value)


def _is_number(value: HeaderValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
