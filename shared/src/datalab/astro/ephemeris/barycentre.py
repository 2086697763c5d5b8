"""When light passes the centre of mass of the solar system: the time that periods of stars are measured in."""

from __future__ import annotations

import erfa
import numpy as np
from numpy.typing import ArrayLike

from datalab.astro.ephemeris.time_scales import DAY_S, UNIX_EPOCH_JD, tai_from_unix, tt_from_tai
from datalab.astro.types import FloatArray

#: For these days, of the years 1900 to 2100, ERFA's `epv00` tells where the Earth is.
_FIRST_JD, _LAST_JD = 2415021.0, 2488069.0
_ANY_JD = 2451545.0
_LIGHT_AU_PER_DAY = erfa.CMPS * DAY_S / erfa.DAU


def barycentric_jd(julian_date: ArrayLike, ra_deg: ArrayLike, dec_deg: ArrayLike) -> FloatArray:
    """Return Julian dates in Barycentric Dynamical Time (BJD_TDB) of light from a direction, any shape.

    As seen from the centre of the Earth, which nobody observes from: right to the 0.022 s that light takes from there
    to the ground. The source is taken as infinitely far away, so this is not for bodies of the solar system. NaN where
    the date or the direction is not known, and before 1900 or after 2100.

    Args:
        julian_date: UTC, days of 86400 s.
        ra_deg: ICRS.
        dec_deg: ICRS.

    References:
        Eastman, Siverd & Gaudi 2010, PASP 122, 935. Fairhead & Bretagnon 1990 (ERFA `dtdb`) for TDB - TT.
    """
    given = np.asarray(julian_date, np.float64)
    holds = (given >= _FIRST_JD) & (given <= _LAST_JD)
    unix_s = (np.where(holds, given, _ANY_JD) - UNIX_EPOCH_JD) * DAY_S
    tt = tt_from_tai(tai_from_unix(unix_s))
    tdb = tt + erfa.dtdb(tt, 0.0, 0.0, 0.0, 0.0, 0.0) / DAY_S
    earth_au = erfa.epv00(tdb, 0.0)[1]["p"]
    towards = erfa.s2c(np.radians(ra_deg), np.radians(dec_deg))
    barycentric = tdb + np.sum(earth_au * towards, axis=-1) / _LIGHT_AU_PER_DAY
    return np.asarray(np.where(holds, barycentric, np.nan))


def known_barycentric_jd(julian_date: float, ra_deg: float, dec_deg: float) -> float | None:
    """Return what `barycentric_jd` does of one date; None instead of NaN."""
    found = float(barycentric_jd(julian_date, ra_deg, dec_deg))
    return found if np.isfinite(found) else None
