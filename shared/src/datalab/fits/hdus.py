"""HDUs of products: the bytes astropy would write, without what it does for each card.

A small image is written in a third of the time. FITS Standard 4.0, sections 3 and 4, and appendix J for the checksum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits

from datalab.astro.headers.cards import COMMENTARY
from datalab.astro.types import Pixels
from datalab.fits.files import BLOCK_BYTES, as_bytes

_CARD: Final = 80
#: By the kind and size of a pixel; others, such as unsigned ones, FITS has no type for.
BITPIX: Final = {"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}
#: What goes into one sum without overflow, far below it, so that no large copy is made of what is summed.
_SUMMED_BYTES: Final = 16 * 1024**2
_FULL: Final = 0xFFFF_FFFF
#: The comment of checksums: the present time, which is usual, would give the same file other bytes.
_SEE: Final = "see FITS standard 4.0, section 4.4.2.7"


def _record(keyword: str, value: object, comment: str | None = None) -> str:
    return str(fits.Card(keyword, value, comment))


_PRIMARY: Final = (
    _record("SIMPLE", value=True, comment="conforms to FITS standard"),
    _record("BITPIX", 8, "array data type"),
    _record("NAXIS", 0, "number of array dimensions"),
    _record("EXTEND", value=True),
)
_IMAGE: Final = _record("XTENSION", "IMAGE", "Image extension")
_COUNTS: Final = (_record("PCOUNT", 0, "number of parameters"), _record("GCOUNT", 1, "number of groups"))
_NO_CHECKSUM: Final = _record("CHECKSUM", "0" * 16, _SEE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hdu:
    """Texts of the cards, less END and checksums, and the pixels as they are stored; or all bytes as they are."""

    records: Sequence[str] = ()
    pixels: Pixels | None = None
    ready: bytes = b""


def primary_hdu(cards: Iterable[fits.Card]) -> Hdu:
    """Return a primary HDU without an image."""
    return Hdu(records=[*_PRIMARY, *(str(card) for card in cards)])


def image_hdu(pixels: Pixels, records: Iterable[str]) -> Hdu:
    """Return an extension with an image, pixels in any byte order; `records` has no card on storage."""
    kind = pixels.dtype.str[1:]
    if kind not in BITPIX:
        raise TypeError(f"FITS has no pixels of type {pixels.dtype}")
    axes = enumerate(reversed(pixels.shape), start=1)
    return Hdu(
        records=[
            _IMAGE,
            _record("BITPIX", BITPIX[kind], "array data type"),
            _record("NAXIS", pixels.ndim, "number of array dimensions"),
            *(_record(f"NAXIS{number}", length) for number, length in axes),
            *_COUNTS,
            *records,
        ],
        pixels=np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder(">")),
    )


def astropy_hdu(hdu: fits.BinTableHDU | fits.ImageHDU) -> Hdu:
    """Return an extension as astropy writes it."""
    hdu.add_checksum(when=_SEE)
    file = BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(file)
    return Hdu(ready=file.getvalue()[BLOCK_BYTES:])


def write_hdus(path: Path, hdus: Iterable[Hdu]) -> None:
    """Write a file. The same HDUs always have the same bytes."""
    with path.open("wb") as file:
        for hdu in hdus:
            if hdu.ready:
                file.write(hdu.ready)
                continue
            file.write(_header(hdu))
            if hdu.pixels is not None:
                file.write(as_bytes(hdu.pixels))
                file.write(bytes(-hdu.pixels.nbytes % BLOCK_BYTES))


def _header(hdu: Hdu) -> bytes:
    """Return the header with its checksums, which stand before the remarks at its end."""
    records = list(hdu.records)
    end = len(records)
    while records[end - 1][:8].rstrip() in COMMENTARY:
        end -= 1
    of_data = 0 if hdu.pixels is None else _sum(hdu.pixels)
    records[end:end] = (_NO_CHECKSUM, _record("DATASUM", str(of_data), _SEE))
    text = _blocks(records)
    records[end] = _NO_CHECKSUM.replace("0" * 16, _encoded(_FULL - _sum(np.frombuffer(text, np.uint8), of_data)))
    return _blocks(records)


def _blocks(records: Sequence[str]) -> bytes:
    text = "".join((*records, "END".ljust(_CARD)))
    return text.ljust(-(-len(text) // BLOCK_BYTES) * BLOCK_BYTES).encode("ascii")


def _sum(data: Pixels, so_far: int = 0) -> int:
    """Return the ones-complement sum of big-endian 32-bit words, those of the last block filled up with zeros."""
    total = so_far
    for part in _parts(data.reshape(-1).view(np.uint8)):
        words = np.frombuffer(part.tobytes() + bytes(-part.size % 4), ">u4") if part.size % 4 else part.view(">u4")
        total += int(words.sum(dtype=np.uint64))
    while total > _FULL:
        total = (total & _FULL) + (total >> 32)
    return total


def _parts(data: Pixels) -> Iterator[Pixels]:
    for start in range(0, data.size, _SUMMED_BYTES):
        yield data[start : start + _SUMMED_BYTES]


def _encoded(value: int) -> str:
    """Return a sum as 16 letters and digits, which add up to it."""
    columns = [_four_characters(byte) for byte in value.to_bytes(4, "big")]
    text = "".join(chr(columns[byte][place]) for place in range(4) for byte in range(4))
    return text[-1] + text[:-1]


def _four_characters(byte: int) -> list[int]:
    quotient, remainder = divmod(byte, 4)
    codes = [quotient + remainder + ord("0"), *3 * [quotient + ord("0")]]
    for first in (0, 2):  # a pair with punctuation in it is moved apart, which leaves its sum
        while not (chr(codes[first]).isalnum() and chr(codes[first + 1]).isalnum()):
            codes[first] += 1
            codes[first + 1] -= 1
    return codes
