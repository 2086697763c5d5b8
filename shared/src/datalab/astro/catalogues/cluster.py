"""Star clusters: a guess which stars of a field belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datalab.astro.robust import mad_sigma
from datalab.astro.types import FloatArray, Mask

#: Membership guess, all proper motions in mas/yr. A cell is a few times the spread of a cluster, motions and errors
#: together; the map spans nearly all stars of the field, but not the few that race through it.
_CELL = 1.0
_LEAST_HALF_WIDTH, _MOST_HALF_WIDTH = 25.0, 150.0
_SPANNED_PERCENT = (1.0, 99.0)
_NEAR_PEAK_CELLS = 2
_LEAST_MOVING_STARS = 10
_LEAST_PEAK_STARS = 5
_LEAST_WINDOW_STARS = 3
_WINDOW_SIGMAS = 3.0
_LEAST_RADIUS, _MOST_RADIUS = 0.5, 5.0
_LEAST_PARALLAX_SPREAD_MAS = 0.05


@dataclass(frozen=True, slots=True)
class Membership:
    """Where the stars of a cluster are among those of its field: mas/yr, mas, pc. None = nothing can be said."""

    pmra: float
    pmdec: float
    pm_radius: float
    parallax_min: float | None
    parallax_max: float | None
    distance_min: float | None
    distance_max: float | None

    def contains(self, *, pmra: FloatArray, pmdec: FloatArray, parallax: FloatArray, distance: FloatArray) -> Mask:
        """Tell which stars are members, shape (n,). What is not known of a star does not speak against it but motion.

        Args:
            pmra: proper motion along the parallel, mas/yr, shape (n,), NaN where unknown.
            pmdec: the same along the meridian.
            parallax: mas, likewise.
            distance: pc, likewise.
        """
        moving_along = np.hypot(pmra - self.pmra, pmdec - self.pmdec) <= self.pm_radius
        return (
            moving_along
            & _not_outside(parallax, self.parallax_min, self.parallax_max)
            & _not_outside(distance, self.distance_min, self.distance_max)
        )


def guess_membership(
    *,
    pmra: FloatArray,
    pmdec: FloatArray,
    parallax: FloatArray,
    distance: FloatArray,
    distance_lo: FloatArray,
    distance_hi: FloatArray,
) -> Membership | None:
    """Guess which stars of a field are a cluster, from the densest place in the plane of their proper motions.

    None if fewer than 10 stars have a proper motion, or fewer than 5 are around the densest cell.

    Args:
        pmra: proper motion along the parallel, mas/yr, shape (n,), NaN where unknown; so are all others.
        pmdec: the same along the meridian.
        parallax: mas.
        distance: pc.
        distance_lo: pc, the 16 % quantile.
        distance_hi: pc, the 84 % quantile.
    """
    moving = np.isfinite(pmra) & np.isfinite(pmdec)
    if np.count_nonzero(moving) < _LEAST_MOVING_STARS:
        return None
    peak_ra, peak_dec = _densest_cell(pmra[moving], pmdec[moving])
    reach = (_NEAR_PEAK_CELLS + 0.5) * _CELL
    near = moving & (np.abs(pmra - peak_ra) <= reach) & (np.abs(pmdec - peak_dec) <= reach)
    if np.count_nonzero(near) < _LEAST_PEAK_STARS:
        return None
    centre_ra, centre_dec = float(np.median(pmra[near])), float(np.median(pmdec[near]))
    offsets = np.hypot(pmra[near] - centre_ra, pmdec[near] - centre_dec)
    radius = _WINDOW_SIGMAS * max(mad_sigma(offsets), float(np.median(offsets)))
    parallax_window = _window(parallax[near], least_spread=_LEAST_PARALLAX_SPREAD_MAS)
    distance_window = _window(distance[near], least_spread=_median_error(distance_lo[near], distance_hi[near]))
    nearest, farthest = distance_window
    return Membership(
        pmra=centre_ra,
        pmdec=centre_dec,
        pm_radius=float(np.clip(radius, _LEAST_RADIUS, _MOST_RADIUS)),
        parallax_min=parallax_window[0],
        parallax_max=parallax_window[1],
        distance_min=None if nearest is None else max(nearest, 0.0),
        distance_max=farthest,
    )


def _densest_cell(pmra: FloatArray, pmdec: FloatArray) -> tuple[float, float]:
    """Return the centre of the fullest cell of a map of proper motions."""
    half_widths = []
    for motion in (pmra, pmdec):
        low, high = np.percentile(motion, _SPANNED_PERCENT)
        half_widths.append(max(np.median(motion) - low, high - np.median(motion)))
    cells = int(np.ceil(2.0 * np.clip(max(half_widths), _LEAST_HALF_WIDTH, _MOST_HALF_WIDTH) / _CELL))
    steps = (np.arange(cells + 1) - cells / 2.0) * _CELL
    counts, ra_edges, dec_edges = np.histogram2d(pmra, pmdec, bins=(np.median(pmra) + steps, np.median(pmdec) + steps))
    row, column = np.unravel_index(np.argmax(counts), counts.shape)
    return float(ra_edges[row] + _CELL / 2.0), float(dec_edges[column] + _CELL / 2.0)


def _window(values: FloatArray, *, least_spread: float) -> tuple[float, float] | tuple[None, None]:
    known = values[np.isfinite(values)]
    if known.size < _LEAST_WINDOW_STARS:
        return None, None
    reach = _WINDOW_SIGMAS * max(mad_sigma(known), least_spread)
    middle = float(np.median(known))
    return middle - reach, middle + reach


def _median_error(low: FloatArray, high: FloatArray) -> float:
    half_widths = (high - low) / 2.0
    known = half_widths[np.isfinite(half_widths)]
    return float(np.median(known)) if known.size else 0.0


def _not_outside(values: FloatArray, lowest: float | None, highest: float | None) -> Mask:
    if lowest is None or highest is None:
        return np.ones(values.shape, dtype=bool)
    return ~((values < lowest) | (values > highest))
