"""Whether the data of HDUs are those their checksums were made of. FITS Standard 4.0, section 4.4.2.7, appendix J."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits

from datalab.astro.headers.cards import readable
from datalab.fits.files import BLOCK_BYTES
from datalab.fits.layout import HduLayout

_FULL: Final = 0xFFFF_FFFF
_NONE: Final = "0" * 16
_READ_BYTES: Final = 4 * 1024**2


class Checksum:
    """The ones-complement sum of big-endian 32-bit words, of pieces of a whole number of words."""

    def __init__(self) -> None:
        self._total = 0

    def add(self, data: bytes) -> None:
        """Add a piece; only the last one may have another number of bytes, and is filled up with zeros."""
        filled = data + bytes(-len(data) % 4) if len(data) % 4 else data
        self._total += int(np.frombuffer(filled, ">u4").sum(dtype=np.uint64))

    @property
    def value(self) -> int:
        total = self._total
        while total > _FULL:
            total = (total & _FULL) + (total >> 32)
        return total


def has_sums(header: fits.Header) -> bool:
    """Tell whether a header says what the data or all of its HDU sum to."""
    return _stated(header) is not None or _is_signed(header)


def sum_notes(name: str, header: fits.Header, text: str, data: Checksum) -> list[str]:
    """Return what is wrong with an HDU by its sums.

    Args:
        name: of the HDU.
        header: of the HDU, as it is in the file.
        text: the same as text, with what fills its last block.
        data: of all its data.
    """
    stated = _stated(header)
    if stated is not None and stated % _FULL != data.value % _FULL:
        return [f"DATASUM: the data of {name} are not those the file was written with"]
    if stated is not None and _is_signed(header) and text.isascii():
        whole = Checksum()
        whole.add(text.encode("ascii"))
        if (whole.value + data.value) % _FULL:
            return [f"CHECKSUM: the header of {name} is not the one the file was written with"]
    if stated is None and text.isascii():
        whole = Checksum()
        whole.add(text.encode("ascii"))
        if (whole.value + data.value) % _FULL:
            return [f"CHECKSUM: {name} is not what the file was written with"]
    return []


def damaged_sums(path: Path, hdus: Iterable[tuple[str, HduLayout]]) -> tuple[str, ...]:
    """Return what is wrong with named HDUs of an unpacked file by their sums; reads all of those that have any."""
    notes: list[str] = []
    with path.open("rb", buffering=0) as file:
        for name, hdu in hdus:
            if not has_sums(hdu.header):
                continue
            data = Checksum()
            file.seek(hdu.data_offset)
            left = hdu.end - hdu.data_offset
            while left and (piece := file.read(min(left, _READ_BYTES))):
                data.add(piece)
                left -= len(piece)
            notes += sum_notes(name, hdu.header, hdu.text, data)
    return tuple(notes)


def _stated(header: fits.Header) -> int | None:
    """Return DATASUM, None if there is none or it is no number: an empty text says that it is not known."""
    value = str(readable(header, "DATASUM", "")).strip()
    return int(value) if value.isascii() and value.isdigit() and int(value) <= _FULL else None


def _is_signed(header: fits.Header) -> bool:
    value = str(readable(header, "CHECKSUM", "")).strip()
    return len(value) == len(_NONE) and value != _NONE


assert BLOCK_BYTES % 4 == 0, "pieces of whole blocks have whole words"
