"""Scale and rotation of world coordinates: CD, PC with CDELT, or CDELT with CROTA, in degrees.

References:
    FITS Standard 4.0, sections 8.2 and 8.3; Calabretta and Greisen (2002), section 6.1 for CROTA.
"""

from __future__ import annotations

import math

import numpy as np

from datalab.astro.sky.wcs_words import UnusableWcsError, WcsWords
from datalab.astro.types import FloatArray

#: Degrees of the units that angles come in, by how programs spell them.
_UNITS_DEG = {
    "": 1.0,
    "DEG": 1.0,
    "DEGREE": 1.0,
    "DEGREES": 1.0,
    "ARCMIN": 1 / 60,
    "ARCMINUTE": 1 / 60,
    "ARCMINUTES": 1 / 60,
    "ARCSEC": 1 / 3600,
    "ARCSECOND": 1 / 3600,
    "ARCSECONDS": 1 / 3600,
    "MAS": 1 / 3.6e6,
    "RAD": math.degrees(1.0),
    "RADIAN": math.degrees(1.0),
    "RADIANS": math.degrees(1.0),
}
#: How different two matrices or rotations may be, as a part, that say the same with fewer digits.
_SAME_MATRIX = 1e-3
#: Nominal scales are wrong by some per cent, binning changes them by a factor.
_SAME_SCALE = 1.3
#: Matrices of pixels without scale are not meant to be degrees: no camera has pixels of 10 degrees.
_MOST_PIXEL_DEG = 10.0
#: So many times longer than wide is no pixel of a camera; a missing CDELT2 makes it thousands.
_MOST_ELONGATED = 20.0


def use_degrees(words: WcsWords, axes: tuple[int, int]) -> None:
    for axis in axes:
        given = words.text(f"CUNIT{axis}")
        factor = _UNITS_DEG.get(given.upper().rstrip("."))
        if factor is None:
            raise UnusableWcsError(f"CUNIT{axis}: {given!r} is no angle, the world coordinates were left out")
        if factor != 1.0:
            in_unit = [f"CRVAL{axis}", f"CDELT{axis}", *words.matching(rf"CD{axis}_[1-9]")]
            for keyword in in_unit:
                number = words.number(keyword)
                if number is not None:
                    words.set(keyword, number * factor)
            words.note(f"CUNIT{axis}: {given!r}, converted to degrees")
        if given and given != "deg":
            words.set(f"CUNIT{axis}", "deg")


def choose_matrix(words: WcsWords, axes: tuple[int, int]) -> None:
    """Leave one of CD, PC with CDELT, and CDELT with CROTA, as the standard wants it."""
    plane = [(row, column) for row in sorted(axes) for column in sorted(axes)]
    cd, pc = words.matching(r"CD[1-9]_[1-9]"), words.matching(r"PC[1-9]_[1-9]")
    cdelt = {axis: words.number(f"CDELT{axis}") for axis in axes}
    if cd and not _determinant(words, "CD", axes):
        if not all(cdelt.values()):
            raise UnusableWcsError("CD1_1: the CD matrix has no inverse, the world coordinates were left out")
        words.note("CD1_1: the CD matrix has no inverse, CDELT was taken")
        words.drop(*cd)
        cd = []
    if cd:
        if pc and all(cdelt.values()) and not _agree(words, plane):
            words.note("PC1_1: does not say the same as CD1_1, which was taken")
        _note_other_scales(words, axes, cdelt)
        words.drop(*pc, *words.matching(r"CDELT[1-9]"), *words.matching(r"CROTA[1-9]"))
    else:
        _check_cdelt(cdelt)
        if pc:
            turned = [keyword for keyword in words.matching(r"CROTA[1-9]") if words.number(keyword)]
            if turned:
                words.note(f"{turned[0]}: does not go with PC1_1, which was taken")
            words.drop(*words.matching(r"CROTA[1-9]"))
        else:
            _choose_rotation(words, axes)
    _check_pixel_shape(words, plane, is_cd=bool(cd))


def _note_other_scales(words: WcsWords, axes: tuple[int, int], cdelt: dict[int, float | None]) -> None:
    """CDELT beside CD is redundant, and 1 if it is there for form only."""
    first, second = (cdelt[axis] for axis in axes)
    if not first or not second or abs(first) == 1.0:
        return
    ratio = math.sqrt(abs(first * second) / abs(_determinant(words, "CD", axes)))
    if not 1 / _SAME_SCALE < ratio < _SAME_SCALE:
        words.note(f"CDELT1: {ratio:.3g} times the scale of CD1_1, which was taken")


def _check_cdelt(cdelt: dict[int, float | None]) -> None:
    given = {axis: value for axis, value in cdelt.items() if value is not None}
    if len(given) == 1:
        (missing,) = cdelt.keys() - given.keys()
        raise UnusableWcsError(f"CDELT{missing}: is missing, the world coordinates were left out")
    if not all(given.values()):
        raise UnusableWcsError("CDELT1: pixels without a size, the world coordinates were left out")


def _choose_rotation(words: WcsWords, axes: tuple[int, int]) -> None:
    """The angle is that of the latitude axis (FITS Standard 4.0, section 8.3); some give it on the other."""
    lng, lat = axes
    other, own = words.number(f"CROTA{lng}"), words.number(f"CROTA{lat}")
    if own is None and other is not None:
        words.set(f"CROTA{lat}", other)
        words.note(f"CROTA{lng}: stands for the missing CROTA{lat}")
    elif own is not None and other and not math.isclose(math.remainder(own - other, 360.0), 0.0, abs_tol=0.01):
        words.note(f"CROTA{lng}: {other:g} is not CROTA{lat}, which was taken")
    words.drop(f"CROTA{lng}")


def _check_pixel_shape(words: WcsWords, plane: list[tuple[int, int]], *, is_cd: bool) -> None:
    matrix = _matrix(words, "CD", plane) if is_cd else _with_scales(words, plane)
    keyword = "CD1_1" if is_cd else "CDELT1"
    widths = np.linalg.svd(np.array(matrix), compute_uv=False)
    if not widths[0] < _MOST_PIXEL_DEG:
        raise UnusableWcsError(
            f"{keyword}: pixels of {widths[0]:.3g} degrees are no camera's, the world coordinates were left out"
        )
    if widths[0] > _MOST_ELONGATED * widths[1]:
        words.note(f"{keyword}: pixels {widths[0] / widths[1]:.3g} times as long as wide")


def put_longitude_first(words: WcsWords) -> None:
    """Exchange the axes of the sky: WCSLIB takes the first one of TPV for the longitude whatever its type says."""
    matrix = _with_rotation(words)
    words.drop(*words.matching(r"(?:CD|PC)[12]_[12]|CDELT[12]|CROTA[12]"))
    for row, column in ((1, 1), (1, 2), (2, 1), (2, 2)):
        words.set(f"CD{row}_{column}", float(matrix[2 - row][column - 1]))
    pairs = {keyword: f"{keyword[:5]}{3 - int(keyword[5])}" for keyword in words.matching(r"(?:CTYPE|CRVAL|CUNIT)[12]")}
    pairs |= {keyword: f"PV{3 - int(keyword[2])}{keyword[3:]}" for keyword in words.matching(r"PV[12]_\d+")}
    moved = {new: words.values[old] for old, new in pairs.items()}
    words.drop(*pairs)
    for keyword, value in moved.items():
        if isinstance(value, str | int | float):
            words.set(keyword, value)


def _with_rotation(words: WcsWords) -> FloatArray:
    """Return the matrix of an image whose axes are latitude and longitude, in degrees per pixel."""
    plane = [(1, 1), (1, 2), (2, 1), (2, 2)]
    if words.matching(r"CD[12]_[12]"):
        return np.array(_matrix(words, "CD", plane))
    angle = words.number("CROTA1")  # of the latitude
    if angle is None:
        return np.array(_with_scales(words, plane))
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    # Paper II, equations 189 and following, with the latitude first
    lat, lng = _diagonal_scales(words)
    return np.array([[lat * cosine, lng * sine], [-lat * sine, lng * cosine]])


def _diagonal_scales(words: WcsWords) -> tuple[float, float]:
    return words.number("CDELT1") or 1.0, words.number("CDELT2") or 1.0


def _agree(words: WcsWords, plane: list[tuple[int, int]]) -> bool:
    one, other = np.array(_matrix(words, "CD", plane)), np.array(_with_scales(words, plane))
    return bool(np.abs(one - other).max() <= _SAME_MATRIX * np.abs(one).max())


def _determinant(words: WcsWords, kind: str, axes: tuple[int, int]) -> float:
    a, b = sorted(axes)
    ((first, second), (third, fourth)) = _matrix(words, kind, [(a, a), (a, b), (b, a), (b, b)])
    return first * fourth - second * third


def _with_scales(words: WcsWords, plane: list[tuple[int, int]]) -> list[list[float]]:
    rows = _matrix(words, "PC", plane)
    scales = [1.0 if (value := words.number(f"CDELT{row}")) is None else value for row in (plane[0][0], plane[2][0])]
    return [[scale * element for element in row] for scale, row in zip(scales, rows, strict=True)]


def _matrix(words: WcsWords, kind: str, plane: list[tuple[int, int]]) -> list[list[float]]:
    """Return the elements; those not given are 0, and 1 on the diagonal of PC (FITS Standard 4.0, section 8.2)."""
    values = []
    for row, column in plane:
        number = words.number(f"{kind}{row}_{column}")
        values.append((1.0 if kind == "PC" and row == column else 0.0) if number is None else number)
    return [values[:2], values[2:]]
