"""From counts to magnitudes, by what is already known of an image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from astropy.io import fits
from astropy.table import Table
from scipy.spatial import cKDTree

from datalab.astro.catalogues.columns import floats, has_numbers, magnitudes
from datalab.astro.headers.card_reader import CardReader
from datalab.astro.magnitudes import MAG_PER_RELATIVE_ERROR
from datalab.astro.robust import median_error

#: A source is the same as one of the catalogue if it is nearer than this; positions of both are good to a few tenths.
_MATCH_PX = 2.0
_LEAST_STARS = 3
_MOST_ERROR_MAG = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroPoint:
    """magnitude = `mag` - 2.5 log10(counts of the whole exposure); its error, NaN if unknown, and where it is from."""

    mag: float
    error_mag: float
    origin: str


def zero_point(sources: Table, *, catalogue: Table | None, header: fits.Header) -> ZeroPoint | None:
    """Return the zero point of measured sources, or None if nothing tells it.

    It is the median difference to the magnitudes of the same stars in `catalogue`, else that of the header: L1ZP (Las
    Cumbres Observatory, for counts per second) or MAGZP (Zwicky Transient Facility, for counts).

    Args:
        sources: with xwin, ywin, flux, fluxerr, flag.
        catalogue: the catalogue the image came with, columns in lower case.
        header: of the image.
    """
    return _from_catalogue(sources, catalogue) or _from_header(header)


def with_magnitudes(sources: Table, zero: ZeroPoint) -> Table:
    """Return the sources with mag, magerr; magerr is that of the flux alone."""
    result = sources.copy()
    flux = np.asarray(sources["flux"], np.float64)
    result["mag"] = zero.mag - 2.5 * np.log10(flux)
    result["magerr"] = MAG_PER_RELATIVE_ERROR * np.asarray(sources["fluxerr"], np.float64) / flux
    for name in ("mag", "magerr"):
        result[name].unit = "mag"
    return result


def _from_catalogue(sources: Table, catalogue: Table | None) -> ZeroPoint | None:
    if catalogue is None or not has_numbers(catalogue, ("x", "y", "mag")):
        return None
    known = np.stack([floats(catalogue, "x"), floats(catalogue, "y"), magnitudes(catalogue, "mag")])
    known = known[:, np.isfinite(known).all(axis=0)]
    flux, error = (np.asarray(sources[name], np.float64) for name in ("flux", "fluxerr"))
    good = (np.asarray(sources["flag"]) == 0) & (MAG_PER_RELATIVE_ERROR * error < _MOST_ERROR_MAG * flux)
    if not good.any() or known.shape[1] == 0:
        return None
    stars = sources[good]
    distance, nearest = cKDTree(known[:2].T).query(np.column_stack([stars["xwin"], stars["ywin"]]))
    matched = distance <= _MATCH_PX
    if np.count_nonzero(matched) < _LEAST_STARS:
        return None
    differences = known[2, nearest[matched]] + 2.5 * np.log10(flux[good][matched])
    mag = float(np.median(differences))
    return ZeroPoint(
        mag=mag, error_mag=median_error(differences), origin=f"{differences.size} stars of the catalogue of the input"
    )


def _from_header(header: fits.Header) -> ZeroPoint | None:
    reader = CardReader.of(header)
    per_second, exposure_s = reader.number("L1ZP"), reader.number("EXPTIME", "EXPOSURE", lowest=0)
    if per_second is not None and exposure_s:
        return ZeroPoint(mag=per_second + 2.5 * math.log10(exposure_s), error_mag=math.nan, origin="L1ZP in the header")
    whole = reader.number("MAGZP")
    return None if whole is None else ZeroPoint(mag=whole, error_mag=math.nan, origin="MAGZP in the header")
