"""What the shapes of stars have in common: the telescope, the tracking; and what crosses a frame as a line."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datalab.astro.robust import SIGMA_PER_MAD
from datalab.astro.types import FloatArray, Mask

#: Stars whose shape is further than this from the common one, in its scatter and at the least, are blends or galaxies.
_TYPICAL_SIGMA, _TYPICAL_LEAST = 3.0, 0.1
#: Stars longer by half than they are wide, all in one direction, are trailed.
_TRAILED_ELLIPTICITY = 1.0 / 3.0
#: A line is this much longer than a star is wide, and this much longer than it is wide itself.
_STREAK_LENGTH_FWHM, _STREAK_ELONGATION = 12.0, 8.0
#: Standard deviation of a line of light, in its length.
_SIGMA_PER_LENGTH = 1.0 / math.sqrt(12.0)


@dataclass(frozen=True, slots=True)
class CommonShape:
    """`ellipticity` 1 - b/a, `position_angle_deg` from x towards y in [0, 180); which objects (n,) have the shape."""

    ellipticity: float
    position_angle_deg: float
    typical: Mask

    @property
    def is_trailed(self) -> bool:
        return self.ellipticity > _TRAILED_ELLIPTICITY


def common_shape(objects: NDArray[np.void]) -> CommonShape:
    """Return the shape that stars have in common, from their second moments.

    Noise makes every star a little longer in some direction; these directions differ, so the mean of the ellipses is
    taken, not of their lengths.

    Args:
        objects: of sep, at least one.
    """
    xx, yy, xy = (objects[name].astype(np.float64) for name in ("x2", "y2", "xy"))
    total = xx + yy
    along, across = (xx - yy) / total, 2.0 * xy / total
    typical = np.ones(len(objects), dtype=bool)
    for _ in range(3):
        middle_along, middle_across = float(np.median(along[typical])), float(np.median(across[typical]))
        distance = np.hypot(along - middle_along, across - middle_across)
        spread = SIGMA_PER_MAD * float(np.median(distance[typical]))
        typical = distance <= max(_TYPICAL_SIGMA * spread, _TYPICAL_LEAST)
    polarization = min(math.hypot(middle_along, middle_across), 1.0)
    axis_ratio = math.sqrt((1.0 - polarization) / (1.0 + polarization))
    angle = 0.5 * math.degrees(math.atan2(middle_across, middle_along)) % 180.0
    return CommonShape(1.0 - axis_ratio, angle, typical)


def count_streaks(objects: NDArray[np.void], *, fwhm_px: float) -> int:
    """Return how many objects are lines: satellites, aeroplanes, or meteors.

    Args:
        objects: of sep.
        fwhm_px: the width of the stars.
    """
    lengths: FloatArray = objects["a"] / _SIGMA_PER_LENGTH
    is_line = (lengths > _STREAK_LENGTH_FWHM * fwhm_px) & (objects["a"] > _STREAK_ELONGATION * objects["b"])
    return int(np.count_nonzero(is_line))
