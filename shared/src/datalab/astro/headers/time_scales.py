"""From the time scales that headers name to UTC.

References:
    FITS Standard 4.0, section 9.2.1 and table 30. IAU 1991, Recommendations III and IV (TT, TCG, TCB); IAU 2000,
    Resolution B1.9, and IAU 2006, Resolution B3 (rates of TCG and TCB). GPS: ICD-GPS-200, TAI - GPS = 19 s.
"""

from __future__ import annotations

import math
import re
import warnings
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

Scale = Literal["UTC", "TAI", "TT", "TDB", "TCG", "TCB", "GPS"]

_TT_TAI_S: Final = 32.184
_TAI_GPS_S: Final = 19.0
_L_G: Final = 6.969290134e-10
_L_B: Final = 1.550519768e-8
_TDB_0_S: Final = -6.55e-5
#: When TT, TCG and TCB agreed, as MJD: 1977-01-01T00:00:32.184.
_COMMON_MJD: Final = 43144.0003725
_MJD_ZERO: Final = datetime(1858, 11, 17)  # noqa: DTZ001 - of whatever scale
_DAY_S: Final = 86_400.0
_LONGEST_NAME: Final = 60
#: UT1, and UT before it was told apart, are UTC to a second, as are names of the civil time of Greenwich.
_NAMES: Final[dict[str, Scale]] = {
    **dict.fromkeys(("UTC", "UT", "UT0", "UT1", "UT2", "GMT", "ZULU", "Z"), "UTC"),
    **dict.fromkeys(("TAI", "IAT"), "TAI"),
    **dict.fromkeys(("TT", "TDT", "ET"), "TT"),
    "TDB": "TDB",
    "TCG": "TCG",
    "TCB": "TCB",
    "GPS": "GPS",
}


def scale_named(name: str) -> Scale | None:
    """Return the scale a header means by a name such as `TAI`, `tt(bipm)` or `UTC(NIST)`; None if there is none."""
    return _NAMES.get(re.sub(r"\(.*\)", "", name[:_LONGEST_NAME]).strip().upper())


def utc_of(moment: datetime, scale: Scale) -> datetime:
    """Return an aware time in UTC, rounded to the microsecond, of a naive one in a scale.

    Barycentric scales are taken as read on the Earth: their relation to TT depends on the place by 2 microseconds.
    """
    if scale == "UTC":
        return moment.replace(tzinfo=UTC)
    return _utc_of_tai(moment + timedelta(seconds=_tai_minus(moment, scale)))


def _tai_minus(moment: datetime, scale: Scale) -> float:
    """Return TAI less the time of a scale, seconds."""
    mjd = (moment - _MJD_ZERO) / timedelta(days=1)
    since_s = (mjd - _COMMON_MJD) * _DAY_S
    match scale:
        case "GPS":
            return _TAI_GPS_S
        case "TT":
            return -_TT_TAI_S
        case "TCG":
            return -_L_G * since_s - _TT_TAI_S
        case "TDB":
            return -_tdb_minus_tt_s(mjd) - _TT_TAI_S
        case "TCB":
            return -_L_B * since_s + _TDB_0_S - _tdb_minus_tt_s(mjd) - _TT_TAI_S
        case _:
            return 0.0


def _tdb_minus_tt_s(mjd: float) -> float:
    """Return TDB - TT to 10 microseconds (USNO Circular 179, equation 2.6, first terms)."""
    centuries = (mjd - 51_544.5) / 36_525.0
    return (
        0.001657 * math.sin(628.3076 * centuries + 6.2401)
        + 0.000022 * math.sin(575.3385 * centuries + 4.2970)
        + 0.000014 * math.sin(1256.6152 * centuries + 6.1969)
    )


def _utc_of_tai(tai: datetime) -> datetime:
    import erfa  # noqa: PLC0415 - few headers are in another scale than UTC

    days = (tai - _MJD_ZERO).days
    of_day = (tai - _MJD_ZERO - timedelta(days=days)) / timedelta(days=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that leap seconds of years to come are not known
        whole, part = erfa.taiutc(2_400_000.5 + days, of_day)
    utc = _MJD_ZERO + timedelta(days=float(whole) - 2_400_000.5) + timedelta(days=float(part))
    return utc.replace(tzinfo=UTC)
