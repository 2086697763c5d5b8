"""Binary tables of plain numbers, straight from the file.

astropy spends 20 ms on the description of a source catalogue of 40 columns, and light curves read hundreds of
catalogues. Everything that is not exactly a table of scalar numbers without scaling is left to astropy.
FITS standard 4.0, section 7.3.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from astropy.table import Column, Table

from datalab.astro.headers.cards import HeaderValue, parse_header_text
from datalab.fits.files import read_header

_TYPES = {"B": ">u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_SCALAR = re.compile(r"1?([BIJKED])")
_NOT_PLAIN = re.compile(r"T(?:SCAL|ZERO|NULL|DIM)\d+")


def plain_table(path: Path, header_offset: int) -> Table | None:
    """Return the table whose header begins at a place in a file, column names in lower case; None if it is not plain.

    The numbers are in this machine's byte order. Raises `UsageError` if the header does not end.
    """
    with path.open("rb") as file:
        file.seek(header_offset)
        cards = parse_header_text(read_header(file.read, hdu="the table")).cards
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
