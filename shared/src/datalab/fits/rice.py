"""Rows of a RICE-compressed integer image, straight from the file.

This is the usual form of raw frames (`fpack`: one row per tile, lossless). astropy reads it correctly but spends twice
the time of decoding on bookkeeping per tile, and more when reading by bands; here a band is one read and one call per
row. Everything that is not exactly this form is left to astropy. FITS standard 4.0, section 10; Pence et al. 2009.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from astropy.io import fits
from astropy.io.fits.hdu.compressed._compression import decompress_rice_1_c

from datalab.astro.headers.cards import parse_header_text
from datalab.astro.types import Pixels
from datalab.fits.files import read_header

#: By BITPIX: the type stored; the type meant when BZERO says that the sign is the other way (FITS standard, 4.4.2.5);
#: that BZERO; and the one bit in which the two differ.
_STORED: dict[int, np.dtype[Any]] = {8: np.dtype(np.uint8), 16: np.dtype(np.int16), 32: np.dtype(np.int32)}
_OTHER_SIGN: dict[int, np.dtype[Any]] = {8: np.dtype(np.int8), 16: np.dtype(np.uint16), 32: np.dtype(np.uint32)}
_OTHER_SIGN_BZERO = {8: -128, 16: 32_768, 32: 2_147_483_648}
_SIGN_BIT: dict[int, np.generic] = {8: np.uint8(0x80), 16: np.int16(-0x8000), 32: np.int32(-0x8000_0000)}
_DESCRIPTOR: dict[str, np.dtype[Any]] = {"P": np.dtype(">i4"), "Q": np.dtype(">i8")}


@dataclass(frozen=True, slots=True, kw_only=True)
class RiceRows:
    """Where the rows of one image are in the file, and how they are packed."""

    path: Path
    columns: int
    bitpix: int
    other_sign: bool
    block_size: int
    bytes_per_pixel: int
    table_offset: int
    row_bytes: int
    heap_offset: int
    descriptor: np.dtype[Any]

    @classmethod
    def of(cls, path: Path, image: fits.CompImageHDU) -> Self | None:
        """Return a reader for an image of an open file, or None if it is not in the form described above."""
        place = image.fileinfo()
        with path.open("rb") as file:
            file.seek(place["hdrLoc"])
            text = read_header(file.read, hdu="the image")  # that of the table the image is in
        return cls.of_cards(path, parse_header_text(text).cards, table_offset=place["datLoc"])

    @classmethod
    def of_cards(cls, path: Path, cards: Mapping[str, Any], *, table_offset: int) -> Self | None:
        """Return a reader for the image in the table these cards describe, or None as `of` does."""
        options: dict[Any, Any] = {
            cards[f"ZNAME{n}"]: cards.get(f"ZVAL{n}") for n in range(1, 10) if f"ZNAME{n}" in cards
        }
        if not _is_plain(cards, options):
            return None
        return cls(
            path=path,
            columns=cards["ZNAXIS1"],
            bitpix=cards["ZBITPIX"],
            other_sign=cards.get("BZERO", 0) != 0,
            block_size=options.get("BLOCKSIZE", 32),
            bytes_per_pixel=options.get("BYTEPIX", 4),
            table_offset=table_offset,
            row_bytes=cards["NAXIS1"],
            heap_offset=table_offset + cards.get("THEAP", cards["NAXIS1"] * cards["NAXIS2"]),
            descriptor=_DESCRIPTOR[cards["TFORM1"].lstrip("1")[:1]],
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the pixels as they are meant."""
        return (_OTHER_SIGN if self.other_sign else _STORED)[self.bitpix]

    def read(self, start: int, stop: int) -> Pixels:
        """Return rows `start` to `stop`, shape (stop - start, columns). Raises `ValueError` for a damaged file."""
        with self.path.open("rb", buffering=0) as file:
            table = _read_exactly(
                file.fileno(), (stop - start) * self.row_bytes, self.table_offset + start * self.row_bytes
            )
            tiles = np.frombuffer(table, self.descriptor).reshape(stop - start, -1).astype(np.int64)
            lengths, offsets = tiles[:, 0], tiles[:, 1]
            begin, end = int(offsets.min()), int((offsets + lengths).max())
            if begin < 0 or int(lengths.min()) <= 0:
                raise ValueError("a compressed row has no data")
            heap = _read_exactly(file.fileno(), end - begin, self.heap_offset + begin)
        places = zip(lengths.tolist(), (offsets - begin).tolist(), strict=True)
        return self.decoded([heap[offset : offset + length] for length, offset in places])

    def decoded(self, packed_rows: Sequence[bytes]) -> Pixels:
        """Return the pixels of packed rows, shape (rows, columns)."""
        stored = _STORED[self.bitpix]
        pixels = np.empty((len(packed_rows), self.columns), stored)
        for row, packed in zip(pixels, packed_rows, strict=True):
            row[:] = np.frombuffer(
                rice_decoded(packed, self.columns, block_size=self.block_size, bytes_per_pixel=self.bytes_per_pixel),
                stored,
            )
        if self.other_sign:
            pixels ^= _SIGN_BIT[self.bitpix]
        return pixels.view(self.dtype)


def rice_decoded(packed: bytes, pixels: int, *, block_size: int, bytes_per_pixel: int) -> bytes:
    """Return the pixels of one tile, in this machine's byte order.

    The only use of a decoder that astropy keeps private.
    """
    decoded: bytes = decompress_rice_1_c(packed, block_size, bytes_per_pixel, pixels)
    return decoded


def _is_plain(cards: Mapping[str, Any], options: Mapping[Any, Any]) -> bool:
    numbers = [cards.get(keyword) for keyword in ("ZNAXIS1", "ZNAXIS2", "NAXIS1", "NAXIS2", "ZBITPIX")]
    numbers += [cards.get("THEAP", 0), options.get("BLOCKSIZE", 32)]
    return (
        all(isinstance(number, int) and not isinstance(number, bool) for number in numbers)
        and cards.get("ZCMPTYPE") == "RICE_1"
        and cards.get("ZNAXIS") == 2
        and cards["ZBITPIX"] in _STORED
        and (cards.get("ZTILE1", cards["ZNAXIS1"]), cards.get("ZTILE2", 1)) == (cards["ZNAXIS1"], 1)
        and cards.get("TFIELDS") == 1
        and str(cards.get("TFORM1")).lstrip("1")[:1] in _DESCRIPTOR
        and cards.get("BSCALE", 1) == 1
        and cards.get("BZERO", 0) in (0, _OTHER_SIGN_BZERO[cards["ZBITPIX"]])
        and not {"ZBLANK", "BLANK", "ZSCALE", "ZZERO"} & cards.keys()
        and options.get("BYTEPIX", 4) == abs(cards["ZBITPIX"]) // 8
    )


def _read_exactly(descriptor: int, length: int, offset: int) -> bytes:
    missing = offset + length - os.fstat(descriptor).st_size
    if missing > 0:  # found out before `length` bytes of memory are taken
        raise ValueError(f"the file ends {missing} bytes too early")
    return os.pread(descriptor, length, offset)
