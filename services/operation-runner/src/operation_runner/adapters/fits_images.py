"""Input images, read by rows.

Any FITS file comes in: integers with BSCALE/BZERO, floats, tile-compressed (`.fz`), gzipped, bzipped. What cannot be
read by rows is unpacked once into the work folder.
"""

from __future__ import annotations

import bz2
import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyError
from numpy.typing import NDArray

from datalab.astro.headers import science_hdu
from datalab.platform.errors import UsageError
from operation_runner.adapters.rice import RiceRows

Pixels = NDArray[Any]
_ReadRows = Callable[[int, int], Pixels]

_GZIP_MAGIC = b"\x1f\x8b"
_BZIP2_MAGIC = b"BZh"
#: A compressed tile of more rows than this is unpacked once: reading it by bands would decode it again and again.
_MOST_TILE_ROWS = 16


class FitsImage:
    """The science image of one FITS file. Reads from disk; holds no pixels."""

    def __init__(self, basename: str, path: Path, *, work_dir: Path) -> None:
        """Open the image. Raises `UsageError` if the file is damaged or has no science image."""
        self.basename = basename
        try:
            self._path = _unpacked(path, work_dir)
            self._open(work_dir)
        except (OSError, EOFError, ValueError, TypeError, KeyError, IndexError, VerifyError) as error:
            raise UsageError(f"The input file {basename} cannot be read: {error}") from error

    def rows(self, start: int, stop: int) -> Pixels:
        """Return rows `start` to `stop`, shape (stop - start, columns), native byte order, NaN where blank."""
        try:
            return self._read(start, stop)
        except (OSError, EOFError, ValueError, TypeError, IndexError) as error:
            raise UsageError(
                f"The input file {self.basename} is damaged: rows {start} to {stop} cannot be read: {error}"
            ) from error

    def _open(self, work_dir: Path) -> None:
        with fits.open(self._path, memmap=False, lazy_load_hdus=False) as hdus:
            index = science_hdu([hdu.header for hdu in hdus])
            hdu = hdus[index]
            self.header: fits.Header = hdu.header.copy()
            self.shape: tuple[int, int] = (int(hdu.shape[0]), int(hdu.shape[1]))
            self._read, self.dtype = self._reader(hdu, index, work_dir)

    def _reader(self, hdu: Any, index: int, work_dir: Path) -> tuple[_ReadRows, np.dtype[Any]]:
        if isinstance(hdu, fits.CompImageHDU):
            fast = RiceRows.of(self._path, index, self.header)
            if fast is not None:
                return fast.read, fast.dtype
            if hdu.tile_shape[0] > _MOST_TILE_ROWS:
                return _unpacked_pixels(hdu, work_dir / f"{self._path.name}.pixels")
        return self._reopened(index)

    def _reopened(self, index: int) -> tuple[_ReadRows, np.dtype[Any]]:
        """Read through astropy from a handle of our own, opened in the process that reads."""
        path = self._path
        opened: dict[int, Any] = {}

        def read(start: int, stop: int) -> Pixels:
            if os.getpid() not in opened:  # a forked process must not share a file position
                opened[os.getpid()] = fits.open(path, memmap=False)
            return _native(opened[os.getpid()][index].section[start:stop, :])

        return read, read(0, 1).dtype


def _unpacked(path: Path, work_dir: Path) -> Path:
    """Return `path`, or the uncompressed copy of a gzipped or bzipped file."""
    with path.open("rb") as file:
        magic = file.read(3)
    opener: Callable[..., Any] | None = None
    if magic.startswith(_GZIP_MAGIC):
        opener = gzip.open
    elif magic.startswith(_BZIP2_MAGIC):
        opener = bz2.open
    if opener is None:
        return path
    target = work_dir / f"{path.name}.unpacked"
    with opener(path, "rb") as packed, target.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked, 1024**2)
    return target


def _unpacked_pixels(hdu: Any, target: Path) -> tuple[_ReadRows, np.dtype[Any]]:
    pixels = _native(hdu.data)
    shape, dtype = pixels.shape, pixels.dtype
    pixels.tofile(target)

    def read(start: int, stop: int) -> Pixels:
        count = (stop - start) * shape[1]
        offset = start * shape[1] * dtype.itemsize
        return np.fromfile(target, dtype=dtype, count=count, offset=offset).reshape(stop - start, shape[1])

    return read, dtype


def _native(pixels: Pixels) -> Pixels:
    """Return the pixels in this machine's byte order; numpy is slow on any other."""
    return np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
