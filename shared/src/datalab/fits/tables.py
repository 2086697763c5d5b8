"""Binary tables of plain numbers, straight from the file.

astropy spends 20 ms on the description of a source catalogue of 40 columns, and light curves read hundreds of
catalogues. Everything that is not exactly a table of scalar numbers without scaling is left to astropy.
FITS standard 4.0, section 7.3.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import BinaryIO

import numpy as np
from astropy.table import Column, Table

from datalab.astro.headers.reading import HeaderValue, parse_header_text

_BLOCK_BYTES = 2880
_CARD_BYTES = 80
_END = b"END".ljust(_CARD_BYTES)
#: More than any catalogue has; a file from outside may go on for ever.
_MOST_HEADER_BLOCKS = 200
_TYPES = {"B": ">u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_SCALAR = re.compile(r"1?([BIJKED])")
_NOT_PLAIN = re.compile(r"T(?:SCAL|ZERO|NULL|DIM)\d+")


def plain_table(path: Path, header_offset: int) -> Table | None:
    """Return the table whose header begins at a place in a file, column names in lower case; None if it is not plain.

    The numbers are in this machine's byte order.
    """
    with path.open("rb") as file:
        file.seek(header_offset)
        header = _header_text(file)
        if header is None:
            return None
        cards = parse_header_text(header).cards
        dtype = _row_type(cards)
        count = cards.get("NAXIS2")
        if dtype is None or not isinstance(count, int):
            return None
        rows = np.fromfile(file, dtype, count=count)
    if len(rows) != count:
        return None
    return Table(
        [
            Column(rows[name].astype(rows[name].dtype.newbyteorder("=")), name, unit=cards.get(f"TUNIT{number}"))
            for number, name in enumerate(dtype.names or (), start=1)
        ]
    )


def _header_text(file: BinaryIO) -> str | None:
    """Read a header, up to the end of its last block."""
    text = b""
    for _ in range(_MOST_HEADER_BLOCKS):
        block = file.read(_BLOCK_BYTES)
        text += block
        if any(block[start : start + _CARD_BYTES] == _END for start in range(0, len(block), _CARD_BYTES)):
            return text.decode("ascii", "replace")
    return None


def _row_type(cards: dict[str, HeaderValue]) -> np.dtype[np.void] | None:
    """Return how a row is stored, or None if there is more to it than numbers one after the other."""
    count = cards.get("TFIELDS")
    plain = cards.get("XTENSION") == "BINTABLE" and cards.get("PCOUNT") == 0 and isinstance(count, int)
    if not plain or any(_NOT_PLAIN.fullmatch(keyword) for keyword in cards):
        return None
    names = [str(cards.get(f"TTYPE{number}", "")).lower() for number in range(1, int(str(count)) + 1)]
    kinds = [_SCALAR.fullmatch(str(cards.get(f"TFORM{number}", ""))) for number in range(1, len(names) + 1)]
    if "" in names or len(set(names)) < len(names) or None in kinds:
        return None
    dtype = np.dtype([(name, _TYPES[kind[1]]) for name, kind in zip(names, kinds, strict=True) if kind])
    return dtype if dtype.itemsize == cards.get("NAXIS1") else None
