"""When an exposure was taken, as light curves need it: UTC, at the middle of the exposure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from datalab.astro.headers.description import FrameDescription
from datalab.astro.headers.observation_times import JD_OF_MJD_ZERO, LATEST_MJD, MJD_ZERO

__all__ = ["JD_OF_MJD_ZERO", "LATEST_MJD", "iso_utc", "julian_date", "midpoint", "modified_julian_date"]

_MJD_ZERO = MJD_ZERO.replace(tzinfo=UTC)
_ONE_DAY = timedelta(days=1)


def midpoint(description: FrameDescription) -> datetime | None:
    """Return the middle of the exposure, or None if its start is not known; an unknown exposure time counts as 0.

    For stacks it is the mean of the middles of all exposures, if the header says it (DATE-AVG).
    """
    if description.mid_time is not None:
        return description.mid_time
    if description.capture_time is None:
        return None
    try:
        return description.capture_time + timedelta(seconds=description.exposure_time_s or 0.0) / 2
    except OverflowError:  # an exposure that does not end within the years of the calendar
        return description.capture_time


def modified_julian_date(moment: datetime) -> float:
    """Return the MJD (UTC, days of 86400 s) of an aware time."""
    return (moment - _MJD_ZERO) / _ONE_DAY


def julian_date(moment: datetime) -> float:
    """Return the Julian date (UTC, days of 86400 s) of an aware time."""
    return modified_julian_date(moment) + JD_OF_MJD_ZERO


def iso_utc(moment: datetime) -> str:
    """Return an aware time as ISO text in UTC with milliseconds: `2026-03-15T01:02:03.456Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
