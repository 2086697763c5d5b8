"""Stars of Gaia DR3: reading what the archive sends, and moving stars to the time of an image."""

from __future__ import annotations

import warnings
from calendar import isleap
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO

import numpy as np
from astropy.io.votable import parse
from astropy.io.votable.exceptions import VOWarning
from astropy.table import Table
from astropy.units import UnitsWarning

from datalab.astro.magnitudes import MAG_PER_RELATIVE_ERROR
from datalab.astro.sky.cross_match import degrees, separations_arcsec, unit_vectors
from datalab.astro.sky.gaia_query import BANDS, COLUMNS, MAX_STARS
from datalab.astro.sky.region import SkyRegion
from datalab.astro.types import FloatArray

#: Parallaxes of DR3 are too small by 17 µas on average (Lindegren et al. 2021, A&A 649, A4).
PARALLAX_ZERO_POINT_MAS = 0.017
#: Synthetic Sloan magnitudes differ from observed ones by a few hundredths (Montegriffo et al. 2023, A&A 674, A33).
SYNTHETIC_MAG_ERROR_FLOOR = 0.03

_UNITS = {
    **dict.fromkeys(("ra", "dec"), "deg"),
    **dict.fromkeys(("pmra", "pmra_error", "pmdec", "pmdec_error"), "mas / yr"),
    **dict.fromkeys(("parallax", "parallax_error"), "mas"),
    **dict.fromkeys(("distance", "distance_lo", "distance_hi"), "pc"),
    **{f"sdss_{band}{suffix}": "mag" for band in BANDS for suffix in ("", "_error")},
    "ref_epoch": "yr",
    "phot_g_mean_mag": "mag",
}
_DISTANCES = {"r_med_geo": "distance", "r_lo_geo": "distance_lo", "r_hi_geo": "distance_hi"}
_MAS_PER_RADIAN = np.degrees(1.0) * 3_600_000.0


def read_stars(file: BinaryIO, region: SkyRegion) -> Table:
    """Read the answer to `gaia_query.adql` and return the stars of it that are in a region, brightest first.

    Unknown values are NaN. Columns: `source_id`; `ra, dec` (deg, ICRS) at `ref_epoch` (yr); `pmra, pmdec` (mas/yr;
    pmra is that along the parallel); `parallax` (mas, its mean zero point taken off); `ruwe`; `phot_g_mean_mag`;
    `distance, distance_lo, distance_hi` (pc; median, 16 % and 84 %); `sdss_g, sdss_r, sdss_i, sdss_z` (mag, AB) and
    `sdss_g_error` ...; `pmra_error, pmdec_error, parallax_error`. `meta["truncated"]` tells whether the archive left
    out fainter stars.

    Args:
        file: a VOTable (IVOA VOTable 1.4, any serialization).
        region: of which stars are wanted.

    Raises:
        ValueError: it is not such an answer.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VOWarning)  # about metadata; what matters is checked here
        warnings.simplefilter("ignore", UnitsWarning)
        answer = parse(file, verify="ignore")
        archive = answer.get_first_table().to_table()
    missing = [name for name in COLUMNS if name not in archive.colnames]
    if missing:
        raise ValueError(f"the Gaia archive sent no column {', '.join(missing)}")
    overflow = any(info.value == "OVERFLOW" for resource in answer.resources for info in resource.infos)
    stars = _described(archive)
    stars.meta["truncated"] = overflow or len(stars) >= MAX_STARS
    distance_arcsec = separations_arcsec(stars["ra"], stars["dec"], region.ra_deg, region.dec_deg)
    stars = stars[distance_arcsec <= region.radius_deg * 3600.0]
    stars.sort(["phot_g_mean_mag", "source_id"])
    return stars


def positions_at(stars: Table, epoch_yr: float) -> tuple[FloatArray, FloatArray]:
    """Return right ascensions and declinations (deg, ICRS) of `read_stars` at another time; no motion known = stays.

    Each star moves on along a great circle at its present speed. Left out are its parallax (0.02" for the nearest
    cluster) and the change of its proper motion with its distance.
    """
    ra, dec = np.radians(stars["ra"].data), np.radians(stars["dec"].data)
    years = epoch_yr - stars["ref_epoch"].data
    eastward, northward = (
        np.nan_to_num(stars[name].data * years)[:, np.newaxis] / _MAS_PER_RADIAN for name in ("pmra", "pmdec")
    )
    east = np.stack([-np.sin(ra), np.cos(ra), np.zeros_like(ra)], axis=-1)
    north = np.stack([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)], axis=-1)
    moved = unit_vectors(stars["ra"].data, stars["dec"].data) + eastward * east + northward * north
    return degrees(moved)


def mean_epoch_yr(times: Sequence[datetime | None]) -> float | None:
    """Return the mean of times as a year with decimals, or None if none is known."""
    years = [_decimal_year(time) for time in times if time is not None]
    return sum(years) / len(years) if years else None


def _described(archive: Table) -> Table:
    stars = Table({"source_id": np.asarray(archive["source_id"], dtype=np.int64)})
    values = {name: _plain(archive[name]) for name in COLUMNS if name != "source_id"}
    values["parallax"] = values["parallax"] + PARALLAX_ZERO_POINT_MAS
    for name, distance in _DISTANCES.items():
        values[distance] = values.pop(name)
    for band in BANDS:
        flux, error = values.pop(f"{band}_sdss_flux"), values.pop(f"{band}_sdss_flux_error")
        values[f"sdss_{band}"] = values.pop(f"{band}_sdss_mag")
        values[f"sdss_{band}_error"] = _magnitude_error(flux, error)
    for name, column in values.items():
        stars[name] = column
        stars[name].unit = _UNITS.get(name)
    return stars


def _plain(column: Any) -> FloatArray:
    numbers: FloatArray = np.ma.filled(np.ma.asarray(column).astype(np.float64), np.nan)
    return numbers


def _magnitude_error(flux: FloatArray, flux_error: FloatArray) -> FloatArray:
    positive = np.where(flux > 0.0, flux, np.nan)
    error: FloatArray = np.hypot(MAG_PER_RELATIVE_ERROR * flux_error / positive, SYNTHETIC_MAG_ERROR_FLOOR)
    return error


def _decimal_year(time: datetime) -> float:
    days = 366 if isleap(time.year) else 365
    return time.year + (time - datetime(time.year, 1, 1, tzinfo=UTC)) / timedelta(days=days)
