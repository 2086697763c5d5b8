"""Reads the headers of a FITS file and checks that the file is as long as they say, without decoding a pixel.

After the FITS Standard 4.0, sections 3 (file structure), 4.4.1 (mandatory keywords) and 6 (random groups). A stream is
read once, front to back, so that a compressed file needs no room for its expanded form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import BinaryIO

from astropy.io import fits

from datalab.astro.headers.cards import readable
from datalab.errors import UsageError
from datalab.fits.files import BLOCK_BYTES, read_header

_BITPIX = (8, 16, 32, 64, -32, -64)
_MOST_AXES = 999
#: Multi-extension files of mosaic cameras have about 100.
_MOST_HDUS = 1000
_READ_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class FitsStructure:
    """The headers of a file's HDUs, and what is odd about the file although it can be used."""

    headers: tuple[fits.Header, ...]
    notes: tuple[str, ...]


def read_structure(stream: BinaryIO, *, max_bytes: int) -> FitsStructure:
    """Read a FITS stream to its end.

    Raises:
        UsageError: it is not FITS, ends too early, declares what cannot be, or has more than `max_bytes`.
        EOFError, OSError, zlib.error: from the stream, if that decompresses and finds damage.
    """
    source = _Source(stream, max_bytes)
    headers: list[fits.Header] = []
    notes: list[str] = []
    block = source.read(BLOCK_BYTES)
    if not block.startswith(b"SIMPLE  ="):
        raise UsageError("not a FITS file: it does not begin with the card SIMPLE")
    while block:
        if headers and not block.startswith(b"XTENSION"):
            if block.strip(b"\0 "):
                notes.append(f"what follows HDU {len(headers) - 1} is not FITS")
            source.skip_to_end()
            break
        if len(headers) == _MOST_HDUS:
            raise UsageError(f"the file has more than {_MOST_HDUS} HDUs")
        header = fits.Header.fromstring(read_header(source.read, hdu=f"HDU {len(headers)}", start=block))
        headers.append(header)
        _skip_data(source, header, hdu=len(headers) - 1, notes=notes)
        block = source.read(BLOCK_BYTES)
    return FitsStructure(headers=tuple(headers), notes=tuple(notes))


def hdu_name(index: int, header: fits.Header) -> str:
    """Return how messages call an HDU: its number, and its name if it has one."""
    name = readable(header, "EXTNAME", None)
    return f"HDU {index} ({name.strip()})" if isinstance(name, str) and name.strip() else f"HDU {index}"


class _Source:
    """A stream with a position and a limit."""

    def __init__(self, stream: BinaryIO, max_bytes: int) -> None:
        self._stream = stream
        self._left = max_bytes
        self._max_bytes = max_bytes

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise UsageError(f"the file has more than {self._max_bytes} bytes when expanded")
        return data

    def skip(self, size: int) -> int:
        """Read past `size` bytes; return how many there were."""
        skipped = 0
        while skipped < size and (data := self.read(min(size - skipped, _READ_BYTES))):
            skipped += len(data)
        return skipped

    def skip_to_end(self) -> None:
        """A decompressing stream checks its checksum at the end only."""
        while self.read(_READ_BYTES):
            pass


def _skip_data(source: _Source, header: fits.Header, *, hdu: int, notes: list[str]) -> None:
    declared = data_bytes(header, hdu)
    padded = math.ceil(declared / BLOCK_BYTES) * BLOCK_BYTES
    present = source.skip(padded)
    if present < declared:
        raise UsageError(
            f"{hdu_name(hdu, header)} declares {declared} bytes of data, the file ends after {present} of them"
        )
    if present < padded:
        notes.append(f"the last block of HDU {hdu} is not filled up")


def data_bytes(header: fits.Header, hdu: int) -> int:
    """Return how many bytes of data a header declares, without what fills the last block. Raises `UsageError`."""
    bits = _integer(header, "BITPIX", hdu)
    if bits not in _BITPIX:
        raise UsageError(f"HDU {hdu}: BITPIX is {bits}, should be one of {', '.join(map(str, _BITPIX))}")
    axes = [_count(header, f"NAXIS{axis}", hdu) for axis in range(1, _count(header, "NAXIS", hdu, _MOST_AXES) + 1)]
    if not axes:
        return 0
    if axes[0] == 0 and header.get("GROUPS") is True:
        axes = axes[1:]
    groups = _count(header, "GCOUNT", hdu) if "GCOUNT" in header else 1
    parameters = _count(header, "PCOUNT", hdu) if "PCOUNT" in header else 0
    return abs(bits) // 8 * groups * (parameters + math.prod(axes))


def _count(header: fits.Header, keyword: str, hdu: int, most: int | None = None) -> int:
    value = _integer(header, keyword, hdu)
    if value < 0 or (most is not None and value > most):
        raise UsageError(f"HDU {hdu}: {keyword} is {value}, which cannot be")
    return value


def _integer(header: fits.Header, keyword: str, hdu: int) -> int:
    try:
        value = header.get(keyword)
    except fits.VerifyError:
        raise UsageError(f"HDU {hdu}: the card {keyword} cannot be read") from None
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"HDU {hdu}: {keyword} is {'missing' if value is None else 'not an integer'}")
    return value
