"""When light passes the centre of mass of the solar system: the time that periods of stars are measured in."""

from __future__ import annotations

import erfa
import numpy as np
from numpy.typing import ArrayLike

from datalab.astro.ephemeris.time_scales import DAY_S, UNIX_EPOCH_JD, tai_from_unix, tt_from_tai
from datalab.astro.types import FloatArray

_LIGHT_AU_PER_DAY = erfa.CMPS * DAY_S / erfa.DAU


def barycentric_jd(julian_date: ArrayLike, ra_deg: ArrayLike, dec_deg: ArrayLike) -> FloatArray:
    """Return Julian dates in Barycentric Dynamical Time (BJD_TDB) of light from a direction, any shape.

    As seen from the centre of the Earth, which nobody observes from: right to the 0.022 s that light takes from there
    to the ground. The source is taken as infinitely far away, so this is not for bodies of the solar system.

    Args:
        julian_date: UTC, days of 86400 s.
        ra_deg: ICRS.
        dec_deg: ICRS.

    References:
        Eastman, Siverd & Gaudi 2010, PASP 122, 935. Fairhead & Bretagnon 1990 (ERFA `dtdb`) for TDB - TT.
    """
    unix_s = (np.asarray(julian_date, np.float64) - UNIX_EPOCH_JD) * DAY_S
    tt = tt_from_tai(tai_from_unix(unix_s))
    tdb = tt + erfa.dtdb(tt, 0.0, 0.0, 0.0, 0.0, 0.0) / DAY_S
    earth_au = erfa.epv00(tdb, 0.0)[1]["p"]
    towards = erfa.s2c(np.radians(ra_deg), np.radians(dec_deg))
    return np.asarray(tdb + np.sum(earth_au * towards, axis=-1) / _LIGHT_AU_PER_DAY)
