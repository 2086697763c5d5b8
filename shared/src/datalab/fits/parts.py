"""A part of an image, from a file of which no more is read than that part needs.

Of a tile-compressed image (`.fz`) these are the tiles the part lies in, of any other the rows. They are put together as
a small file, which astropy decodes as it would the whole one. FITS standard 4.0, sections 3 and 10.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from datalab.astro.headers.cards import image_axes, parse_header_text
from datalab.astro.sky.wcs import celestial_wcs
from datalab.astro.types import Pixels
from datalab.errors import UsageError
from datalab.fits.files import BLOCK_BYTES, MAGIC, read_header
from datalab.fits.image import damage_reported
from datalab.fits.layout import HduLayout, layout_of
from datalab.fits.rice import RiceRows
from datalab.fits.scaling import Scaling
from datalab.fits.science import DEFAULT_PLANE, science_image
from datalab.fits.science_header import science_header
from datalab.fits.stored import NotInPartsError, scaling_of, tidy_header

#: Read at once where headers are: those of LCO's frames have 25 KB.
_HEADER_CHUNK_BYTES: Final = 64 * 1024
#: Tables of tiles up to this size are read once and kept: 4096 tiles of LCO's frames have 128 KB.
_SMALL_TABLE_BYTES: Final = 256 * 1024
#: So much between two tiles is read along: asking for it apart takes longer.
_GAP_BYTES: Final = 16 * 1024
#: A part is a small thing: of files that need more for it, something is wrong.
_MOST_BYTES: Final = 256 * 1024**2
_MOST_HDUS: Final = 100
_LARGEST_TILE_PIXELS: Final = 16 * 1024**2
#: The seeds of subtractive dithering go round after so many tiles (FITS Standard 4.0, section 10.2).
_DITHER_SEEDS: Final = 10_000

#: Cards that say how the pixels of an image in a table are stored.
_OF_TILES: Final = re.compile(
    r"BSCALE|BZERO|BLANK|TFIELDS|T(?:TYPE|FORM|UNIT|NULL|SCAL|ZERO|DIM)[1-9]\d*|"
    r"Z(?:IMAGE|CMPTYPE|BITPIX|NAXIS\d*|TILE\d+|NAME\d+|VAL\d+|QUANTIZ|DITHER0|BLANK|SCALE|ZERO|MASKCMP)"
)
_FORM: Final = re.compile(r"(?P<repeat>\d*)(?P<kind>[LXBIJKAEDCMPQ])(?P<of>[LXBIJKAEDCM]?).*", re.DOTALL)
_SIZES: Final = {"L": 1, "B": 1, "A": 1, "I": 2, "J": 4, "E": 4, "K": 8, "D": 8, "C": 8, "M": 16}
_DESCRIPTORS: Final[dict[str, np.dtype[Any]]] = {"P": np.dtype(">i4"), "Q": np.dtype(">i8")}


class Source(Protocol):
    """A file somewhere else."""

    @property
    def size_bytes(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly so many bytes, which are there."""
        ...


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of descriptors: where in a row, how stored, and the size of what is described."""

    offset: int
    stored: np.dtype[Any]
    element_bytes: int


class PartialImage:
    """The science image of one FITS file. Keeps its headers, no pixels."""

    def __init__(self, *, basename: str, sha256: str, source: Source) -> None:
        """Read the headers. Raises `UsageError` if the file is damaged or has no image, `NotInPartsError`."""
        self.basename = basename
        self.sha256 = sha256
        self._source = source
        with damage_reported(f"The input file {basename} cannot be read"):
            hdus = list(self._hdus())
            found = science_image([each.header for each in hdus])
            if not found.is_plain:
                raise NotInPartsError
            (index,) = found.hdus
            hdu, self.shape = hdus[index], found.shape
            scaling = scaling_of(hdu)
            self._header, _ = science_header(
                found, [_image_header(hdu, scaling)], hdus[0].header if index else None, plane=DEFAULT_PLANE
            )
            self._pixels: _Rows | _Tiles
            is_compressed = hdu.header.get("ZIMAGE") is True
            self._pixels = (_Tiles if is_compressed else _Rows)(hdu, scaling, source)

    def reading_from(self, source: Source) -> None:
        """Read on from another connection to the same file."""
        self._source = self._pixels.source = source

    def cards(self) -> fits.Header:
        """Return the header, as `FitsImage` has it."""
        return self._header

    def wcs(self) -> WCS | None:
        """Return the celestial coordinates, or None."""
        return self._wcs

    def box(self, rows: tuple[int, int], columns: tuple[int, int]) -> Pixels:
        """Return the pixels of rows and columns from the first on and before the second.

        Native byte order, NaN where blank. Raises `UsageError` if they cannot be read, and `NotInPartsError`.
        """
        with damage_reported(f"The input file {self.basename} is damaged: rows {rows[0]} to {rows[1]} cannot be read"):
            found = self._pixels.box(rows, columns)
            return np.ascontiguousarray(found, found.dtype.newbyteorder("="))

    @cached_property
    def _wcs(self) -> WCS | None:
        return celestial_wcs(self._header, self.shape)

    def _hdus(self) -> Iterator[HduLayout]:
        """Yield the HDUs: which image is the science image, and whether it is one of several, all together tell."""
        read = _Buffered(self._source)
        offset = number = 0
        while offset < self._source.size_bytes:
            if number == _MOST_HDUS:
                raise NotInPartsError
            read.position = offset
            start = read(BLOCK_BYTES)
            if not offset and any(start.startswith(magic) for magic in MAGIC.values()):
                raise NotInPartsError
            if not start.startswith(b"XTENSION" if offset else b"SIMPLE  ="):
                if offset:
                    return  # what follows is no FITS
                raise UsageError("it does not begin with the card SIMPLE")
            text = read_header(read, hdu=f"HDU {number}", start=start)
            hdu = layout_of(text, offset, number=number)
            if hdu.data_offset + hdu.data_bytes > self._source.size_bytes:
                raise UsageError(f"the file ends before the data of HDU {number} do")
            yield hdu
            number += 1
            offset = hdu.end


class _Buffered:
    """Reads headers, a chunk at a time."""

    def __init__(self, source: Source) -> None:
        self.position = 0
        self._source = source
        self._start, self._held = 0, b""

    def __call__(self, length: int) -> bytes:
        length = max(0, min(length, self._source.size_bytes - self.position))
        begin = self.position - self._start
        if begin < 0 or begin + length > len(self._held):
            self._start = self.position
            wanted = max(length, min(_HEADER_CHUNK_BYTES, self._source.size_bytes - self.position))
            self._held = self._source.read(self.position, wanted) if wanted else b""
            begin = 0
        self.position += length
        return self._held[begin : begin + length]


class _Rows:
    """The pixels of an image that is not compressed."""

    def __init__(self, hdu: HduLayout, scaling: Scaling, source: Source) -> None:
        self.source = source
        self._hdu = hdu
        self._scaling = scaling
        self._columns = _shape(hdu.header)[1]
        self._row_bytes = self._columns * abs(hdu.header["BITPIX"]) // 8

    def box(self, rows: tuple[int, int], columns: tuple[int, int]) -> Pixels:
        start, stop = rows
        length = (stop - start) * self._row_bytes
        if length > _MOST_BYTES:
            raise NotInPartsError
        stored = self.source.read(self._hdu.data_offset + start * self._row_bytes, length)
        found = np.frombuffer(stored, self._scaling.stored.newbyteorder(">")).reshape(stop - start, self._columns)
        return self._scaling.meant(found[:, columns[0] : columns[1]])


class _Tiles:
    """The pixels of a tile-compressed image."""

    def __init__(self, hdu: HduLayout, scaling: Scaling, source: Source) -> None:
        self.source = source
        self._hdu = hdu
        self._scaling = scaling
        header = hdu.header
        rows, columns = _shape(header)
        self._shape = rows, columns
        self._tile = int(header.get("ZTILE2", 1)), int(header.get("ZTILE1", columns))
        if min(self._tile) < 1 or math.prod(self._tile) > _LARGEST_TILE_PIXELS:
            raise NotInPartsError
        self._grid = math.ceil(rows / self._tile[0]), math.ceil(columns / self._tile[1])
        self._row_bytes, count = int(header["NAXIS1"]), int(header["NAXIS2"])
        if count != math.prod(self._grid):
            raise UsageError(f"the image has {math.prod(self._grid)} tiles, its table {count} rows")
        self._columns = _columns_of(header, self._row_bytes)
        self._heap = int(header.get("THEAP", self._row_bytes * count))
        self._plain = RiceRows.of_cards(Path(), parse_header_text(hdu.text).cards, table_offset=0)
        table_bytes = self._row_bytes * count
        self._table = source.read(hdu.data_offset, table_bytes) if table_bytes <= _SMALL_TABLE_BYTES else None

    def box(self, rows: tuple[int, int], columns: tuple[int, int]) -> Pixels:
        (height, width), (_, across) = self._tile, self._grid
        above, below = rows[0] // height, math.ceil(rows[1] / height)
        left, right = columns[0] // width, math.ceil(columns[1] / width)
        if right - left == across:  # whole rows of tiles follow each other
            found = self._tiles(above * across, (below - above, across))
        else:
            found = np.concatenate([self._tiles(row * across + left, (1, right - left)) for row in range(above, below)])
        y, x = above * height, left * width
        return found[rows[0] - y : rows[1] - y, columns[0] - x : columns[1] - x]

    def _tiles(self, first: int, grid: tuple[int, int]) -> Pixels:
        """Return the pixels of tiles that follow each other, in so many rows of so many."""
        count = math.prod(grid)
        table = self._rows_of_table(first, count)
        if self._plain is not None:
            heap, (places,) = self._packed(table, self._columns[:1])
            if not places[:, 0].all():
                raise UsageError("a compressed row has no data")
            return self._plain.decoded([heap[start : start + length] for length, start in places.tolist()])
        heap, moved = self._packed(table, self._columns)
        rows = np.frombuffer(bytearray(table), np.uint8).reshape(count, self._row_bytes)
        for column, places in zip(self._columns, moved, strict=True):
            described = places // (column.element_bytes, 1)
            moved_there = described.astype(column.stored).view(np.uint8).reshape(count, -1)
            rows[:, column.offset : column.offset + moved_there.shape[1]] = moved_there
        header = self._small_header(first, grid, heap_bytes=len(heap))
        file = _as_hdu(fits.PrimaryHDU().header) + _as_hdu(header, rows.tobytes() + heap)
        with fits.open(BytesIO(file), memmap=False, do_not_scale_image_data=True) as hdus:
            stored: Pixels = hdus[1].data
        return self._scaling.meant(stored)

    def _rows_of_table(self, first: int, count: int) -> bytes:
        start, length = first * self._row_bytes, count * self._row_bytes
        if self._table is not None:
            return self._table[start : start + length]
        return self.source.read(self._hdu.data_offset + start, length)

    def _packed(self, table: bytes, columns: Sequence[_Column]) -> tuple[bytes, list[NDArray[np.int64]]]:
        """Return what the descriptors in some columns describe; for each its length and place there, in bytes."""
        rows = np.frombuffer(table, np.uint8).reshape(-1, self._row_bytes)
        described = []
        for column in columns:
            size = 2 * column.stored.itemsize
            stored = np.ascontiguousarray(rows[:, column.offset : column.offset + size])
            described.append(stored.view(column.stored).astype(np.int64) * (column.element_bytes, 1))
        every = np.concatenate(described)
        present = every[every[:, 0] != 0]
        room = self._hdu.data_bytes - self._heap
        if present.size and (present.min() < 0 or (present.sum(axis=1) > room).any()):
            raise UsageError("a tile is described where the file has none")
        begins, ends = _merged(present[:, 1], present.sum(axis=1))
        if (ends - begins).sum() > _MOST_BYTES:
            raise UsageError("its tiles have more bytes than the part can need")
        heap_offset = self._hdu.data_offset + self._heap
        places = zip(begins.tolist(), ends.tolist(), strict=True)
        heap = b"".join(self.source.read(heap_offset + begin, end - begin) for begin, end in places)
        shifts = np.concatenate([[0], np.cumsum(ends - begins)])[:-1] - begins
        for places_of in described:
            here = places_of[:, 0] != 0
            places_of[here, 1] += shifts[np.searchsorted(begins, places_of[here, 1], side="right") - 1]
            places_of[~here, 1] = 0
        return heap, described

    def _small_header(self, first: int, grid: tuple[int, int], *, heap_bytes: int) -> fits.Header:
        """Return the header of a table with these tiles only."""
        count, across = math.prod(grid), grid[1]
        rows, columns = self._shape
        row, column = divmod(first, self._grid[1])
        header = fits.Header()
        header["XTENSION"], header["BITPIX"], header["NAXIS"] = "BINTABLE", 8, 2
        header["NAXIS1"], header["NAXIS2"] = self._row_bytes, count
        header["PCOUNT"], header["GCOUNT"] = heap_bytes, 1
        tidy = fits.Header.fromstring(tidy_header(self._hdu.text, self._scaling))
        kept = [copy(card) for card in tidy.cards if _OF_TILES.fullmatch(card.keyword)]
        header.extend(kept, strip=False)
        header["ZNAXIS1"] = min(columns - column * self._tile[1], across * self._tile[1])
        header["ZNAXIS2"] = min(rows - row * self._tile[0], grid[0] * self._tile[0])
        header["ZTILE1"], header["ZTILE2"] = self._tile[1], self._tile[0]
        seed = self._hdu.header.get("ZDITHER0")
        if isinstance(seed, int) and seed > 0:
            header["ZDITHER0"] = (seed - 1 + first) % _DITHER_SEEDS + 1
        return header


def _shape(header: fits.Header) -> tuple[int, int]:
    columns, rows = image_axes(header)
    return rows, columns


def _image_header(hdu: HduLayout, scaling: Scaling) -> fits.Header:
    """Return the header of an image, made from that of its table if it is in one."""
    if hdu.header.get("ZIMAGE") is not True:
        return hdu.header.copy()
    table = fits.Header.fromstring(tidy_header(hdu.text, scaling))
    table["NAXIS2"] = table["PCOUNT"] = 0
    with fits.open(BytesIO(_as_hdu(fits.PrimaryHDU().header) + _as_hdu(table)), memmap=False) as hdus:
        header: fits.Header = hdus[1].header.copy()
    return header


def _as_hdu(header: fits.Header, data: bytes = b"") -> bytes:
    text: str = header.tostring()
    return text.encode("ascii", "replace") + data + bytes(-len(data) % BLOCK_BYTES)


def _columns_of(header: fits.Header, row_bytes: int) -> list[_Column]:
    """Return the columns of a table that describe what is in its heap, the first column among them."""
    columns: list[_Column] = []
    offset = 0
    for number in range(1, int(header["TFIELDS"]) + 1):
        form = _FORM.fullmatch(str(header[f"TFORM{number}"]).strip())
        if form is None:
            raise UsageError(f"column {number} of its table cannot be read")
        repeat = int(form["repeat"] or 1)
        if form["kind"] in _DESCRIPTORS:
            stored = _DESCRIPTORS[form["kind"]]
            if repeat:
                columns.append(_Column(offset, stored, _SIZES.get(form["of"], 1)))
            offset += 2 * stored.itemsize * repeat
        else:
            offset += math.ceil(repeat / 8) if form["kind"] == "X" else repeat * _SIZES[form["kind"]]
    if offset != row_bytes or not columns:
        raise UsageError("the columns of its table do not fill its rows")
    return columns


def _merged(begins: NDArray[np.int64], ends: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the fewest stretches that cover all others, near ones joined."""
    if not begins.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    order = np.argsort(begins, kind="stable")
    begins, ends = begins[order], np.maximum.accumulate(ends[order])
    first = np.concatenate([[True], begins[1:] > ends[:-1] + _GAP_BYTES])
    last = np.concatenate([first[1:], [True]])
    return begins[first], ends[last]
