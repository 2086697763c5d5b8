"""How much deeper than the plane through the observer's eye the visible horizon is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

#: IUGG mean radius.
_EARTH_RADIUS_M: Final = 6_371_008.8
#: What the formula of refraction is for: hPa, and degrees Celsius.
_STANDARD_PRESSURE_HPA: Final = 1010.0
_STANDARD_TEMPERATURE_C: Final = 10.0
_ABSOLUTE_ZERO_C: Final = -273.0  # as in the formula


@dataclass(frozen=True, slots=True, kw_only=True)
class Air:
    """The air at an observer, which bends light."""

    pressure_hpa: float
    temperature_c: float


def dip_deg(height_m: float) -> float:
    """Return how far the horizon of a sphere is below the level of somebody that high above it; 0 on the ground."""
    return math.degrees(math.acos(_EARTH_RADIUS_M / (_EARTH_RADIUS_M + max(height_m, 0.0))))


def refraction_deg(apparent_altitude_deg: float, air: Air) -> float:
    """Return by how much light that arrives at an altitude of -1 degree or more is lifted.

    G. G. Bennett, Journal of Navigation 35, 255 (1982), with the usual factor for the air (Meeus, chapter 16).
    """
    altitude = apparent_altitude_deg
    arcminutes = 1 / math.tan(math.radians(altitude + 7.31 / (altitude + 4.4)))
    pressure = air.pressure_hpa / _STANDARD_PRESSURE_HPA
    temperature = (_STANDARD_TEMPERATURE_C - _ABSOLUTE_ZERO_C) / (air.temperature_c - _ABSOLUTE_ZERO_C)
    return arcminutes / 60 * pressure * temperature
