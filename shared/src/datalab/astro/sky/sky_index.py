"""A star index of the sky in one file, read where it is needed: pages that nobody looks at stay on disk.

The file begins with a line that names its kind, then the length of a description (8 bytes, little-endian), the
description in JSON, and the arrays that it names, each at a multiple of 64 bytes.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from datalab.astro.sky.cross_match import separations_arcsec
from datalab.astro.sky.quads import bins_near
from datalab.astro.sky.region import SkyRegion
from datalab.astro.sky.sky_cells import SkyCells
from datalab.astro.types import FloatArray, IntArray

_MAGIC = b"datalab sky index 1\n"
_ALIGNMENT = 64
#: Steps of stored positions: 0.3 milliarcseconds in right ascension, half of that in declination.
_RA_STEP_DEG, _DEC_STEP_DEG = 360.0 / 2**32, 180.0 / 2**32
_MOST_MOTION_MAS = 2**15 - 1
_MILLIMAG = 1e-3
_MOST_MAGNITUDE = 32.0


class SkyIndexError(ValueError):
    """A file is no star index; the text says why, as the end of a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexStars:
    """Stars in any order: ICRS degrees at `epoch_yr`, magnitudes, proper motions in mas per year (RA with cos Dec)."""

    ra_deg: FloatArray
    dec_deg: FloatArray
    magnitude: FloatArray
    pm_ra_mas_yr: FloatArray
    pm_dec_mas_yr: FloatArray
    epoch_yr: float

    def at(self, epoch_yr: float) -> tuple[FloatArray, FloatArray]:
        """Return right ascensions and declinations at another time, in degrees."""
        years = epoch_yr - self.epoch_yr
        declinations = np.clip(self.dec_deg + self.pm_dec_mas_yr * years / 3.6e6, -90.0, 90.0)
        cosines = np.maximum(np.cos(np.radians(self.dec_deg)), 1e-6)
        return (self.ra_deg + self.pm_ra_mas_yr * years / 3.6e6 / cosines) % 360.0, declinations

    def rows(self, which: Any) -> IndexStars:
        """Return some of them."""
        return IndexStars(
            ra_deg=self.ra_deg[which],
            dec_deg=self.dec_deg[which],
            magnitude=self.magnitude[which],
            pm_ra_mas_yr=self.pm_ra_mas_yr[which],
            pm_dec_mas_yr=self.pm_dec_mas_yr[which],
            epoch_yr=self.epoch_yr,
        )


class SkyIndex:
    """The stars of the sky by place, and quads of them by code."""

    def __init__(self, description: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        self.reference = str(description["reference"])
        self.least_field_deg = float(description["least_field_deg"])
        self._epoch_yr = float(description["epoch_yr"])
        self._cells = SkyCells(float(description["cell_deg"]))
        self._arrays = arrays

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file that `write_index` made.

        Raises:
            SkyIndexError: it is none, or cut short.
        """
        try:
            with path.open("rb") as file:
                if file.read(len(_MAGIC)) != _MAGIC:
                    raise SkyIndexError(f"{path.name} is not a star index of this version")
                length = int.from_bytes(file.read(8), "little")
                description = json.loads(file.read(length))
            size = path.stat().st_size
            mapped = np.memmap(path, np.uint8, "r")
            arrays = {}
            for name, (kind, shape, start) in description["arrays"].items():
                dtype = np.dtype(kind)
                stop = start + dtype.itemsize * math.prod(shape)
                if stop > size:
                    raise SkyIndexError(f"{path.name} is cut short")
                arrays[name] = mapped[start:stop].view(dtype).reshape(shape)
        except (KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise SkyIndexError(f"the description of {path.name} cannot be read") from error
        return cls(description, arrays)

    @property
    def n_stars(self) -> int:
        return len(self._arrays["ra"])

    @property
    def n_quads(self) -> int:
        return len(self._arrays["quads"])

    def stars(self, region: SkyRegion) -> IndexStars:
        """Return the stars of a circle, brightest first."""
        starts = self._arrays["cell_starts"]
        cells = self._cells.near(region.ra_deg, region.dec_deg, region.radius_deg)
        rows = np.concatenate([np.arange(starts[cell], starts[cell + 1]) for cell in cells])
        near = self._rows(rows)
        away = separations_arcsec(near.ra_deg, near.dec_deg, region.ra_deg, region.dec_deg)
        inside = np.flatnonzero(away <= region.radius_deg * 3600.0)
        return near.rows(inside[np.argsort(near.magnitude[inside], kind="stable")])

    def quads_near(self, codes: FloatArray) -> tuple[IntArray, IntArray]:
        """Return (index of the code, quad as four star numbers) of all quads in the bins near codes, shape (m, 4)."""
        which, bins = bins_near(codes)
        first = np.searchsorted(self._arrays["quad_bins"], bins, side="left")
        last = np.searchsorted(self._arrays["quad_bins"], bins, side="right")
        counts = last - first
        rows = np.repeat(first - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts) + np.arange(counts.sum())
        return np.repeat(which, counts), np.asarray(self._arrays["quads"][rows], np.int64)

    def positions(self, numbers: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return right ascensions and declinations, in degrees, of stars by number, of any shape."""
        return self._arrays["ra"][numbers] * _RA_STEP_DEG, self._arrays["dec"][numbers] * _DEC_STEP_DEG

    def _rows(self, rows: IntArray) -> IndexStars:
        ra_deg, dec_deg = self.positions(rows)
        return IndexStars(
            ra_deg=ra_deg,
            dec_deg=dec_deg,
            magnitude=self._arrays["magnitude"][rows] * _MILLIMAG,
            pm_ra_mas_yr=self._arrays["pm_ra"][rows].astype(np.float64),
            pm_dec_mas_yr=self._arrays["pm_dec"][rows].astype(np.float64),
            epoch_yr=self._epoch_yr,
        )


def write_index(
    path: Path,
    stars: IndexStars,
    quads: NDArray[np.uint32],
    quad_bins: NDArray[np.uint32],
    *,
    cells: SkyCells,
    reference: str,
    least_field_deg: float,
) -> None:
    """Write an index; whoever opens `path` meanwhile sees the old file or the whole new one.

    Args:
        path: of the file.
        stars: sorted by their cell.
        quads: as numbers of stars, shape (m, 4).
        quad_bins: the bins of their codes, ascending.
        cells: that the stars are sorted by.
        reference: the catalogue, for the user.
        least_field_deg: the narrowest field that the stars are dense enough for.
    """
    starts = np.searchsorted(cells.of(stars.ra_deg, stars.dec_deg), np.arange(cells.count + 1))
    arrays: dict[str, NDArray[Any]] = {
        "ra": np.minimum(np.round(stars.ra_deg % 360.0 / _RA_STEP_DEG), 2**32 - 1).astype("<u4"),
        "dec": np.clip(np.round(stars.dec_deg / _DEC_STEP_DEG), -(2**31), 2**31 - 1).astype("<i4"),
        "magnitude": np.round(np.clip(stars.magnitude, -_MOST_MAGNITUDE, _MOST_MAGNITUDE) / _MILLIMAG).astype("<i2"),
        "pm_ra": np.round(np.clip(stars.pm_ra_mas_yr, -_MOST_MOTION_MAS, _MOST_MOTION_MAS)).astype("<i2"),
        "pm_dec": np.round(np.clip(stars.pm_dec_mas_yr, -_MOST_MOTION_MAS, _MOST_MOTION_MAS)).astype("<i2"),
        "cell_starts": starts.astype("<i8"),
        "quad_bins": quad_bins.astype("<u4"),
        "quads": quads.astype("<u4"),
    }
    description: dict[str, Any] = {
        "reference": reference,
        "least_field_deg": least_field_deg,
        "epoch_yr": stars.epoch_yr,
        "cell_deg": cells.width_deg,
    }
    start = 4096  # more than the description has
    described = {}
    for name, array in arrays.items():
        described[name] = (array.dtype.str, array.shape, start)
        start += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
    text = json.dumps(description | {"arrays": described}).encode()
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with unfinished.open("wb") as file:
            file.write(_MAGIC + len(text).to_bytes(8, "little") + text)
            for name, array in arrays.items():
                file.seek(described[name][2])
                file.write(array.data)
            file.truncate(start)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
