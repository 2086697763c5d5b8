"""Every type of pixel, with every BSCALE, BZERO and BLANK that FITS allows, and some that it does not.

FITS 4.0, sections 4.4.2.5 and 5: physical value = BZERO + BSCALE x stored value; BLANK is a stored value, and of
integers only; unsigned integers and signed bytes are stored with the offsets of table 11.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from corpus.building import Raw, file
from corpus.model import File, right

_ARRAYS = "FITS 4.0, sections 4.4.2.5 and 5.3"
_OFFSETS = "FITS 4.0, section 5.2.5, table 11"
_IEEE = "FITS 4.0, section 5.3; IEEE 754"
#: Of a number that had to become one of 32 bits on the way.
_SINGLE = 2e-7
_SHAPE = (3, 4)


def _stored(code: str, *extremes: float) -> np.ndarray:
    """Return twelve pixels of a type: some small numbers, and the extremes."""
    values = [0, 1, 2, 3, 5, 7, 11, 100, 101, 102, 103, 104]
    values[: len(extremes)] = list(extremes)
    return np.array(values, dtype=code).reshape(_SHAPE)


_BYTES = _stored("u1", 0, 255)
_SHORTS = _stored("i2", -32768, 32767, -1)
_INTS = _stored("i4", -(2**31), 2**31 - 1, -1)
_LONGS = _stored("i8", -(2**63), 2**63 - 1, 2**53 + 1, -1)
_BY_NAME = {"8": _BYTES, "16": _SHORTS, "32": _INTS, "64": _LONGS}
#: FITS 4.0, table 11.
_UNSIGNED_ZERO = {"8": -128, "16": 2**15, "32": 2**31, "64": 2**63}


def _scaled(stored: np.ndarray, scale: float = 1.0, zero: float = 0.0, blank: int | None = None) -> np.ndarray:
    """Return physical values in double precision, NaN where blank."""
    physical = zero + scale * stored.astype(np.float64)
    if blank is not None:
        physical[stored == blank] = np.nan
    return physical


def _exact(stored: np.ndarray, zero: int) -> np.ndarray:
    """Return whole physical values of any size, exactly."""
    return np.array([int(value) + zero for value in stored.ravel()], dtype=object).reshape(stored.shape)


def _pixels(name: str, stored: np.ndarray, physical: Any, cards: dict[str, Any], **said: Any) -> File:
    told = {"shape": _SHAPE, "pixels": physical, "source": _ARRAYS} | said
    # Cards on storage come behind the mandatory ones, but before all others.
    return file(name, right(**told), {}, stored, **cards)


def _integers(bits: str, stored: np.ndarray) -> list[File]:
    zero = _UNSIGNED_ZERO[bits]
    blank = int(stored.flat[2])
    within = {"pixels_within": _SINGLE} if bits in {"8", "16"} else {"pixels_within": 1e-15}
    return [
        _pixels(f"int{bits}", stored, stored, {}),
        _pixels(f"int{bits}-explicit-defaults", stored, stored, {"BSCALE": 1.0, "BZERO": 0.0}),
        _pixels(f"int{bits}-other-sign", stored, _exact(stored, zero), {"BSCALE": 1, "BZERO": zero}, source=_OFFSETS),
        _pixels(
            f"int{bits}-other-sign-as-float",
            stored,
            _exact(stored, zero),
            {"BSCALE": Raw("1.0"), "BZERO": Raw(f"{zero}.0")},
            source=_OFFSETS,
        ),
        _pixels(f"int{bits}-scale", stored, _scaled(stored, 0.25), {"BSCALE": 0.25}, **within),
        _pixels(f"int{bits}-offset", stored, _scaled(stored, 1, 100), {"BZERO": 100.0}, **within),
        _pixels(
            f"int{bits}-scale-and-offset",
            stored,
            _scaled(stored, -0.1, 1000),
            {"BSCALE": -0.1, "BZERO": 1000.0},
            **within,
        ),
        _pixels(f"int{bits}-blank", stored, _scaled(stored, blank=blank), {"BLANK": blank}, **within),
        _pixels(
            f"int{bits}-blank-other-sign",
            stored,
            _scaled(stored, 1, zero, blank),
            {"BSCALE": 1, "BZERO": zero, "BLANK": blank},
            source=_OFFSETS + "; BLANK is the stored value: section 4.4.2.5",
            **within,
        ),
        _pixels(
            f"int{bits}-blank-and-scale",
            stored,
            _scaled(stored, 0.25, 1000, blank),
            {"BSCALE": 0.25, "BZERO": 1000.0, "BLANK": blank},
            **within,
        ),
    ]


INTEGERS = [each for bits, stored in _BY_NAME.items() for each in _integers(bits, stored)]

EDGES = [
    _pixels("int16-blank-that-none-is", _SHORTS, _SHORTS, {"BLANK": -999}),
    _pixels("int16-blank-at-the-edge", _SHORTS, _scaled(_SHORTS, blank=-32768), {"BLANK": -32768}),
    _pixels(
        "uint16-blank-of-zero",
        _SHORTS,
        _scaled(_SHORTS, 1, 32768, -32768),
        {"BZERO": 32768, "BLANK": -32768},
        source=_OFFSETS,
    ),
    _pixels(
        "int16-blank-out-of-range",
        _SHORTS,
        _SHORTS,
        {"BLANK": 70000},
        may_be_noted=("BLANK",),
        source=_ARRAYS + ": no stored value can be it",
    ),
    _pixels("int16-blank-as-text", _SHORTS, _SHORTS, {"BLANK": "none"}, noted=("BLANK",)),
    _pixels("int16-blank-as-float", _SHORTS, _scaled(_SHORTS, blank=-1), {"BLANK": -1.0}, may_be_noted=("BLANK",)),
    _pixels(
        "int16-all-blank", np.full(_SHAPE, -1, "i2"), np.full(_SHAPE, np.nan), {"BLANK": -1}, may_be_noted=("BLANK",)
    ),
    _pixels(
        "int16-scale-as-exponent", _SHORTS, _scaled(_SHORTS, 0.25), {"BSCALE": Raw("2.5D-01")}, pixels_within=_SINGLE
    ),
    _pixels(
        "int16-fine-scale",
        np.array([[32767, 32766], [1, 0]], "i2"),
        _scaled(np.array([[32767, 32766], [1, 0]], "i2"), 1.0, 1e6 + 0.125),
        {"BZERO": 1e6 + 0.125},
        shape=(2, 2),
        pixels_within=1e-7,
    ),
]

_TEXTS = {"BSCALE": "1.0", "BZERO": "32768"}

#: Not of the standard, but met; or forbidden by it.
ODD = [
    _pixels("scale-as-text", _SHORTS, _exact(_SHORTS, 32768), _TEXTS, noted=("BZERO",), may_be_noted=("BSCALE",)),
    _pixels(
        "scale-with-comma",
        _SHORTS,
        _scaled(_SHORTS, 0.5, 32768),
        {"BSCALE": Raw("0,5"), "BZERO": Raw("32768,0")},
        noted=("BSCALE", "BZERO"),
        pixels_within=_SINGLE,
    ),
    _pixels(
        "offset-undefined", _SHORTS, _SHORTS, {"BSCALE": Raw(""), "BZERO": Raw("")}, may_be_noted=("BSCALE", "BZERO")
    ),
    file("scale-in-words", right(refused="BSCALE|scale|cannot be", source=_ARRAYS), {}, _SHORTS, BSCALE="none"),
    file(
        "scale-of-zero",
        right(refused="BSCALE", source=_ARRAYS + ": default 1, and nothing can be told by 0"),
        {},
        _SHORTS,
        BSCALE=0.0,
    ),
    file("scale-of-nan", right(refused="BSCALE", source=_ARRAYS), {}, _SHORTS, BSCALE=Raw("NaN")),
    file("offset-infinite", right(refused="BZERO", source=_ARRAYS), {}, _SHORTS, BZERO=Raw("Inf")),
    file("offset-beyond-doubles", right(refused="BZERO", source=_ARRAYS), {}, _SHORTS, BZERO=Raw("1.0E999")),
]

_SINGLES = np.array([[0, -0.0, 1.5, -2.25], [np.nan, 1e-40, 3.4028235e38, -3.4028235e38], [1, 2, 3, 4]], "f4")
_DOUBLES = np.array([[0, -0.0, 1.5, -2.25], [np.nan, 5e-324, 1e303, -1e303], [1, 2, 3, 4]], "f8")
_INFINITE = np.array([[np.inf, -np.inf, 1, 2], [np.nan, 3, 4, 5], [6, 7, 8, 9]], "f4")
_NANS = np.frombuffer(bytes.fromhex("7fc00000 ffc00000 7f800001 7fffffff".replace(" ", "")) + bytes(32), ">f4").reshape(
    _SHAPE
)

FLOATS = [
    _pixels("float32", _SINGLES, _SINGLES, {}, source=_IEEE),
    _pixels("float64", _DOUBLES, _DOUBLES, {}, source=_IEEE),
    _pixels("float32-infinite", _INFINITE, _INFINITE, {}, source=_IEEE),
    _pixels("float64-infinite", _INFINITE.astype("f8"), _INFINITE.astype("f8"), {}, source=_IEEE),
    _pixels("float32-many-nans", _NANS, np.where(np.isnan(_NANS), np.nan, _NANS), {}, source=_IEEE + ", section 6.2.1"),
    _pixels("float32-all-nan", np.full(_SHAPE, np.nan, "f4"), np.full(_SHAPE, np.nan), {}),
    _pixels("float32-explicit-defaults", _SINGLES, _SINGLES, {"BSCALE": 1.0, "BZERO": 0.0}),
    _pixels(
        "float32-scale",
        _SINGLES[2:],
        _SINGLES[2:] * 0.5 + 10,
        {"BSCALE": 0.5, "BZERO": 10.0},
        shape=(1, 4),
        may_be_noted=("BSCALE", "BZERO"),
    ),
    _pixels(
        "float64-scale",
        _DOUBLES[2:],
        _DOUBLES[2:] * 0.5 + 10,
        {"BSCALE": 0.5, "BZERO": 10.0},
        shape=(1, 4),
        may_be_noted=("BSCALE", "BZERO"),
    ),
    _pixels(
        "float32-blank",
        np.array([[1, 2, -99, 4]], "f4"),
        np.array([[1, 2, -99, 4]], "f4"),
        {"BLANK": -99},
        shape=(1, 4),
        may_be_noted=("BLANK",),
        source="FITS 4.0, section 4.4.2.5: BLANK is for integers only",
    ),
    _pixels(
        "float64-blank",
        np.array([[1, 2, -99, 4]], "f8"),
        np.array([[1, 2, -99, 4]], "f8"),
        {"BLANK": -99},
        shape=(1, 4),
        may_be_noted=("BLANK",),
        source="FITS 4.0, section 4.4.2.5: BLANK is for integers only",
    ),
]

_SMALL = np.arange(1, 13, dtype=np.int16).reshape(_SHAPE)
RARE = [
    _pixels(
        "int16-offset-as-exponent",
        _SMALL,
        _exact(_SMALL, 32768),
        {"BZERO": Raw("3.2768E+04"), "BSCALE": Raw("1.0E+00")},
    ),
    _pixels("int16-scale-with-d", _SMALL, _scaled(_SMALL, 2), {"BSCALE": Raw("2.0D0")}, pixels_within=_SINGLE),
    _pixels("int16-negative-scale-and-blank", _SMALL, _scaled(_SMALL, -1, 0, 3), {"BSCALE": -1, "BLANK": 3}),
    _pixels("int16-almost-unsigned", _SMALL, _scaled(_SMALL, 1, 32767), {"BZERO": 32767}, pixels_within=_SINGLE),
    _pixels("int16-tiny-scale", _SMALL, _scaled(_SMALL, 1e-30), {"BSCALE": 1e-30}),
    _pixels("int8-blank-of-zero", _BYTES, _scaled(_BYTES, 1, 0, 0), {"BLANK": 0}),
    _pixels("int16-blank-with-comma", _SMALL, _scaled(_SMALL, 1, 0, 3), {"BLANK": Raw("3,0")}, noted=("BLANK",)),
]

FILES = [*INTEGERS, *EDGES, *ODD, *FLOATS, *RARE]
