"""Apparent places of the Sun and the Moon over a place on Earth.

Positions: VSOP2000 for the Earth (ERFA `epv00`: 0.01 arcsec for the Sun), ELP 2000-82 as Meeus abridged it for the Moon
(ERFA `moon98`: 3 arcsec rms, 18 arcsec at most between 1950 and 2100). Aberration and light time together are the
body's place, relative to the Earth, a light time ago (Explanatory Supplement 7.2.3, planetary aberration). Precession
and nutation: IAU 2000B. Neither refraction nor polar motion (0.3 arcsec).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

import erfa
import numpy as np

from datalab.astro.ephemeris.time_scales import DAY_S, tt_from_tai, ut1_from_tai
from datalab.astro.types import FloatArray

#: WGS 84, in ERFA's numbering.
_ELLIPSOID: Final = 1
_LIGHT_AU_PER_DAY: Final = erfa.CMPS * DAY_S / erfa.DAU


class Body(Enum):
    SUN = auto()
    MOON = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place on Earth: geodetic latitude, longitude to the east, height above the ellipsoid."""

    latitude_deg: float
    longitude_deg: float
    height_m: float = 0.0


def altitude_deg(body: Body, place: Place, tai: FloatArray) -> FloatArray:
    """Return the altitude of the centre of a body at TAI Julian dates, shape (n,), without refraction."""
    seen = _seen(body, place, tai)
    latitude, longitude = np.radians([place.latitude_deg, place.longitude_deg])
    up = [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    return np.asarray(np.degrees(np.arcsin(seen @ up / np.linalg.norm(seen, axis=-1))))


def hour_angle(body: Body, place: Place, tai: FloatArray) -> FloatArray:
    """Return the hour angle of a body at TAI Julian dates, shape (n,), in radians from -pi to pi, to the west."""
    seen = _seen(body, place, tai)
    turned = np.radians(place.longitude_deg) - np.arctan2(seen[:, 1], seen[:, 0])
    return np.asarray(np.remainder(turned + np.pi, 2 * np.pi) - np.pi)


def illuminated_fraction(tai: FloatArray) -> FloatArray:
    """Return which part of the Moon's disc is lit, 0 to 1, at TAI Julian dates.

    The angle between Sun and Earth as the Moon sees them is taken as 180 degrees less the elongation from the centre of
    the Earth, as Photon Ranch does: the true part is larger by up to 0.0013.
    """
    tt = tt_from_tai(tai)
    moon, earth = erfa.moon98(tt, 0.0)["p"], erfa.epv00(tt, 0.0)[0]["p"]
    cosine = -np.sum(moon * earth, axis=-1) / (np.linalg.norm(moon, axis=-1) * np.linalg.norm(earth, axis=-1))
    return np.asarray((1 - cosine) / 2)


def _seen(body: Body, place: Place, tai: FloatArray) -> FloatArray:
    """Return the way from a place to a body, Earth-fixed axes, in au, shape (n, 3)."""
    tt = tt_from_tai(tai)
    x, y, z = np.einsum("nij,nj->in", erfa.pnm00b(tt, 0.0), _geocentric(body, tt))
    turned = erfa.gst00b(ut1_from_tai(tai), 0.0)
    fixed = np.stack([np.cos(turned) * x + np.sin(turned) * y, np.cos(turned) * y - np.sin(turned) * x, z], axis=-1)
    longitude, latitude = np.radians([place.longitude_deg, place.latitude_deg])
    return np.asarray(fixed - erfa.gd2gc(_ELLIPSOID, longitude, latitude, place.height_m) / erfa.DAU)


def _geocentric(body: Body, tt: FloatArray) -> FloatArray:
    """Return the apparent place of a body from the centre of the Earth, GCRS axes, in au, shape (n, 3)."""
    if body is Body.SUN:
        earth = erfa.epv00(tt, 0.0)[0]
        position, velocity = -earth["p"], -earth["v"]
    else:
        moon = erfa.moon98(tt, 0.0)
        position, velocity = moon["p"], moon["v"]
    light_time = np.linalg.norm(position, axis=-1, keepdims=True) / _LIGHT_AU_PER_DAY
    return np.asarray(position - velocity * light_time)
