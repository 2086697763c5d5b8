"""Input images, read by rows.

Any FITS file comes in: integers with BSCALE/BZERO, floats, tile-compressed (`.fz`), gzipped, bzipped. What cannot be
read by rows is unpacked once into the work folder.
"""

from __future__ import annotations

import errno
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Column, Table
from astropy.utils.exceptions import AstropyWarning

from datalab.astro.headers.description import FrameDescription, describe_header
from datalab.astro.types import Pixels
from datalab.errors import DatalabError, UsageError
from datalab.fits.files import BLOCK_BYTES, as_bytes, opened, packing, unpacked_stream
from datalab.fits.raw_frame import read_raw_frame
from datalab.fits.rice import RiceRows
from datalab.fits.science import CATALOGUE, add_primary_cards, science_hdu
from datalab.fits.tables import plain_table

_ReadRows = Callable[[int, int], Pixels]

#: A compressed tile of more rows than this is unpacked once: reading it by bands would decode it again and again.
_MOST_TILE_ROWS = 16
#: No codec of the standard packs denser: PLIO writes a run of 4095 pixels of 4 bytes as one word of 2 bytes.
_DENSEST_PACKING = 8190
#: All headers are read at once, and pixels when asked for.
_OPTIONS = {"memmap": False, "lazy_load_hdus": False}
#: What the operating system says when asked for something a damaged file asked for.
_NONSENSE = {errno.EINVAL, errno.EOVERFLOW, errno.EFBIG}


class FitsImage:
    """The science image of one FITS file. Reads from disk; holds no pixels."""

    def __init__(self, basename: str, path: Path, *, work_dir: Path) -> None:
        """Open the image. Raises `UsageError` if the file is damaged or has no science image."""
        self.basename = basename
        self.shape: tuple[int, int]
        self._read: _ReadRows
        #: What is odd about the pixels although they can be used.
        self.repairs: list[str] = []
        #: By process: a forked one must not share a file position.
        self._opened: dict[int, tuple[ExitStack, fits.HDUList]] = {}
        with damage_reported(f"The input file {basename} cannot be read"):
            self._path = _unpacked(path, work_dir)
            self._open(work_dir)

    def rows(self, start: int, stop: int) -> Pixels:
        """Return rows `start` to `stop`, shape (stop - start, columns), native byte order, NaN where blank."""
        with damage_reported(f"The input file {self.basename} is damaged: rows {start} to {stop} cannot be read"):
            return self._read(start, stop)

    def pixels(self) -> Pixels:
        """Return all rows."""
        return self.rows(0, self.shape[0])

    @cached_property
    def description(self) -> FrameDescription:
        """What the header says."""
        return describe_header(self.header)

    @property
    def notes(self) -> Sequence[str]:
        """What of the header, and of the pixels, was left out or mended, and why."""
        return (*self.description.notes, *self.repairs)

    def catalogue(self) -> Table | None:
        """Return the CAT extension, column names in lower case, or None. Raises `UsageError` if it is damaged."""
        if self._catalogue_offset is None:
            return None
        with damage_reported(f"The catalog of {self.basename} cannot be read"):
            plain = plain_table(self._path, self._catalogue_offset)
            return self._catalogue_by_astropy() if plain is None else plain

    def close(self) -> None:
        """Close what this process has open."""
        if os.getpid() in self._opened:
            self._opened.pop(os.getpid())[0].close()

    def _open(self, work_dir: Path) -> None:
        frame = read_raw_frame(self._path)
        if frame is not None:
            self.header, self.shape = frame.header, frame.shape
            add_primary_cards(self.header, frame.primary)
            self._check_pixel_bytes(frame.rows.dtype.itemsize)
            self._catalogue_offset = frame.catalogue_offset
            self._read, self.dtype = frame.rows.read, frame.rows.dtype
            return
        with opened(self._path, **_OPTIONS) as hdus:
            index = science_hdu([hdu.header for hdu in hdus])
            hdu = hdus[index]
            self.header = hdu.header.copy()
            if index:
                add_primary_cards(self.header, hdus[0].header)
            self.shape = (int(hdu.shape[0]), int(hdu.shape[1]))
            self._check_size(hdu)
            catalogues = [each for each in hdus if isinstance(each, fits.BinTableHDU) and each.name == CATALOGUE]
            self._catalogue_offset = catalogues[0].fileinfo()["hdrLoc"] if catalogues else None
            self._read, self.dtype = self._reader(hdu, index, work_dir)

    def _catalogue_by_astropy(self) -> Table:
        with opened(self._path, **_OPTIONS) as hdus:
            (found,) = (hdu for hdu in hdus if hdu.fileinfo()["hdrLoc"] == self._catalogue_offset)
            rows, columns = found.data, found.columns
            return Table(
                [Column(_native(rows[column.name]), column.name.lower(), unit=column.unit) for column in columns]
            )

    def _reader(self, hdu: Any, index: int, work_dir: Path) -> tuple[_ReadRows, np.dtype[Any]]:
        if isinstance(hdu, fits.CompImageHDU):
            fast = RiceRows.of(self._path, hdu)
            if fast is not None:
                return fast.read, fast.dtype
            if hdu.tile_shape[0] > _MOST_TILE_ROWS:
                return _unpacked_pixels(hdu, work_dir / f"{self._path.name}.pixels")
        return self._reopened(index), _native(hdu.section[0:1, :]).dtype

    def _check_size(self, hdu: Any) -> None:
        """Raise `ValueError` if the file is too short for its header: nobody must allocate what is not there."""
        size = self._path.stat().st_size
        place = hdu.fileinfo()
        if size <= place["datLoc"] + place["datSpan"] - BLOCK_BYTES:
            raise ValueError("the file ends before its image does")
        self._check_pixel_bytes(abs(hdu.header["BITPIX"]) // 8)

    def _check_pixel_bytes(self, pixel_bytes: int) -> None:
        """Raise `ValueError` if no codec packs so many pixels into the file."""
        rows, columns = self.shape
        size = self._path.stat().st_size
        if rows * columns * pixel_bytes > size * _DENSEST_PACKING:
            raise ValueError(f"{rows} x {columns} pixels cannot be in a file of {size} bytes")

    def _reopened(self, index: int) -> _ReadRows:
        """Read through astropy from a handle that stays open: a thousand headers must not be read for each band."""

        def read(start: int, stop: int) -> Pixels:
            if os.getpid() not in self._opened:
                stack = ExitStack()
                self._opened[os.getpid()] = stack, stack.enter_context(opened(self._path, **_OPTIONS))
            _, hdus = self._opened[os.getpid()]
            return _native(hdus[index].section[start:stop, :])

        return read


@contextmanager
def damage_reported(what: str) -> Iterator[None]:
    """Raise `UsageError` for whatever a damaged file makes the libraries raise; not for what this machine lacks."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)  # whatever matters becomes an error here
            yield
    except (DatalabError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None and error.errno not in _NONSENSE:
            raise
        raise UsageError(f"{what}: {error or type(error).__name__}") from error


def _unpacked(path: Path, work_dir: Path) -> Path:
    """Return `path`, or the unpacked copy of a file packed as a whole."""
    packed = packing(path)
    if packed is None:
        return path
    target = work_dir / f"{path.name}.unpacked"
    with unpacked_stream(path, packed) as source, target.open("wb") as unpacked:
        shutil.copyfileobj(source, unpacked, 1024**2)
    return target


def _unpacked_pixels(hdu: Any, target: Path) -> tuple[_ReadRows, np.dtype[Any]]:
    pixels = _native(hdu.data)
    shape, dtype = pixels.shape, pixels.dtype
    target.write_bytes(as_bytes(pixels))

    def read(start: int, stop: int) -> Pixels:
        count = (stop - start) * shape[1]
        offset = start * shape[1] * dtype.itemsize
        return np.fromfile(target, dtype=dtype, count=count, offset=offset).reshape(stop - start, shape[1])

    return read, dtype


def _native(pixels: Pixels) -> Pixels:
    """Return the pixels in this machine's byte order; numpy is slow on any other."""
    return np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
