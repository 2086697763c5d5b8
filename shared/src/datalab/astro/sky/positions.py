"""Where on the sky pixels are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.coordinates import angular_separation
from astropy.wcs import WCS
from numpy.typing import ArrayLike

from datalab.astro.sky.tangent_fit import to_plane
from datalab.astro.types import FloatArray


class NotLinearError(ValueError):
    """The world coordinates are not right ascension and declination."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearWcs:
    """The linear part of world coordinates: CRVAL (RA, Dec; degrees), CRPIX (1-based) and the CD matrix by rows."""

    crval: tuple[float, float]
    crpix: tuple[float, float]
    cd1: tuple[float, float]
    cd2: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SkyLine:
    """Two places on the sky, ICRS (RA, Dec) in degrees; `position_angle_deg` from north to east, 0 to 360."""

    start: tuple[float, float]
    end: tuple[float, float]
    length_arcsec: float
    position_angle_deg: float


def sky_positions(wcs: WCS, x: ArrayLike, y: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return right ascension (0 to 360) and declination, ICRS degrees; NaN for what is not on the sky.

    Args:
        wcs: celestial, two axes.
        x: columns, whole numbers at pixel centres from 0 on; any shape.
        y: rows, likewise.
    """
    if not np.size(x):  # astropy cannot take none to the sky
        return np.empty(np.shape(x)), np.empty(np.shape(x))
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if _is_icrs(wcs):
        # What `pixel_to_world` does for any frame takes 5 ms, whatever the frame.
        ra, dec = wcs.pixel_to_world_values(x, y)
        return np.asarray(np.asarray(ra, np.float64) % 360.0), np.asarray(dec, np.float64)
    place = wcs.pixel_to_world(x, y).icrs
    return np.asarray(place.ra.deg % 360.0), np.asarray(place.dec.deg)


def _is_icrs(wcs: WCS) -> bool:
    """Tell whether world coordinates are ICRS, right ascension first: as RADESYS says, or nothing (FITS 4.0, 8.3)."""
    given = wcs.wcs
    frame = given.radesys.strip().upper()
    is_icrs = frame == "ICRS" or (not frame and np.isnan(given.equinox))
    return is_icrs and given.lngtyp == "RA" and (given.lng, given.lat) == (0, 1) and wcs.naxis == 2


def sky_line(wcs: WCS, start: tuple[float, float], end: tuple[float, float]) -> SkyLine | None:
    """Return the great circle between two pixels, (x, y) each, or None if one of them is not on the sky."""
    right_ascensions, declinations = sky_positions(wcs, *zip(start, end, strict=True))
    if not (np.isfinite(right_ascensions).all() and np.isfinite(declinations).all()):
        return None
    (ra, other_ra), (dec, other_dec) = np.radians(right_ascensions), np.radians(declinations)
    eastward = np.sin(other_ra - ra) * np.cos(other_dec)
    northward = np.cos(dec) * np.sin(other_dec) - np.sin(dec) * np.cos(other_dec) * np.cos(other_ra - ra)
    return SkyLine(
        start=(float(right_ascensions[0]), float(declinations[0])),
        end=(float(right_ascensions[1]), float(declinations[1])),
        length_arcsec=float(np.degrees(angular_separation(ra, dec, other_ra, other_dec)) * 3600.0),
        position_angle_deg=float(np.degrees(np.arctan2(eastward, northward)) % 360.0),
    )


def linear_wcs(wcs: WCS) -> LinearWcs:
    """Return the linear part, ICRS, whether the header has CD, PC with CDELT, or CROTA with CDELT.

    Raises:
        NotLinearError: the axes are not equatorial.
    """
    if wcs.wcs.lngtyp != "RA":
        raise NotLinearError(f"the world coordinates are {wcs.wcs.lngtyp} and {wcs.wcs.lattyp}")
    if not _is_of_2000(wcs):
        return _linear_around(wcs)
    order = [wcs.wcs.lng, wcs.wcs.lat]
    cd1, cd2 = wcs.pixel_scale_matrix[order].tolist()
    return LinearWcs(
        crval=tuple(wcs.wcs.crval[order].tolist()), crpix=tuple(wcs.wcs.crpix.tolist()), cd1=tuple(cd1), cd2=tuple(cd2)
    )


def _is_of_2000(wcs: WCS) -> bool:
    """Tell whether coordinates are ICRS or agree with it to 0.02 arcsec, as those of FK5 at 2000 do."""
    frame, equinox = wcs.wcs.radesys.strip(), wcs.wcs.equinox
    return frame == "ICRS" or (frame in {"", "FK5"} and (not np.isfinite(equinox) or equinox == 2000.0))


def _linear_around(wcs: WCS) -> LinearWcs:
    """Return the linear part in the ICRS, around the reference pixel: it is turned there against that of the frame."""
    x, y = wcs.wcs.crpix - 1.0
    centre = tuple(float(angle) for angle in sky_positions(wcs, x, y))
    offsets = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    around = sky_positions(wcs, x + offsets[:, 0], y + offsets[:, 1])
    east, north = to_plane(*around, (centre[0], centre[1]))
    cd1, cd2 = (((part[0] - part[1]) / 2, (part[2] - part[3]) / 2) for part in (east, north))
    return LinearWcs(
        crval=(centre[0], centre[1]),
        crpix=tuple(wcs.wcs.crpix.tolist()),
        cd1=(float(cd1[0]), float(cd1[1])),
        cd2=(float(cd2[0]), float(cd2[1])),
    )
