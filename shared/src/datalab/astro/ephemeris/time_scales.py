"""Time scales, by the tables that come with astropy: nothing is downloaded, whatever the date.

Instants are Julian dates in International Atomic Time (TAI), which a float holds to 0.04 ms, or seconds of Unix time.
astropy's own `Time` may look for newer tables on the network, and fails for dates its tables do not reach.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from astropy.utils.iers import IERS_B_FILE, IERS_LEAP_SECOND_FILE
from numpy.typing import ArrayLike

from datalab.astro.types import FloatArray

DAY_S: Final = 86400.0
#: The Julian date of Unix time 0, and of modified Julian date 0.
UNIX_EPOCH_JD: Final = 2440587.5
_MJD_EPOCH_JD: Final = 2400000.5
#: TT - TAI (IAU 1991, Recommendation IV).
_TT_TAI_S: Final = 32.184


def tai_from_unix(unix_s: ArrayLike) -> FloatArray:
    """Return TAI Julian dates of Unix times, any shape. Before 1972, UTC is taken as it began then: TAI - 10 s."""
    seconds = np.asarray(unix_s, np.float64)
    since, tai_utc_s = _leap_seconds()
    utc = UNIX_EPOCH_JD + seconds / DAY_S
    return np.asarray(utc + _latest(tai_utc_s, since, utc) / DAY_S)


def unix_from_tai(tai: ArrayLike) -> FloatArray:
    """Return Unix times in seconds of TAI Julian dates, any shape."""
    instants = np.asarray(tai, np.float64)
    since, tai_utc_s = _leap_seconds()
    difference_s = _latest(tai_utc_s, since + tai_utc_s / DAY_S, instants)
    return np.asarray((instants - UNIX_EPOCH_JD) * DAY_S - difference_s)


def tt_from_tai(tai: FloatArray) -> FloatArray:
    """Return Julian dates in Terrestrial Time; barycentric dynamical time differs from it by 2 ms at most."""
    return tai + _TT_TAI_S / DAY_S


def ut1_from_tai(tai: FloatArray) -> FloatArray:
    """Return Julian dates in UT1, which says how far the Earth has turned.

    Measured (IERS 20 C04) from 1962 until a month before astropy's tables were packed; before and after that, the
    nearest value is taken: see `accuracy_s`.
    """
    when, ut1_tai_s = _earth_rotation()
    return np.asarray(tai + np.interp(tai, when, ut1_tai_s) / DAY_S)


def accuracy_s(tai: float) -> float:
    """Return how far the time of a rise or set may be off, in seconds.

    2 s where the turning of the Earth has been measured, more in the years after the last measurement: UT1 lost 0.6 s
    a year against TAI on average since 1972, and less in every year since 2000.
    """
    unmeasured_years = max(tai - float(_earth_rotation()[0][-1]), 0.0) / 365.25
    return 2.0 + round(0.6 * unmeasured_years, 1)


def _latest(values: FloatArray, since: FloatArray, moments: FloatArray) -> FloatArray:
    """Return the value that holds at each moment, the first one before all."""
    return np.asarray(values[np.maximum(np.searchsorted(since, moments, side="right") - 1, 0)])


@cache
def _leap_seconds() -> tuple[FloatArray, FloatArray]:
    """Return since when, UTC Julian dates, TAI - UTC was how many seconds."""
    since, tai_utc_s = np.loadtxt(IERS_LEAP_SECOND_FILE, usecols=(0, 4), unpack=True)
    return since + _MJD_EPOCH_JD, tai_utc_s


@cache
def _earth_rotation() -> tuple[FloatArray, FloatArray]:
    """Return TAI Julian dates, a day apart, and UT1 - TAI then in seconds, which has no steps."""
    mjd, ut1_utc_s = np.loadtxt(IERS_B_FILE, usecols=(4, 7), unpack=True)
    tai = tai_from_unix((mjd + _MJD_EPOCH_JD - UNIX_EPOCH_JD) * DAY_S)
    # Before 1972 UTC had steps of other sizes: nothing here is about those years.
    kept = mjd >= _leap_seconds()[0][0] - _MJD_EPOCH_JD
    tai_utc_s = np.round((tai - mjd - _MJD_EPOCH_JD) * DAY_S)
    return tai[kept], (ut1_utc_s - tai_utc_s)[kept]
