"""The sky in cells of about equal area: rings of equal width in declination, each cut into equal pieces."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from datalab.astro.types import IntArray


@dataclass(frozen=True)
class SkyCells:
    """Cells about `width_deg` wide, numbered from the south pole on, in a ring by right ascension."""

    width_deg: float

    @cached_property
    def _rings(self) -> int:
        return max(1, round(180.0 / self.width_deg))

    @cached_property
    def _pieces(self) -> IntArray:
        """How many cells each ring has, by its side nearer to the equator."""
        edges = np.linspace(-90.0, 90.0, self._rings + 1)
        nearest = np.where(edges[:-1] * edges[1:] < 0, 0.0, np.minimum(np.abs(edges[:-1]), np.abs(edges[1:])))
        return np.maximum(1, np.ceil(360.0 * np.cos(np.radians(nearest)) / self.width_deg)).astype(np.int64)

    @cached_property
    def _firsts(self) -> IntArray:
        return np.concatenate([[0], np.cumsum(self._pieces)])

    @property
    def count(self) -> int:
        return int(self._firsts[-1])

    def of(self, ra_deg: ArrayLike, dec_deg: ArrayLike) -> IntArray:
        """Return the cells of positions, shape (n,)."""
        rings = self._ring(dec_deg)
        pieces = self._pieces[rings]
        within = np.minimum((np.asarray(ra_deg, np.float64) % 360.0 / 360.0 * pieces).astype(np.int64), pieces - 1)
        return self._firsts[rings] + within

    def near(self, ra_deg: float, dec_deg: float, radius_deg: float) -> IntArray:
        """Return all cells that a circle touches, and a few more."""
        low, high = self._ring([max(-90.0, dec_deg - radius_deg), min(90.0, dec_deg + radius_deg)])
        found = []
        for ring in range(int(low), int(high) + 1):
            pieces, first = int(self._pieces[ring]), int(self._firsts[ring])
            steepest = max(abs(dec_deg - radius_deg), abs(dec_deg + radius_deg))
            if steepest >= 90.0:  # the circle holds a pole
                found.append(np.arange(first, first + pieces))
                continue
            half_deg = math.degrees(math.asin(min(1.0, math.sin(math.radians(min(radius_deg, 90.0)))
                                                  / math.cos(math.radians(dec_deg)))))  # fmt: skip
            start, stop = ((ra_deg - half_deg) / 360.0 * pieces, (ra_deg + half_deg) / 360.0 * pieces)
            numbers = np.arange(math.floor(start), math.floor(stop) + 1)
            found.append(first + np.unique(numbers % pieces))
        return np.concatenate(found)

    def _ring(self, dec_deg: ArrayLike) -> IntArray:
        scaled = (np.asarray(dec_deg, np.float64) + 90.0) / 180.0 * self._rings
        return np.clip(scaled.astype(np.int64), 0, self._rings - 1)
