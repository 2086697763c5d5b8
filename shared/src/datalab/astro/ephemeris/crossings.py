"""When something that goes up and down passes a height: a coarse look first, then each passage exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import elementwise

from datalab.astro.types import FloatArray

#: Half an hour: the Sun and the Moon turn by 7.5 degrees at most.
_STEP_DAYS: Final = 1 / 48
#: Between two looks half an hour apart, the altitude of either is higher than at both by less than this.
_UNSEEN_DEG: Final = 0.5
#: 1 ms.
_TOLERANCE_DAYS: Final = 1e-3 / 86400

#: Returns the altitude in degrees at instants, shape (n,).
Altitude = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossings:
    """When a horizon is passed upwards and downwards, each in order of time."""

    rises: FloatArray
    sets: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The course of a body: its crossings of each horizon, and the altitudes in between, in degrees."""

    crossings: Sequence[Crossings]
    lowest_deg: float
    highest_deg: float


def course(altitude: Altitude, start: float, stop: float, horizons_deg: Sequence[float]) -> Course:
    """Return when a body passes horizons between two instants, to 1 ms. It is up where it is higher than a horizon.

    Args:
        altitude: of the body, in degrees.
        start: Julian date, as `stop`.
        stop: later than `start`.
        horizons_deg: altitudes to look for.
    """
    times, step = np.linspace(start, stop, 1 + max(1, math.ceil((stop - start) / _STEP_DAYS)), retstep=True)
    # One look beyond each end: else nothing would tell that there is a turning point between the first two.
    looks = np.concatenate([[start - step], times, [stop + step]])
    looks, altitudes = _with_turning_points(altitude, looks, altitude(looks), horizons_deg)
    inside = (looks >= start) & (looks <= stop)
    times, altitudes = looks[inside], altitudes[inside]
    horizons = np.asarray(horizons_deg, np.float64)[:, np.newaxis]
    is_up = altitudes > horizons
    row, before = np.nonzero(is_up[:, 1:] != is_up[:, :-1])
    found = np.empty(0)
    if row.size:
        found = elementwise.find_root(
            lambda moments, horizon: altitude(moments) - horizon,
            (times[before], times[before + 1]),
            args=(horizons[row, 0],),
            tolerances={"xatol": _TOLERANCE_DAYS, "xrtol": 0.0, "fatol": 0.0, "frtol": 0.0},
        ).x
    is_rise = is_up[row, before + 1]
    crossings = [
        Crossings(rises=found[(row == number) & is_rise], sets=found[(row == number) & ~is_rise])
        for number in range(len(horizons_deg))
    ]
    return Course(crossings=crossings, lowest_deg=float(altitudes.min()), highest_deg=float(altitudes.max()))


def _with_turning_points(
    altitude: Altitude, times: FloatArray, altitudes: FloatArray, horizons_deg: Sequence[float]
) -> tuple[FloatArray, FloatArray]:
    """Return times and altitudes with those turning points near a horizon that may lie beyond it between two looks."""
    middle, left, right = altitudes[1:-1], altitudes[:-2], altitudes[2:]
    distances = np.abs(middle[:, np.newaxis] - np.asarray(horizons_deg)).min(axis=1)
    sign = np.where((middle > left) & (middle >= right), 1, np.where((middle < left) & (middle <= right), -1, 0))
    (turns,) = np.nonzero((sign != 0) & (distances < _UNSEEN_DEG))
    if not turns.size:
        return times, altitudes
    found = elementwise.find_minimum(
        lambda moments, direction: -direction * altitude(moments),
        (times[turns], times[turns + 1], times[turns + 2]),
        args=(sign[turns],),
        tolerances={"xatol": _TOLERANCE_DAYS, "xrtol": 0.0, "fatol": 0.0, "frtol": 0.0},
    )
    more = np.concatenate([times, found.x])
    order = np.argsort(more, kind="stable")
    return more[order], np.concatenate([altitudes, -sign[turns] * found.f_x])[order]
