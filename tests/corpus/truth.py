"""Right values, computed by astropy and ERFA from what the makers of files mean; our own readers have no part in it."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime

from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS

from corpus.model import START, Sky

#: The start of the ordinary exposure on astropy's clock, which knows all time scales.
START_TIME = Time(START.replace(tzinfo=None), scale="utc")


def utc(time: Time) -> datetime:
    """Return a time as Python has it."""
    return time.utc.to_datetime(timezone=UTC)


def moment(text: str) -> datetime:
    """Return a UTC time given in ISO 8601."""
    return utc(Time(text, scale="utc"))


def icrs(longitude_deg: float, latitude_deg: float, frame: object) -> tuple[float, float]:
    """Return a position given in some frame as ICRS degrees."""
    place = SkyCoord(longitude_deg, latitude_deg, unit=units.deg, frame=frame).icrs
    return float(place.ra.deg), float(place.dec.deg)


def hours(text: str) -> float:
    """Return a right ascension given as h:m:s in degrees."""
    return float(SkyCoord(text, "0d", unit=(units.hourangle, units.deg)).ra.deg)


def degrees(text: str) -> float:
    """Return a declination given as d:m:s in degrees."""
    return float(SkyCoord("0h", text, unit=(units.hourangle, units.deg)).dec.deg)


def sky_of(cards: dict[str, object]) -> Sky:
    """Return where astropy.wcs puts the pixels of an image with these cards, which are as the standard wants them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of dates astropy completes
        wcs = WCS(fits.Header(list(cards.items())))

    def sky(x: float, y: float) -> tuple[float, float]:
        place = wcs.pixel_to_world(x, y).icrs
        return float(place.ra.deg), float(place.dec.deg)

    return sky
