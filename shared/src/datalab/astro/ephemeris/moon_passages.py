"""The Moon's ways across the sky of a place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from datalab.astro.ephemeris.bodies import Body, Place, altitude_deg, hour_angle, illuminated_fraction
from datalab.astro.ephemeris.crossings import course
from datalab.astro.types import FloatArray

#: Altitude of the Moon's centre when it rises and sets: the refraction at the horizon, no radius of the disc.
MOON_HORIZON_DEG: Final = -34 / 60
#: From one passage of the meridian to the next, on average.
_LUNAR_DAY_DAYS: Final = 1.03505
#: The Moon's hour angle grows unevenly, by a tenth at most; each round leaves so much of the error.
_ROUNDS: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class MoonPassage:
    """From a rise to the set that follows, TAI Julian dates. `illumination` is the lit part of the disc at transit."""

    rise: float
    transit: float
    set: float
    illumination: float


def moon_passages(place: Place, start: float, stop: float) -> list[MoonPassage]:
    """Return the passages that begin and end between two TAI Julian dates, in order.

    `transit` is the first passage of the meridian after the rise; above a high latitude there may be several.
    """
    (crossings,) = course(partial(altitude_deg, Body.MOON, place), start, stop, [MOON_HORIZON_DEG]).crossings
    sets = crossings.sets[crossings.sets > crossings.rises[0]] if crossings.rises.size else np.empty(0)
    rises = crossings.rises[: sets.size]
    if not rises.size:
        return []
    transits = _transits(place, rises)
    return [
        MoonPassage(rise=rise, transit=transit, set=setting, illumination=illumination)
        for rise, transit, setting, illumination in zip(
            rises.tolist(), transits.tolist(), sets.tolist(), illuminated_fraction(transits).tolist(), strict=True
        )
    ]


def _transits(place: Place, after: FloatArray) -> FloatArray:
    """Return when the Moon next passes the meridian after instants, to 1 ms."""
    days_per_radian = _LUNAR_DAY_DAYS / (2 * np.pi)
    transits = after + np.remainder(-hour_angle(Body.MOON, place, after), 2 * np.pi) * days_per_radian
    for _ in range(_ROUNDS):
        transits = transits - hour_angle(Body.MOON, place, transits) * days_per_radian
    return np.asarray(transits)
