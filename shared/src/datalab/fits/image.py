"""Input images, read by rows.

Any FITS file comes in: integers with BSCALE/BZERO, floats, tile-compressed (`.fz`), gzipped, bzipped. What cannot be
read by rows is unpacked once into the work folder.
"""

from __future__ import annotations

import errno
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Column, Table
from astropy.utils.exceptions import AstropyWarning

from datalab.astro.headers.cards import readable
from datalab.astro.headers.description import FrameDescription, describe_header
from datalab.astro.headers.detector import Detector
from datalab.astro.sky.wcs import wcs_notes
from datalab.astro.types import Pixels
from datalab.errors import DatalabError, UsageError
from datalab.fits.amplifiers import Placed
from datalab.fits.checksums import damaged_sums, has_sums
from datalab.fits.files import opened, packing, unpacked_stream
from datalab.fits.layout import HduLayout, hdu_name, layout_notes, read_layout
from datalab.fits.parts_together import mask_of, put_together
from datalab.fits.raw_frame import read_raw_frame
from datalab.fits.science import CATALOGUE, DEFAULT_PLANE, Plane, add_primary_cards, science_image
from datalab.fits.science_header import science_header, standard_notes
from datalab.fits.stored import NotInPartsError, ReadRows, StoredImage, require_room
from datalab.fits.tables import plain_table

#: All headers are read at once, and pixels when asked for.
_OPTIONS = {"memmap": False, "lazy_load_hdus": False}
#: What the operating system says when asked for something a damaged file asked for.
_NONSENSE = {errno.EINVAL, errno.EOVERFLOW, errno.EFBIG}


class FitsImage:
    """The science image of one FITS file. Reads from disk; holds no pixels."""

    def __init__(self, basename: str, path: Path, *, work_dir: Path | None, plane: Plane | None = None) -> None:
        """Open the image, of a colour image the `plane`, which is green if it is not given.

        Without a work folder, only what can be read by rows. Raises `UsageError` if the file is damaged, has no science
        image, or no such plane; `NotInPartsError`.
        """
        self.basename = basename
        self.shape: tuple[int, int]
        self.header: fits.Header
        self.dtype: np.dtype[Any]
        self._read: ReadRows
        self._masks: tuple[tuple[HduLayout, ...], ...] = ()
        self._parts: tuple[Placed, ...] = ()
        self._odd: tuple[str, ...] = ()
        self._indexes: tuple[int, ...] = ()
        self._catalogue_offset: int | None = None
        self._has_sums: bool
        self._last_hdu: int
        self._end: int
        self._stored: list[StoredImage] = []
        with damage_reported(f"The input file {basename} cannot be read"):
            self._path = _unpacked(path, work_dir)
            if plane is not None or not self._open_raw_frame():
                self._open(plane, work_dir)

    def rows(self, start: int, stop: int) -> Pixels:
        """Return rows `start` to `stop`, shape (stop - start, columns), native byte order, NaN where blank."""
        with damage_reported(f"The input file {self.basename} is damaged: rows {start} to {stop} cannot be read"):
            return self._read(start, stop)

    def pixels(self) -> Pixels:
        """Return all rows."""
        return self.rows(0, self.shape[0])

    def mask(self) -> Pixels | None:
        """Return where pixels are bad by the masks of the file, bool, shape `shape`; None if it has no mask.

        Masks are extensions with names such as BPM, MASK or DQ, of the size of the image; whatever is not 0 in one of
        them is bad. Of masks whose bits have names (MP_..., as those of LSST), what was only detected is not. Raises
        `UsageError` if a mask cannot be read.
        """
        bad = None
        for hdus in self._masks:
            with damage_reported(f"A mask of {self.basename} cannot be read"):
                found = mask_of(self._path, hdus, self._parts, self.shape)
            bad = found if bad is None else bad | found
        return bad

    @cached_property
    def description(self) -> FrameDescription:
        """What the header says."""
        return describe_header(self.header)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What was left out or repaired, and what is doubtful, of the header and of the pixels."""
        with damage_reported(f"The input file {self.basename} cannot be read"):
            of_layout = layout_notes(self._path, last=self._last_hdu, end=self._end)
            damaged = damaged_sums(self._path, self._used(read_layout(self._path))) if self._has_sums else ()
            of_wcs = wcs_notes(self.header, self.shape)
            return (*self._odd, *of_layout, *damaged, *self.description.notes, *of_wcs)

    def catalogue(self) -> Table | None:
        """Return the CAT extension, column names in lower case, or None. Raises `UsageError` if it is damaged."""
        if self._catalogue_offset is None:
            return None
        with damage_reported(f"The catalog of {self.basename} cannot be read"):
            plain = plain_table(self._path, self._catalogue_offset)
            return self._catalogue_by_astropy() if plain is None else plain

    def close(self) -> None:
        """Close what this process has open."""
        for stored in self._stored:
            stored.close()

    def _open_raw_frame(self) -> bool:
        """Open a raw frame in its usual form, or return False."""
        frame = read_raw_frame(self._path)
        if frame is None:
            return False
        self.header, self.shape = frame.header, frame.shape
        add_primary_cards(self.header, frame.primary)
        require_room(self.shape, frame.rows.dtype, self._path)
        self._catalogue_offset = frame.catalogue_offset
        self._read, self.dtype = frame.rows.read, frame.rows.dtype
        self._indexes = (frame.index,)
        self._last_hdu, self._end, self._has_sums = frame.last_hdu, frame.end, frame.has_sums
        return True

    def _open(self, wanted: Plane | None, work_dir: Path | None) -> None:
        hdus = read_layout(self._path)
        found = science_image([hdu.header for hdu in hdus])
        if wanted is not None and (found.colours is None or found.colours.planes == 1):
            raise UsageError(f"it is no colour image, and has no plane {wanted}")
        plane = wanted or DEFAULT_PLANE
        self._indexes = found.hdus
        self._stored = [StoredImage(self._path, hdus[index]) for index in found.hdus]
        if work_dir is None and not all(stored.is_by_rows for stored in self._stored):
            self.close()
            raise NotInPartsError
        self.header, noted = science_header(
            found, [stored.header for stored in self._stored], hdus[0].header if found.hdus[0] else None, plane=plane
        )
        self.shape, self._parts = found.shape, found.parts
        self._masks = tuple(tuple(hdus[index] for index in mask) for mask in found.masks)
        self._catalogue_offset = next((hdu.header_offset for hdu in hdus if _is_catalogue(hdu.header)), None)
        self._last_hdu, self._end = len(hdus) - 1, hdus[-1].end
        self._has_sums = any(has_sums(hdu.header) for _, hdu in self._used(hdus))
        scaled = dict.fromkeys(note for stored in self._stored for note in stored.scaling.notes)
        self._odd = (*standard_notes(hdus[0].header), *noted, *scaled)
        if found.mosaic is not None:
            self._read, self.dtype = put_together(self._stored, found, work_dir=work_dir)
        else:
            self._read, self.dtype = self._stored[0].reader(
                found.shape,
                colours=found.colours,
                plane=plane,
                saturation=Detector.of(self.header).saturation_adu,
                work_dir=work_dir,
            )

    def _used(self, hdus: list[HduLayout]) -> list[tuple[str, HduLayout]]:
        """Return the HDUs of the image and of the catalogue, with their names."""
        return [
            (hdu_name(index, hdu.header), hdu)
            for index, hdu in enumerate(hdus)
            if index in self._indexes or hdu.header_offset == self._catalogue_offset
        ]

    def _catalogue_by_astropy(self) -> Table:
        with opened(self._path, **_OPTIONS) as hdus:
            (found,) = (hdu for hdu in hdus if hdu.fileinfo()["hdrLoc"] == self._catalogue_offset)
            rows, columns = found.data, found.columns
            return Table(
                [Column(_native(rows[column.name]), column.name.lower(), unit=column.unit) for column in columns]
            )


def _is_catalogue(header: fits.Header) -> bool:
    kind = str(readable(header, "XTENSION", "")).strip().upper()
    name = str(readable(header, "EXTNAME", "")).strip().upper()
    return (kind, name) == ("BINTABLE", CATALOGUE) and readable(header, "ZIMAGE", None) is not True


@contextmanager
def damage_reported(what: str) -> Iterator[None]:
    """Raise `UsageError` for whatever a damaged file makes the libraries raise; not for what this machine lacks."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)  # whatever matters becomes an error here
            yield
    except UsageError as error:
        raise UsageError(f"{what}: {error.message}") from error
    except (DatalabError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None and error.errno not in _NONSENSE:
            raise
        raise UsageError(f"{what}: {error or type(error).__name__}") from error


def _unpacked(path: Path, work_dir: Path | None) -> Path:
    """Return `path`, or the unpacked copy of a file packed as a whole."""
    packed = packing(path)
    if packed is None:
        return path
    if work_dir is None:
        raise NotInPartsError
    target = work_dir / f"{path.name}.unpacked"
    with unpacked_stream(path, packed) as source, target.open("wb") as unpacked:
        shutil.copyfileobj(source, unpacked, 1024**2)
    return target


def _native(pixels: Pixels) -> Pixels:
    """Return the pixels in this machine's byte order; numpy is slow on any other."""
    return np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
