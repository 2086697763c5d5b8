"""Light of catalogued neighbours in the aperture of a target."""

from __future__ import annotations

import math

import numpy as np

from datalab.astro.photometry.aperture import overlap_fractions
from datalab.astro.photometry.neighbourhoods import NO_TRAIL, Trail
from datalab.astro.photometry.star_profile import StarProfile
from datalab.astro.robust import median_of_known
from datalab.astro.types import FloatArray, Mask

#: A source this near to the target is the target: what a position and a catalogue may differ by.
SAME_SOURCE_ARCSEC = 2.0
#: Neighbours further away than this many radii of the aperture have no light in it.
_REACH = 3.0


def near_target(x: FloatArray, y: FloatArray, target_x: float, target_y: float, *, radius_px: float) -> Mask:
    """Tell which sources may have light in the aperture of the target, shape (sources,)."""
    near: Mask = np.hypot(x - target_x, y - target_y) <= _REACH * radius_px
    return near


def counts_per_unit_flux(net: FloatArray, mag: FloatArray) -> float:
    """Return how many counts a star of magnitude 0 has on a frame, by its stars; NaN if none is known.

    Args:
        net: counts of stars, shape (stars,); NaN where not measured.
        mag: what the catalogue says, likewise.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return median_of_known(np.where(net > 0.0, net, np.nan) * 10.0 ** (0.4 * mag))


def counts_in_aperture(
    x: FloatArray,
    y: FloatArray,
    counts: FloatArray,
    *,
    radius_px: float,
    profile: StarProfile,
    trail: Trail = NO_TRAIL,
) -> float:
    """Return the counts that neighbours have in the aperture of a target, by the profile of the frame's stars.

    Args:
        x: columns of the neighbours, from the target, shape (neighbours,).
        y: rows, likewise.
        counts: of all their light, likewise; those that are not known count as none.
        radius_px: of the target's aperture.
        profile: of the frame's stars.
        trail: of the target.
    """
    reach = math.ceil(radius_px + trail.half_length_px) + 1
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    inside = overlap_fractions(columns, rows, radius_px, trail)
    whole = float((overlap_fractions(columns, rows, radius_px) * profile.at(columns, rows)).sum())
    if not whole > 0.0:
        return 0.0
    total = 0.0
    for left, up, light in zip(x.tolist(), y.tolist(), counts.tolist(), strict=True):
        if math.isfinite(light) and math.isfinite(left) and math.isfinite(up):
            total += light * float((inside * profile.at(columns - left, rows - up)).sum()) / whole
    return total
