"""Reading an image that is put together of several, and masks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits

from datalab.astro.headers.cards import readable
from datalab.astro.types import Pixels
from datalab.fits.amplifiers import Placed
from datalab.fits.layout import HduLayout
from datalab.fits.science import ScienceImage
from datalab.fits.stored import ReadRows, StoredImage

#: Bits of masks of LSST by name, and those that tell of sources and not of faults.
_BIT: Final = re.compile(r"MP_(?P<name>\w+)", re.ASCII)
_NO_FAULT: Final = frozenset({"DETECTED", "DETECTED_NEGATIVE", "NOT_DEBLENDED"})


def put_together(
    images: Sequence[StoredImage], found: ScienceImage, *, work_dir: Path | None
) -> tuple[ReadRows, np.dtype[Any]]:
    """Return the function that reads rows of a mosaic, and the type of its pixels: floats if there are gaps."""
    readers, types = [], []
    for image in images:
        columns, rows = image.axes
        read, dtype = image.reader((rows, columns), work_dir=work_dir)
        readers.append(read)
        types.append(dtype)
    dtype = np.result_type(*types)
    if found.mosaic is not None and found.mosaic.has_gaps:
        dtype = np.result_type(dtype, np.float32)
    return placed_rows(readers, found.parts, found.shape[1], dtype), dtype


def placed_rows(readers: Sequence[ReadRows], parts: Sequence[Placed], columns: int, dtype: np.dtype[Any]) -> ReadRows:
    """Return the function that reads rows of what parts lie in; where there is none, pixels are blank, or 0."""

    def read(start: int, stop: int) -> Pixels:
        pixels = np.full((stop - start, columns), np.nan if dtype.kind == "f" else 0, dtype)
        for read_part, part in zip(readers, parts, strict=True):
            first, last = max(start, part.row), min(stop, part.end_row)
            if first >= last:
                continue
            begin, end = first - part.row, last - part.row
            if part.rows.runs_down:
                begin, end = part.rows.count - end, part.rows.count - begin
            found = read_part(part.rows.first + begin, part.rows.first + end)
            found = found[:, part.columns.first : part.columns.end]
            if part.rows.runs_down:
                found = found[::-1]
            if part.columns.runs_down:
                found = found[:, ::-1]
            pixels[first - start : last - start, part.column : part.end_column] = found
        return pixels

    return read


def mask_of(path: Path, hdus: Sequence[HduLayout], parts: Sequence[Placed], shape: tuple[int, int]) -> Pixels:
    """Return where an image is bad by a mask of one HDU for each of its parts, bool, shape `shape`."""
    readers: list[ReadRows] = []
    for hdu in hdus:
        mask = StoredImage(path, hdu)
        columns, rows = mask.axes
        readers.append(_bad(mask, (rows, columns)))
    return placed_rows(readers, parts, shape[1], np.dtype(bool))(0, shape[0])


def _bad(mask: StoredImage, shape: tuple[int, int]) -> ReadRows:
    read, dtype = mask.reader(shape)
    harmless = _harmless_bits(mask.header)

    def bad(start: int, stop: int) -> Pixels:
        flags = read(start, stop)
        if start == 0 and stop == shape[0]:
            mask.close()
        if harmless and dtype.kind in "iu":
            flags = flags & dtype.type(~harmless & int(np.iinfo(dtype).max))
        faults: Pixels = flags != 0  # NaN too
        return faults

    return bad


def _harmless_bits(header: fits.Header) -> int:
    bits = {match["name"]: readable(header, keyword, None) for keyword in header if (match := _BIT.fullmatch(keyword))}
    return sum(1 << bit for name, bit in bits.items() if name in _NO_FAULT and isinstance(bit, int) and 0 <= bit < 31)
