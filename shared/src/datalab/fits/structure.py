"""Reads the headers of a FITS file and checks that the file is as long as they say, without decoding a pixel.

After the FITS Standard 4.0, sections 3 (file structure), 4.4.1 (mandatory keywords) and 6 (random groups). A stream is
read once, front to back, so that a compressed file needs no room for its expanded form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from astropy.io import fits

from datalab.errors import UsageError
from datalab.fits.checksums import Checksum, has_sums, sum_notes
from datalab.fits.files import BLOCK_BYTES, read_header
from datalab.fits.layout import MOST_HDUS, HduLayout, followed_by_no_fits, hdu_name, layout_of, not_filled_up

#: A whole number of words of four bytes.
_READ_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class FitsStructure:
    """The HDUs of a file, and what is odd about the file although it can be used."""

    hdus: tuple[HduLayout, ...]
    notes: tuple[str, ...]

    @property
    def headers(self) -> tuple[fits.Header, ...]:
        """The headers of the HDUs."""
        return tuple(hdu.header for hdu in self.hdus)


def read_structure(stream: BinaryIO, *, max_bytes: int) -> FitsStructure:
    """Read a FITS stream to its end.

    Raises:
        UsageError: it is not FITS, ends too early, declares what cannot be, or has more than `max_bytes`.
        EOFError, OSError, zlib.error: from the stream, if that decompresses and finds damage.
    """
    source = _Source(stream, max_bytes)
    hdus: list[HduLayout] = []
    notes: list[str] = []
    offset = 0
    block = source.read(BLOCK_BYTES)
    if not block.startswith(b"SIMPLE  ="):
        raise UsageError("not a FITS file: it does not begin with the card SIMPLE")
    while block:
        if hdus and not block.startswith(b"XTENSION"):
            if block.strip(b"\0 "):
                notes.append(followed_by_no_fits(len(hdus) - 1))
            source.skip_to_end()
            break
        if len(hdus) == MOST_HDUS:
            raise UsageError(f"the file has more than {MOST_HDUS} HDUs")
        number = len(hdus)
        hdu = layout_of(read_header(source.read, hdu=f"HDU {number}", start=block), offset, number=number)
        hdus.append(hdu)
        _skip_data(source, hdu, number, notes)
        offset = hdu.end
        block = source.read(BLOCK_BYTES)
    return FitsStructure(hdus=tuple(hdus), notes=tuple(notes))


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

    def skip(self, size: int, summed: Checksum | None) -> int:
        """Read past `size` bytes, which are summed; return how many there were."""
        skipped = 0
        while skipped < size and (data := self.read(min(size - skipped, _READ_BYTES))):
            skipped += len(data)
            if summed is not None:
                summed.add(data)
        return skipped

    def skip_to_end(self) -> None:
        """A decompressing stream checks its checksum at the end only."""
        while self.read(_READ_BYTES):
            pass


def _skip_data(source: _Source, hdu: HduLayout, number: int, notes: list[str]) -> None:
    summed = Checksum() if has_sums(hdu.header) else None
    padded = hdu.end - hdu.data_offset
    present = source.skip(padded, summed)
    name = hdu_name(number, hdu.header)
    if present < hdu.data_bytes:
        raise UsageError(f"{name} declares {hdu.data_bytes} bytes of data, the file ends after {present} of them")
    if present < padded:
        notes.append(not_filled_up(number))
    if summed is not None:
        notes += sum_notes(name, hdu.header, hdu.text, summed)
