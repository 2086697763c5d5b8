"""Magnitudes of one source, as the catalogues of frames have them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike

from datalab.astro.catalogues.columns import floats, has_numbers, magnitudes, sky_positions
from datalab.astro.sky.cross_match import separations_arcsec

#: What is further from the wanted position is another source: some seeing disks, and what a pointing model is good to.
MATCH_RADIUS_ARCSEC = 4.0

_COLUMNS = ("ra", "dec", "mag", "magerr")


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueMagnitude:
    """A calibrated magnitude and its error (one sigma; NaN if it is not known), and whether the catalogue doubts it."""

    magnitude: float
    error: float
    is_flagged: bool = False


def nearest_source(
    ra_deg: ArrayLike,
    dec_deg: ArrayLike,
    *,
    at_ra_deg: float,
    at_dec_deg: float,
    radius_arcsec: float = MATCH_RADIUS_ARCSEC,
) -> int | None:
    """Return the index of the source nearest to a position on the sky, or None if none is within the radius.

    Args:
        ra_deg: of the sources, shape (sources,); those that are not finite count as not there.
        dec_deg: as `ra_deg`.
        at_ra_deg: the position's right ascension.
        at_dec_deg: its declination.
        radius_arcsec: how far the source may be from the position.
    """
    separation = separations_arcsec(ra_deg, dec_deg, at_ra_deg, at_dec_deg)
    if not np.isfinite(separation).any():
        return None
    nearest = int(np.nanargmin(separation))
    return nearest if separation[nearest] <= radius_arcsec else None


def catalogue_magnitude(catalogue: Table | None, *, ra_deg: float, dec_deg: float) -> CatalogueMagnitude | None:
    """Return the magnitude of the source at a position, or None if the catalogue does not know it.

    Args:
        catalogue: with columns ra, dec (degrees), mag and magerr; without one of them, or None, it knows nothing.
        ra_deg: the position's right ascension; the source must be within 4 arcsec.
        dec_deg: its declination.
    """
    if catalogue is None or not has_numbers(catalogue, _COLUMNS):
        return None
    ra, dec = sky_positions(catalogue)
    mag, magerr = magnitudes(catalogue, "mag"), floats(catalogue, "magerr")
    row = nearest_source(ra, dec, at_ra_deg=ra_deg, at_dec_deg=dec_deg)
    if row is None or not np.isfinite(mag[row]):
        return None
    flagged = has_numbers(catalogue, ("flag",)) and bool(np.nan_to_num(floats(catalogue, "flag")[row]))
    return CatalogueMagnitude(magnitude=float(mag[row]), error=float(magerr[row]), is_flagged=flagged)
