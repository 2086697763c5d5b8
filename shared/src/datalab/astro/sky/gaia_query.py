"""What is asked of the Gaia archive. Pure text: whoever only asks need not load numpy or astropy."""

from __future__ import annotations

import math

from datalab.astro.sky.region import SkyRegion

#: Sloan bands of the Gaia Synthetic Photometry Catalogue (Gaia Collaboration, Montegriffo et al. 2023, A&A 674, A33).
BANDS = ("g", "r", "i", "z")

_SOURCE_COLUMNS = (
    *("source_id", "ra", "dec", "ref_epoch", "pmra", "pmra_error", "pmdec", "pmdec_error"),
    *("parallax", "parallax_error", "ruwe", "phot_g_mean_mag"),
)
#: Geometric distances (Bailer-Jones et al. 2021, AJ 161, 147): the photogeometric ones assume where a star lies in a
#: colour-magnitude diagram, which is what ours is to show.
_DISTANCE_COLUMNS = ("r_med_geo", "r_lo_geo", "r_hi_geo")
_SYNTHETIC_COLUMNS = tuple(f"{band}_sdss_{what}" for band in BANDS for what in ("mag", "flux", "flux_error"))
#: The columns of the answer, by their names in the archive.
COLUMNS = (*_SOURCE_COLUMNS, *_DISTANCE_COLUMNS, *_SYNTHETIC_COLUMNS)

#: The widest circle: a telescope camera sees a degree or so, and a crowded field has a million stars per square degree.
MAX_RADIUS_DEG = 2.0
#: The brightest stars of a circle that are fetched: 13 MB, and 3 s to read.
MAX_STARS = 50_000

_CENTRE_DECIMALS, _RADIUS_DECIMALS = 4, 3
_SELECTED = ", ".join(
    f"{table}.{column}"
    for table, columns in {"g": _SOURCE_COLUMNS, "d": _DISTANCE_COLUMNS, "s": _SYNTHETIC_COLUMNS}.items()
    for column in columns
)


class RegionError(ValueError):
    """No stars can be asked for in such a circle; the text is for the user."""


def shared_region(region: SkyRegion) -> SkyRegion:
    """Return the circle to ask for in place of one it contains, so that nearly equal requests are one query.

    Its centre has 4 decimals of a degree, its radius 3.

    Raises:
        RegionError: not a circle on the sky, or one larger than `MAX_RADIUS_DEG`.
    """
    ra_deg, dec_deg, radius_deg = region.ra_deg, region.dec_deg, region.radius_deg
    if not all(map(math.isfinite, (ra_deg, dec_deg, radius_deg))) or abs(dec_deg) > 90:
        raise RegionError("Gaia stars can only be looked up around a right ascension and declination in degrees.")
    if not 0 < radius_deg <= MAX_RADIUS_DEG:
        raise RegionError(
            f"Gaia stars can be looked up within more than 0 and at most {MAX_RADIUS_DEG * 60:g} arcminutes, "
            f"not within {radius_deg * 60:g}."
        )
    lost_to_rounding = math.hypot(0.5, 0.5) * 10**-_CENTRE_DECIMALS
    thousandths = math.ceil((radius_deg + lost_to_rounding) * 10**_RADIUS_DECIMALS)
    return SkyRegion(
        ra_deg=round(ra_deg % 360, _CENTRE_DECIMALS) % 360,
        dec_deg=round(dec_deg, _CENTRE_DECIMALS) + 0.0,  # not -0.0, which has another name
        radius_deg=thousandths / 10**_RADIUS_DECIMALS,
    )


def region_name(region: SkyRegion) -> str:
    """Return the same text for the same `shared_region`, fit for a file name."""
    return f"{region.ra_deg:.4f}{region.dec_deg:+.4f}-{region.radius_deg:.3f}"


def adql(region: SkyRegion) -> str:
    """Return the query (ADQL 2.0) for the brightest `MAX_STARS` stars of a circle, with the columns `COLUMNS`."""
    centre = f"{region.ra_deg:.{_CENTRE_DECIMALS}f}, {region.dec_deg:.{_CENTRE_DECIMALS}f}"
    return (
        f"SELECT TOP {MAX_STARS} {_SELECTED} "  # noqa: S608 - names above and numbers, nothing a user wrote
        "FROM gaiadr3.gaia_source AS g "
        "LEFT JOIN external.gaiaedr3_distance AS d ON d.source_id = g.source_id "
        "LEFT JOIN gaiadr3.synthetic_photometry_gspc AS s ON s.source_id = g.source_id "
        "WHERE 1 = CONTAINS(POINT('ICRS', g.ra, g.dec), "
        f"CIRCLE('ICRS', {centre}, {region.radius_deg:.{_RADIUS_DECIMALS}f})) "
        "ORDER BY g.phot_g_mean_mag"
    )
