"""FITS files as they come: plain, gzipped or bzipped."""

from __future__ import annotations

import bz2
import gzip
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np
from astropy.io import fits

from datalab.astro.types import Pixels
from datalab.errors import UsageError

#: FITS files are made of blocks of this size; the last one is not always complete (FITS standard 4.0, section 3.1).
BLOCK_BYTES = 2880
_CARD_BYTES = 80
_END_CARD = b"END".ljust(_CARD_BYTES)
#: What some programs fill the last block of a header up with, instead of blanks.
_NUL_FILL = re.compile(rb"END[ \0]*\0[ \0]*\Z")
#: The longest headers known, of stacks with every input named in HISTORY, have some 10,000 cards; this allows 52,000.
MOST_HEADER_BYTES = 4 * 1024**2

Packing = Literal["gz", "bz2"]
MAGIC: dict[Packing, bytes] = {"gz": b"\x1f\x8b", "bz2": b"BZh"}


def packing(path: Path) -> Packing | None:
    """Return how a file is packed as a whole, or None if it is not. Tile compression is not meant."""
    with path.open("rb") as file:
        start = file.read(max(map(len, MAGIC.values())))
    return next((name for name, magic in MAGIC.items() if start.startswith(magic)), None)


def unpacked_stream(path: Path, packed: Packing | None) -> BinaryIO:
    """Open a file to be read front to back, unpacked on the way."""
    match packed:
        case "gz":
            return cast("BinaryIO", gzip.open(path, "rb"))
        case "bz2":
            return cast("BinaryIO", bz2.open(path, "rb"))
        case None:
            return path.open("rb")


@contextmanager
def opened(path: Path, **options: Any) -> Iterator[fits.HDUList]:
    """Open an unpacked file; `options` are those of `astropy.io.fits.open`."""
    # Left to open the file itself, astropy does not close it when its first header is damaged.
    with path.open("rb") as file, fits.open(file, **options) as hdus:
        yield hdus


def as_bytes(pixels: Pixels) -> memoryview:
    """Return pixels as the bytes to write.

    numpy's own way of writing does not say why it failed, and a full disk must not pass for a damaged file.
    """
    return np.ascontiguousarray(pixels).reshape(-1).view(np.uint8).data


def _ends(block: bytes) -> bool:
    return any(block[place : place + _CARD_BYTES] == _END_CARD for place in range(0, BLOCK_BYTES, _CARD_BYTES))


def _blanks(filled: re.Match[bytes]) -> bytes:
    return filled[0].replace(b"\0", b" ")


def read_header(read: Callable[[int], bytes], *, hdu: str, start: bytes = b"") -> str:
    """Return a header as text, read up to the end of its last block; `start` is its first block if that is read.

    Raises `UsageError` if it does not end; `hdu` is what the message calls the place.
    """
    text = bytearray()
    block = start or read(BLOCK_BYTES)
    while True:
        if len(block) < BLOCK_BYTES:
            raise UsageError(f"the file ends inside the header of {hdu}, after {len(text) + len(block)} bytes of it")
        if _ends(block) or _ends(block := _NUL_FILL.sub(_blanks, block)):
            return (text + block).decode("latin-1")  # a character for each byte: columns stay what they are
        text += block
        if len(text) >= MOST_HEADER_BYTES:
            raise UsageError(f"the header of {hdu} has no END card within {MOST_HEADER_BYTES} bytes")
        block = read(BLOCK_BYTES)
