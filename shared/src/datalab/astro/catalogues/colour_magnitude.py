"""Colour-magnitude diagrams: stars measured in two bands, beside what Gaia knows of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from astropy.table import Table, vstack
from numpy.typing import ArrayLike

from datalab.astro.catalogues.agreement import Agreement, agreement
from datalab.astro.catalogues.columns import floats, magnitudes, require_columns, sky_positions
from datalab.astro.catalogues.star_selection import star_like
from datalab.astro.sky.cross_match import one_to_one, separations_arcsec, unit_vectors
from datalab.astro.types import FloatArray, IntArray, Mask

#: Two images of a field are on the same astrometric system to better than this, and stars in them are farther apart.
BAND_MATCH_ARCSEC = 2.0
#: Gaia's positions at the time of an image are far better than the image's, which are good to a few tenths.
GAIA_MATCH_ARCSEC = 0.5

_LEAST_STAR_LIKE = 0.5

#: What a row of the table takes from Gaia, by its name there.
_FROM_GAIA = {
    "pmra": "pmra",
    "pmra_err": "pmra_error",
    "pmdec": "pmdec",
    "pmdec_err": "pmdec_error",
    "parallax": "parallax",
    "parallax_err": "parallax_error",
    "distance": "distance",
    "distance_lo": "distance_lo",
    "distance_hi": "distance_hi",
    "g_mag": "phot_g_mean_mag",
    "probability": "probability",
}


@dataclass(frozen=True, slots=True)
class _Stars:
    """Columns of equal length, one value per star."""

    ra_deg: FloatArray
    dec_deg: FloatArray
    mag: FloatArray
    magerr: FloatArray

    def __len__(self) -> int:
        return len(self.mag)

    def at(self, rows: ArrayLike) -> Self:
        """Return some of the stars, by number or by mask."""
        return type(self)(*(getattr(self, column.name)[rows] for column in fields(self)))

    def brightest(self, count: int) -> Self:
        """Return the brightest stars, brightest first."""
        return self.at(np.argsort(self.mag, kind="stable")[:count])


@dataclass(frozen=True, slots=True)
class MeasuredStars(_Stars):
    """Stars of one image with calibrated magnitudes."""


@dataclass(frozen=True, slots=True)
class ColouredStars(_Stars):
    """Stars measured in two bands; position and magnitude are those in the red one, the colour is blue minus red."""

    color: FloatArray
    color_err: FloatArray

    def within(self, ra_deg: float, dec_deg: float, *, radius_arcmin: float) -> Self:
        """Return the stars of a circle."""
        return self.at(separations_arcsec(self.ra_deg, self.dec_deg, ra_deg, dec_deg) <= radius_arcmin * 60.0)


def measured_stars(catalogue: Table, *, saturation: float) -> MeasuredStars:
    """Return the sources of a catalogue whose magnitudes can be trusted.

    Left out are sources with a flag, with a `peak` at the saturation level, with a value that is not finite, and those
    that cannot be stars, such as cosmic rays.

    Args:
        catalogue: columns ra, dec (degrees), mag, magerr; flag and peak if there are.
        saturation: in the units of `peak`; infinite if unknown.

    Raises:
        CatalogueError: a column is missing.
    """
    require_columns(catalogue, ("ra", "dec", "mag", "magerr"))
    stars = MeasuredStars(*sky_positions(catalogue), magnitudes(catalogue, "mag"), floats(catalogue, "magerr"))
    usable = np.isfinite([stars.ra_deg, stars.dec_deg, stars.mag, stars.magerr]).all(axis=0)
    if "flag" in catalogue.colnames:
        usable &= floats(catalogue, "flag") == 0
    if "peak" in catalogue.colnames:
        usable &= floats(catalogue, "peak") < saturation
    possible = usable & star_like(catalogue)
    # Where hardly any could be a star, the columns do not mean what they mean elsewhere (widths in degrees, say).
    return stars.at(possible if np.count_nonzero(possible) >= _LEAST_STAR_LIKE * np.count_nonzero(usable) else usable)


def colour_stars(blue: MeasuredStars, red: MeasuredStars) -> ColouredStars:
    """Return the stars that are in both bands: nearest neighbours within 2", one to one."""
    matches = one_to_one(blue.ra_deg, blue.dec_deg, red.ra_deg, red.dec_deg, radius_arcsec=BAND_MATCH_ARCSEC)
    blue, red = blue.at(matches.first), red.at(matches.second)
    return ColouredStars(
        ra_deg=red.ra_deg,
        dec_deg=red.dec_deg,
        mag=red.mag,
        magerr=red.magerr,
        color=blue.mag - red.mag,
        color_err=np.hypot(blue.magerr, red.magerr),
    )


def footprint_contains(corners: Sequence[tuple[float, float]], *, ra_deg: float, dec_deg: float) -> bool:
    """Tell whether a position is in a convex polygon on the sky, given by its corners (ra, dec), degrees, in order.

    It is if it is on the same side of the great circles through all edges, and on the same half of the sky.
    """
    vectors = unit_vectors(*np.transpose(corners))
    position = unit_vectors(ra_deg, dec_deg)
    sides = np.cross(vectors, np.roll(vectors, -1, axis=0)) @ position
    return bool((np.all(sides >= 0.0) or np.all(sides <= 0.0)) and vectors.sum(axis=0) @ position > 0.0)


def agreement_of_bands(blue: MeasuredStars, red: MeasuredStars, stars: ColouredStars) -> Agreement:
    """Return how well the lists of two images agree, of which `stars` are in both."""
    first, second = blue.brightest(len(blue)), red.brightest(len(red))
    return agreement(
        (first.ra_deg, first.dec_deg),
        (second.ra_deg, second.dec_deg),
        pairs=len(stars),
        radius_arcsec=BAND_MATCH_ARCSEC,
    )


@dataclass(frozen=True, slots=True)
class Counterparts:
    """Which row of Gaia each star is, (n,), -1 for none, and how well the positions of both agree."""

    rows: IntArray
    agreement: Agreement

    @property
    def known(self) -> Mask:
        """Which stars Gaia has, (n,)."""
        return self.rows >= 0


def counterparts(stars: ColouredStars, gaia: Table) -> Counterparts:
    """Find stars among those of Gaia: nearest neighbours within 0.5", one to one.

    If many more are found when all positions are moved by the same amount, the image's are off by that much, and those
    are the counterparts.

    Args:
        stars: of the images, brightest first.
        gaia: as from `datalab.astro.sky.gaia.read_stars`, brightest first, ra and dec moved to the time of the images.
    """
    rows = _matched(stars.ra_deg, stars.dec_deg, gaia)
    found = agreement(
        (stars.ra_deg, stars.dec_deg),
        (gaia["ra"].data, gaia["dec"].data),
        pairs=int(np.count_nonzero(rows >= 0)),
        radius_arcsec=GAIA_MATCH_ARCSEC,
    )
    if found.shift is None:
        return Counterparts(rows, found)
    dec = stars.dec_deg + found.shift.north_arcsec / 3600.0
    ra = stars.ra_deg + found.shift.east_arcsec / 3600.0 / np.cos(np.radians(dec))
    moved = _matched(ra, dec, gaia)
    if np.count_nonzero(moved >= 0) <= found.pairs:
        return Counterparts(rows, found)
    return Counterparts(moved, found)


def _matched(ra_deg: FloatArray, dec_deg: FloatArray, gaia: Table) -> IntArray:
    matches = one_to_one(ra_deg, dec_deg, gaia["ra"], gaia["dec"], radius_arcsec=GAIA_MATCH_ARCSEC)
    rows = np.full(len(ra_deg), -1)
    rows[matches.first] = matches.second
    return rows


def colour_magnitude_table(
    stars: ColouredStars,
    gaia: Table,
    found: Counterparts,
    *,
    blue_band: str | None,
    red_band: str | None,
    most_gaia_only: int,
) -> Table:
    """Return one row per star: those of the images, then the brightest of Gaia that are not among them.

    Columns: `ra, dec` (degrees); `mag, magerr, color, color_err`, of stars that only Gaia has from its synthetic
    photometry; `pmra, pmra_err, pmdec, pmdec_err` (mas/yr), `parallax, parallax_err` (mas), `distance, distance_lo,
    distance_hi` (pc), `g_mag` and `probability` (of being a member), all NaN without a counterpart in Gaia;
    `gaia_match, gaia_only` (boolean).

    Args:
        stars: of the images.
        gaia: as from `datalab.astro.sky.gaia.read_stars`, brightest first, with a column `probability`.
        found: which of them the stars are.
        blue_band: letter of the Sloan band that the blue filter stands for, None if it stands for none.
        red_band: the same of the red filter.
        most_gaia_only: rows of stars that only Gaia has, at most.
    """
    unseen = np.setdiff1d(np.arange(len(gaia)), found.rows)[:most_gaia_only]
    return vstack([_image_rows(stars, gaia, found.rows), _gaia_rows(gaia[unseen], blue_band, red_band)])


def _image_rows(stars: ColouredStars, gaia: Table, counterpart: IntArray) -> Table:
    known = counterpart >= 0
    rows = Table(
        {
            "ra": stars.ra_deg,
            "dec": stars.dec_deg,
            "color": stars.color,
            "color_err": stars.color_err,
            "mag": stars.mag,
            "magerr": stars.magerr,
        }
    )
    for name, column in _FROM_GAIA.items():
        rows[name] = np.nan
        rows[name][known] = gaia[column].data[counterpart[known]]
    rows["gaia_match"] = known
    rows["gaia_only"] = False
    return rows


def _gaia_rows(gaia: Table, blue_band: str | None, red_band: str | None) -> Table:
    blue, blue_error = synthetic(gaia, blue_band)
    red, red_error = synthetic(gaia, red_band)
    rows = Table(
        {
            "ra": gaia["ra"].data,
            "dec": gaia["dec"].data,
            "color": blue - red,
            "color_err": np.hypot(blue_error, red_error),
            "mag": red,
            "magerr": red_error,
        }
    )
    for name, column in _FROM_GAIA.items():
        rows[name] = gaia[column].data
    rows["gaia_match"] = True
    rows["gaia_only"] = True
    return rows


def synthetic(gaia: Table, band: str | None) -> tuple[FloatArray, FloatArray]:
    """Return Gaia's synthetic magnitudes in a Sloan band, and their errors, (n,) each; NaN where there are none."""
    if band is None:
        return np.full(len(gaia), np.nan), np.full(len(gaia), np.nan)
    return gaia[f"sdss_{band}"].data, gaia[f"sdss_{band}_error"].data
