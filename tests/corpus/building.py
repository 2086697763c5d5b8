"""The bytes of FITS files, card by card: also of those that no library would write.

After the FITS Standard 4.0, sections 3 (blocks), 4 (cards) and 5 (data).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from corpus.model import DECLINATION_DEG, EXPOSURE_S, PIXELS, RIGHT_ASCENSION_DEG, File, Right

BLOCK = 2880
CARD = 80
_BITPIX = {"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}

#: The cards of the ordinary file. None instead of a value takes a card away.
ORDINARY: Mapping[str, Any] = {
    "OBJECT": "M 51",
    "DATE-OBS": "2026-05-04T22:00:01.417",
    "EXPTIME": EXPOSURE_S,
    "FILTER": "rp",
    "OBSTYPE": "EXPOSE",
    "AIRMASS": 1.21,
    "RA": RIGHT_ASCENSION_DEG,
    "DEC": DECLINATION_DEG,
}


class Raw(str):
    """What stands behind the equals sign, as it is."""

    __slots__ = ()


class Cards(list[tuple[str, Any]]):
    """Cards in an order of their own; a keyword may come twice. The keyword "" is a whole card as it is."""

    __slots__ = ()


_NONE: Mapping[str, Any] = {}


def card(keyword: str, value: Any) -> str:
    """Return a card in fixed format (section 4.2), 80 characters."""
    if not keyword:
        return str(value).ljust(CARD)
    match value:
        case Raw():
            text = f"= {value}"
        case bool():
            text = f"= {'T' if value else 'F':>20}"
        case str() if keyword in {"COMMENT", "HISTORY"}:
            text = value
        case str():
            text = "= '{}'".format(value.replace("'", "''").ljust(8))
        case int():
            text = f"= {value:>20}"
        case float():
            text = f"= {float(value)!r:>20}".replace("e", "E")
        case _:
            text = f"= {'':>20}"
    name = keyword if len(keyword) <= 8 else f"HIERARCH {keyword} "
    return f"{name:8}{text}".ljust(CARD)


def header(cards: Iterable[tuple[str, Any]]) -> bytes:
    """Return a header, filled up to whole blocks. Characters beyond ASCII become what Windows programs write."""
    text = "".join(card(keyword, value) for keyword, value in cards) + "END".ljust(CARD)
    return text.ljust(-(-len(text) // BLOCK) * BLOCK).encode("cp1252", "replace")


def data(stored: np.ndarray) -> bytes:
    """Return pixels as they are stored: big-endian, filled up to whole blocks."""
    written = stored.astype(stored.dtype.newbyteorder(">")).tobytes()
    return written + bytes(-len(written) % BLOCK)


def cards_of(changes: Mapping[str, Any] | Cards) -> Cards:
    """Return the ordinary cards with changes; None takes one away. Given as `Cards` they are all there are."""
    if isinstance(changes, Cards):
        return changes
    merged = {**ORDINARY, **changes}
    return Cards((keyword, value) for keyword, value in merged.items() if value is not None)


def primary(changes: Mapping[str, Any] | Cards, stored: np.ndarray | None = PIXELS, **structure: Any) -> bytes:
    """Return a primary HDU; `structure` replaces cards on how the pixels are stored, in the order of the standard."""
    return _hdu({"SIMPLE": True}, changes, stored, structure, {"EXTEND": True})


def extension(
    name: str | None, changes: Mapping[str, Any] | Cards = _NONE, stored: np.ndarray | None = PIXELS, **structure: Any
) -> bytes:
    """Return an image extension; it has no other cards than those given, and its name."""
    named = {"PCOUNT": 0, "GCOUNT": 1} | ({} if name is None else {"EXTNAME": name})
    cards = changes if isinstance(changes, Cards) else Cards(changes.items())
    return _hdu({"XTENSION": "IMAGE"}, cards, stored, structure, named)


def _hdu(
    first: Mapping[str, Any],
    changes: Mapping[str, Any] | Cards,
    stored: np.ndarray | None,
    structure: Mapping[str, Any],
    last: Mapping[str, Any],
) -> bytes:
    lengths = () if stored is None else stored.shape[::-1]
    bitpix = 8 if stored is None else _BITPIX[stored.dtype.str[1:]]
    storage = {**first, "BITPIX": bitpix, "NAXIS": len(lengths)}
    storage |= {f"NAXIS{number}": length for number, length in enumerate(lengths, start=1)}
    storage = {keyword: value for keyword, value in {**storage, **last, **structure}.items() if value is not None}
    cards = Cards([*storage.items(), *cards_of(changes)])
    return header(cards) + (b"" if stored is None else data(stored))


def file(
    name: str,
    right: Right,
    changes: Mapping[str, Any] | Cards = _NONE,
    stored: np.ndarray = PIXELS,
    **structure: Any,
) -> File:
    """Return a file with one image in its primary HDU.

    If that is stored in the usual way, its header alone says as much.
    """
    return File(
        name=f"{name}.fits",
        build=partial(primary, changes, stored, **structure),
        right=right,
        also_as_text=right.refused is None and stored.ndim == 2 and not structure,
    )


def made(name: str, right: Right, build: Any) -> File:
    """Return a file of which the bytes are made by a function; the name has its extension."""
    return File(name=name, build=build, right=right)
