"""Whether two lists of stars show the same sky: how many are in both, how many should be, and how they are shifted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from datalab.astro.types import FloatArray, Mask

#: How far a list may be shifted to be found out (arcsec), how finely shifts are counted, and the stars this is done
#: with, the first of each list, which are the brightest.
_MOST_SHIFT_ARCSEC, _SHIFT_STEP_ARCSEC, _MOST_STARS = 60.0, 1.0, 400
#: A shift is believed if it brings so many stars together, this part of those there could be, and this many times as
#: many as without.
_LEAST_STARS, _LEAST_SHARE, _LEAST_GAIN = 5, 0.3, 2.0
#: Lists of fewer stars are not said to be unrelated.
_LEAST_EXPECTED = 8
_ARCSEC_PER_DEG = 3600.0


@dataclass(frozen=True, slots=True)
class Shift:
    """By how much the second list lies east and north of the first (arcsec), as so many stars show."""

    east_arcsec: float
    north_arcsec: float
    stars: int

    @property
    def arcsec(self) -> float:
        """How far that is."""
        return float(np.hypot(self.east_arcsec, self.north_arcsec))


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well two lists of stars agree.

    `pairs` were found of `expected`: the stars of the shorter list where both lists have stars. `by_chance` is how many
    pairs unrelated lists have. `shift` would make many more of them; None if there is none.
    """

    pairs: int
    expected: int
    by_chance: float
    shift: Shift | None

    @property
    def share(self) -> float:
        """Which part of the stars was found; 1 if none are expected."""
        return self.pairs / self.expected if self.expected else 1.0

    @property
    def is_chance(self) -> bool:
        """Whether unrelated stars would make as many pairs."""
        return self.expected >= _LEAST_EXPECTED and self.pairs <= self.by_chance + 3.0 * np.sqrt(self.by_chance) + 1.0


def agreement(
    first: tuple[FloatArray, FloatArray], second: tuple[FloatArray, FloatArray], *, pairs: int, radius_arcsec: float
) -> Agreement:
    """Return how well two lists of stars agree, of which `pairs` are within `radius_arcsec` of each other.

    Args:
        first: right ascensions and declinations (degrees), each of shape (n,), finite, brightest first.
        second: likewise.
        pairs: how many were found.
        radius_arcsec: within which they were looked for.
    """
    if not first[0].size or not second[0].size:
        return Agreement(pairs=pairs, expected=0, by_chance=0.0, shift=None)
    centre = float(second[0][0]), float(np.median(second[1]))
    one, other = _on_plane(*first, centre), _on_plane(*second, centre)
    low, high = np.maximum(one.min(axis=0), other.min(axis=0)), np.minimum(one.max(axis=0), other.max(axis=0))
    one, other = one[_inside(one, low, high)], other[_inside(other, low, high)]
    expected = min(len(one), len(other))
    area = float(np.prod(np.maximum(high - low, _MOST_SHIFT_ARCSEC)))
    by_chance = len(one) * len(other) * np.pi * radius_arcsec**2 / area
    shift = _shift(one[:_MOST_STARS], other[:_MOST_STARS])
    if shift is not None:
        # Of the brightest stars only, like the shift's.
        shown = pairs * min(expected, _MOST_STARS) / max(expected, 1)
        if shift.stars < _LEAST_GAIN * shown or shift.arcsec < 0.5 * radius_arcsec:
            shift = None
    return Agreement(pairs=pairs, expected=expected, by_chance=min(by_chance, float(expected)), shift=shift)


def _on_plane(ra_deg: FloatArray, dec_deg: FloatArray, centre: tuple[float, float]) -> FloatArray:
    """Return offsets from a place, east and north, arcsec, (n, 2): good for lists of the same small field."""
    east = ((ra_deg - centre[0] + 180.0) % 360.0 - 180.0) * np.cos(np.radians(centre[1]))
    return np.stack([east, dec_deg - centre[1]], axis=1) * _ARCSEC_PER_DEG


def _inside(places: FloatArray, low: FloatArray, high: FloatArray) -> Mask:
    return np.asarray(((places >= low) & (places <= high)).all(axis=1))


def _shift(one: FloatArray, other: FloatArray) -> Shift | None:
    """Return the shift that most pairs of stars agree on, or None if it is not more than chance."""
    if min(len(one), len(other)) < _LEAST_STARS:
        return None
    near = KDTree(one).query_ball_point(other, _MOST_SHIFT_ARCSEC)
    counts = [len(found) for found in near]
    differences = np.repeat(other, counts, axis=0) - one[np.concatenate(near).astype(np.intp)]
    if len(differences) < _LEAST_STARS:
        return None
    edges = np.arange(-_MOST_SHIFT_ARCSEC, _MOST_SHIFT_ARCSEC + _SHIFT_STEP_ARCSEC, _SHIFT_STEP_ARCSEC)
    table, _, _ = np.histogram2d(differences[:, 0], differences[:, 1], bins=[edges, edges])
    together = sum(np.roll(table, (row, column), (0, 1)) for row in (-1, 0, 1) for column in (-1, 0, 1))
    row, column = np.unravel_index(int(np.argmax(together)), table.shape)
    middle = edges[[row, column]] + 0.5 * _SHIFT_STEP_ARCSEC
    agreeing = differences[(np.abs(differences - middle) <= 1.5 * _SHIFT_STEP_ARCSEC).all(axis=1)]
    usual = 9.0 * float(np.mean(table))
    least = max(_LEAST_STARS, _LEAST_SHARE * min(len(one), len(other)), usual + 5.0 * np.sqrt(usual))
    if len(agreeing) < least:
        return None
    east, north = np.median(agreeing, axis=0)
    return Shift(east_arcsec=float(east), north_arcsec=float(north), stars=len(agreeing))
