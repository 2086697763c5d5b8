"""Pixels of one HDU of an unpacked file, by rows, whether it is compressed in tiles or not."""

from __future__ import annotations

import io
import math
import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from datalab.astro.headers.cards import image_axes, parse_header_text, readable
from datalab.astro.types import Pixels
from datalab.errors import DatalabError, UsageError
from datalab.fits.files import as_bytes
from datalab.fits.layout import HduLayout
from datalab.fits.rice import RiceRows
from datalab.fits.scaling import Scaling
from datalab.fits.science import DEFAULT_PLANE, ColourAxis, Plane, plane_number

#: Returns rows from the first to before the second.
ReadRows = Callable[[int, int], Pixels]

#: A compressed tile of more rows than this is unpacked once: reading it by bands would decode it again and again.
_MOST_TILE_ROWS: Final = 16
#: No codec of the standard packs denser: PLIO writes a run of 4095 pixels of 4 bytes as one word of 2 bytes.
_DENSEST_PACKING: Final = 8190
_CARD: Final = 80
_OF_PIXELS: Final = ("BSCALE", "BZERO", "BLANK")
_NO_IMAGE: Final = fits.PrimaryHDU().header.tostring().encode("ascii")


class NotInPartsError(DatalabError):
    """The file has to be had as a whole: it is packed, or in large tiles."""

    def __init__(self) -> None:
        super().__init__("the file cannot be read in parts")


class StoredImage:
    """The image of one HDU. Reads from disk; holds no pixels."""

    def __init__(self, path: Path, hdu: HduLayout) -> None:
        """Raises `UsageError` if its numbers cannot be understood."""
        self._path = path
        self._hdu = hdu
        self.is_compressed = hdu.header.get("ZIMAGE") is True
        self.axes = image_axes(hdu.header)
        self.scaling = scaling_of(hdu)
        #: By process: a forked one must not share a file position.
        self._opened: dict[int, tuple[ExitStack, fits.CompImageHDU]] = {}
        require_room(self.axes, self.scaling.stored, path)

    @property
    def header(self) -> fits.Header:
        """The header of the image, not that of the table it may be compressed in; a copy."""
        return self._compressed().header.copy() if self.is_compressed else self._hdu.header.copy()

    @property
    def is_by_rows(self) -> bool:
        """Whether some rows can be read without decoding many others."""
        return not self.is_compressed or (len(self.axes) == 2 and self._compressed().tile_shape[-2] <= _MOST_TILE_ROWS)

    def reader(
        self,
        shape: tuple[int, int],
        *,
        colours: ColourAxis | None = None,
        plane: Plane = DEFAULT_PLANE,
        saturation: float = math.inf,
        work_dir: Path | None = None,
    ) -> tuple[ReadRows, np.dtype[Any]]:
        """Return the function that reads rows of the image, and the type of its pixels.

        Args:
            shape: rows and columns of the image.
            colours: where it has planes; None if it has two axes.
            plane: which one to read.
            saturation: from which level on a pixel of a plane tells nothing more.
            work_dir: for what cannot be read by rows; without it, each reading decodes more than it returns.
        """
        if colours is None or colours.planes == 1:
            return self._plane(shape, colours, 0, work_dir), self.scaling.dtype
        if plane == "luminance":
            readers = [self._plane(shape, colours, number, work_dir) for number in range(colours.planes)]
            return _mean(readers, saturation), np.result_type(self.scaling.dtype, np.float32)
        number = plane_number(plane, self._hdu.header)
        return self._plane(shape, colours, number, work_dir), self.scaling.dtype

    def close(self) -> None:
        """Close what this process has open."""
        if os.getpid() in self._opened:
            self._opened.pop(os.getpid())[0].close()

    def _plane(
        self, shape: tuple[int, int], colours: ColourAxis | None, number: int, work_dir: Path | None
    ) -> ReadRows:
        if not self.is_compressed:
            return self._plain(shape, colours, number)
        if colours is None:
            fast = RiceRows.of_cards(
                self._path, parse_header_text(self._hdu.text).cards, table_offset=self._hdu.data_offset
            )
            if fast is not None:
                return fast.read
        read = self._section(colours, number, dimensions=len(self.axes))
        tile_rows = self._compressed().tile_shape[-2]
        if work_dir is not None and (tile_rows > _MOST_TILE_ROWS or colours is not None):
            plane = f"-{number}" if number else ""
            return _unpacked(read(0, shape[0]), work_dir / f"{self._path.name}.{self._hdu.header_offset}{plane}.pixels")
        return read

    def _plain(self, shape: tuple[int, int], colours: ColourAxis | None, number: int) -> ReadRows:
        rows, columns = shape
        stored = self.scaling.stored.newbyteorder(">")
        mixed = colours.planes if colours is not None and colours.axis == 2 else 1
        first_row = number * rows if mixed == 1 else 0

        def read(start: int, stop: int) -> Pixels:
            width = columns * mixed
            with self._path.open("rb", buffering=0) as file:
                found = np.fromfile(
                    file,
                    stored,
                    count=(stop - start) * width,
                    offset=self._hdu.data_offset + (first_row + start) * width * stored.itemsize,
                )
            if found.size != (stop - start) * width:
                raise UsageError("the file ends before its image does")
            return self.scaling.meant(found.reshape(stop - start, columns, mixed)[:, :, number if mixed > 1 else 0])

        return read

    def _section(self, colours: ColourAxis | None, number: int, *, dimensions: int) -> ReadRows:
        """Read through astropy from a handle that stays open."""

        def read(start: int, stop: int) -> Pixels:
            rows = slice(start, stop)
            if colours is None or colours.axis == 0:
                where: tuple[Any, ...] = (*[0] * (dimensions - 2), rows, slice(None))
                if colours is not None and colours.planes > 1:
                    place = [axis for axis in range(dimensions - 2) if self.axes[dimensions - 1 - axis] > 1]
                    where = tuple(number if axis in place else index for axis, index in enumerate(where))
            else:
                where = (rows, slice(None), number)
            return self.scaling.meant(self._compressed().section[where])

        return read

    def _compressed(self) -> fits.CompImageHDU:
        if os.getpid() not in self._opened:
            stack = ExitStack()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", AstropyWarning)  # whatever matters becomes an error
                tidy = tidy_header(self._hdu.text, self.scaling).encode("ascii", "replace")
                file = stack.enter_context(io.BufferedReader(_OneHdu(self._path, self._hdu, tidy)))
                hdus = stack.enter_context(
                    fits.open(file, memmap=False, lazy_load_hdus=False, do_not_scale_image_data=True)
                )
                self._opened[os.getpid()] = stack, hdus[1]
        return self._opened[os.getpid()][1]


def scaling_of(hdu: HduLayout) -> Scaling:
    """Return how the pixels of an image follow from what is stored. Raises `UsageError`."""
    is_compressed = hdu.header.get("ZIMAGE") is True
    keyword = "ZBITPIX" if is_compressed else "BITPIX"
    bitpix = readable(hdu.header, keyword, None)
    if not isinstance(bitpix, int):
        raise UsageError(f"{keyword} is missing or no number, so that nothing is known of the pixels")
    return Scaling.of(hdu.text, bitpix=bitpix, is_compressed=is_compressed)


def tidy_header(text: str, scaling: Scaling) -> str:
    """Return the header of a compressed image, cards of 80 columns, as astropy may read it.

    Scaling is done here; and where pixels are floats, astropy would take BLANK for that of the packed numbers.
    """
    if not scaling.notes and scaling.bitpix > 0:
        return text
    cards = [text[start : start + _CARD] for start in range(0, len(text), _CARD)]
    return "".join(" " * _CARD if card[:8].rstrip() in _OF_PIXELS else card for card in cards)


def require_room(axes: Sequence[int], pixel: np.dtype[Any], path: Path) -> None:
    """Raise `UsageError` if no codec packs so many pixels into a file: nobody must allocate what is not there."""
    size = path.stat().st_size
    if math.prod(axes) * pixel.itemsize > size * _DENSEST_PACKING:
        raise UsageError(f"{' x '.join(map(str, axes))} pixels cannot be in a file of {size} bytes")


class _OneHdu(io.RawIOBase):
    """One extension of a file as if it were the only one, behind an empty primary HDU, with another header."""

    def __init__(self, path: Path, hdu: HduLayout, header: bytes) -> None:
        super().__init__()
        self._file = path.open("rb", buffering=0)
        self._start = _NO_IMAGE + header
        self._shift = hdu.data_offset - len(self._start)
        self._size = len(self._start) + hdu.end - hdu.data_offset
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = begin + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), max(0, self._size - self._position))
        if self._position < len(self._start):
            data = self._start[self._position : self._position + wanted]
        else:
            data = os.pread(self._file.fileno(), wanted, self._shift + self._position)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def _mean(readers: list[ReadRows], saturation: float) -> ReadRows:
    def read(start: int, stop: int) -> Pixels:
        highest = readers[0](start, stop)
        total = highest.astype(np.result_type(highest.dtype, np.float32))
        for reader in readers[1:]:
            level = reader(start, stop)
            total += level
            highest = np.maximum(highest, level)
        total /= len(readers)
        # Where one plane is saturated, the mean must be found so by its level too.
        return np.where(highest >= saturation, highest.astype(total.dtype), total)

    return read


def _unpacked(pixels: Pixels, target: Path) -> ReadRows:
    columns, dtype = pixels.shape[1], pixels.dtype
    target.write_bytes(as_bytes(pixels))

    def read(start: int, stop: int) -> Pixels:
        count, offset = (stop - start) * columns, start * columns * dtype.itemsize
        return np.fromfile(target, dtype=dtype, count=count, offset=offset).reshape(stop - start, columns)

    return read
