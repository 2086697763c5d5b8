"""One image as analyses see it: its pixels in a file mapped into memory, so that looking again costs nothing."""

from __future__ import annotations

import math
import os
import pickle
import shutil
from functools import cached_property
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from numpy.lib import format as npy
from numpy.typing import NDArray

from datalab.astro.display.resizing import area_resized
from datalab.astro.display.stretch import sample
from datalab.astro.display.tiles import halved
from datalab.astro.headers.cards import HeaderValue, header_cards, readable
from datalab.astro.pixels.geometry import bands
from datalab.astro.sky.wcs import celestial_wcs
from datalab.astro.types import FloatArray, Pixels
from datalab.errors import UsageError
from datalab.events.operations import InputFile
from datalab.fits.files import as_bytes
from datalab.fits.image import FitsImage
from datalab.fits.science import Plane
from operation_runner.analysing.decoded_images import partial

_PIXELS = "pixels.npy"
_DESCRIPTION = "description.pickle"
#: Decoded and written at once.
_BAND_BYTES = 4 * 1024**2


class DecodedImage:
    """The image in a folder that `decode` made."""

    def __init__(self, file: InputFile, folder: Path, *, path: Path) -> None:
        self.basename = file.basename
        self.source = str(file.source)
        self.sha256 = file.sha256
        self.path = path
        self.pixels: Pixels = np.load(folder / _PIXELS, mmap_mode="r")
        self._folder = folder
        self._levels: list[Pixels] = [self.pixels]
        self._resized: NDArray[np.floating] | None = None
        self._header: fits.Header
        self._catalogue: Table | UsageError | None
        # Written by `decode` on this machine since the runner started, and by nobody else.
        self._header, self._catalogue = pickle.loads((folder / _DESCRIPTION).read_bytes())  # noqa: S301

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.pixels.shape[0]), int(self.pixels.shape[1])

    def cards(self) -> fits.Header:
        """Return the header as it is; not to be changed."""
        return self._header

    def rows(self, start: int, stop: int) -> Pixels:
        """Return rows from the first on and before the second; not to be written to."""
        return self.pixels[start:stop]

    def box(self, rows: tuple[int, int], columns: tuple[int, int]) -> Pixels:
        """Return the pixels of rows and columns from the first on and before the second."""
        return np.array(self.pixels[slice(*rows), slice(*columns)])

    def number(self, keyword: str) -> float | None:
        """Return the value of a card of the header; None if there is none, or it is no finite number."""
        value = readable(self._header, keyword, None)
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return float(value) if is_number else None

    def header(self) -> dict[str, HeaderValue]:
        """Return the values of the header by keyword."""
        return header_cards(self._header)

    def catalogue(self) -> Table | None:
        """Return the CAT extension, or None. Raises `UsageError` if it is damaged."""
        if isinstance(self._catalogue, UsageError):
            raise self._catalogue
        return self._catalogue

    def resized(self, shape: tuple[int, int]) -> NDArray[np.floating]:
        """Return the image resized. The last size is kept: every look of a viewer, and of all viewers, asks for it."""
        if self._resized is None or self._resized.shape != shape:
            self._resized = area_resized(self.pixels, shape)
            self._resized.flags.writeable = False
        return self._resized

    def wcs(self) -> WCS | None:
        """Return the celestial coordinates, or None."""
        return self._wcs

    def level(self, number: int) -> Pixels:
        """Return the image in half the size so many times; it is kept on disk, and mapped."""
        while len(self._levels) <= number:
            self._levels.append(self._half_of(self._levels[-1], len(self._levels)))
        return self._levels[number]

    def _half_of(self, larger: Pixels, number: int) -> Pixels:
        path = self._folder / f"level-{number}.npy"
        if not path.exists():
            made = path.with_suffix(f".{os.getpid()}.part")  # of two processes that make it, the last one wins
            with made.open("wb") as out:
                npy.write_array(out, halved(larger), allow_pickle=False)
            made.replace(path)
        half: Pixels = np.load(path, mmap_mode="r")
        return half

    def sample(self) -> FloatArray:
        """Return about 2000 values, sorted. Raises `UsageError` if no pixel is defined."""
        if self._sample.size == 0:
            raise UsageError(f"No pixel of {self.basename} has data.")
        return self._sample

    @cached_property
    def _wcs(self) -> WCS | None:
        return celestial_wcs(self._header, self.pixels.shape)

    @cached_property
    def _sample(self) -> FloatArray:
        return sample(self.pixels)


def decode(file: InputFile, path: Path, folder: Path, *, limit_bytes: int, plane: Plane | None = None) -> None:
    """Decode the science image of a FITS file, or a plane of it, into a folder; it appears complete or not at all.

    Raises:
        UsageError: the file is damaged, has no science image, no such plane, or one of more than `limit_bytes`.
    """
    work_dir = partial(folder)
    work_dir.mkdir()
    try:
        image = FitsImage(file.basename, path, work_dir=work_dir, plane=plane)
        size_bytes = image.shape[0] * image.shape[1] * image.dtype.itemsize
        if size_bytes > limit_bytes:
            raise UsageError(
                f"The image of {file.basename} has {size_bytes} bytes; at most {limit_bytes} are analysed."
            )
        made = work_dir / "made"
        made.mkdir()
        _write_pixels(image, made / _PIXELS)
        (made / _DESCRIPTION).write_bytes(pickle.dumps((image.header, _catalogue(image))))
        image.close()
        made.rename(folder)
    finally:
        shutil.rmtree(work_dir, ignore_errors=True)


def _write_pixels(image: FitsImage, target: Path) -> None:
    # Written, not mapped: a disk that is full must be an error here, not a signal that ends the process.
    rows, columns = image.shape
    band_rows = max(1, _BAND_BYTES // (columns * image.dtype.itemsize))
    with target.open("wb") as out:
        npy.write_array_header_2_0(
            out, {"descr": npy.dtype_to_descr(image.dtype), "fortran_order": False, "shape": image.shape}
        )
        for start, stop in bands(rows, band_rows):
            out.write(as_bytes(image.rows(start, stop)))


def _catalogue(image: FitsImage) -> Table | UsageError | None:
    try:
        return image.catalogue()
    except UsageError as error:  # only those who want the catalogue need to know
        return error
