"""First guesses of how an image lies on another, from its stars alone, and the fit that grows out of the best.

Triangles of neighbouring stars find every shift, rotation and scale, of mirror images too; quadruples also find pixels
of another shape. See `datalab.astro.sky.triangles` and `datalab.astro.mosaics.quads`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from datalab.astro.mosaics.plane_maps import linear_map
from datalab.astro.mosaics.quads import proposed_maps, quads_of
from datalab.astro.mosaics.star_fit import StarFit, StarLists, grown_fit
from datalab.astro.sky.triangles import proposed, triangles_of
from datalab.astro.types import FloatArray, IntArray, Mask

#: A fit is believed if fewer as good are to be expected among all that could be made of stars strewn at random.
FALSE_ALARMS = 1e-6
#: Of the stars that both images should show, so many must agree: half of them may be in one list only, for their
#: colours, and some of the rest are no stars.
LEAST_SHARE = 0.25
#: The same in every part of the image, relative to all of it: what fits here and not there is not aligned there.
LEAST_RELATIVE_SHARE = 0.3
#: Where the place of a pixel is less certain than this (standard deviation), the stars do not tell how the image lies.
MOST_UNCERTAIN_PX = 1.0
#: Surely right: the search ends.
_SURE_FALSE_ALARMS, _SURE_SHARE = 1e-12, 0.5
#: How far off a star may be, pixels of the coarser image: a guess comes from stars close together, and misses those far
#: away by more than their own errors.
_GUESS_RADII_PX = (1.5, 4.0)
#: How fine the places near stars are told apart, and into how many parts a side of the image is divided at the most.
_CELLS_PER_RADIUS, _MOST_CELLS = 3.0, 4096
#: Three stars agree with every guess.
_LEAST_BY_CHANCE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One way to make guesses: of so many brightest stars of both lists, with so many neighbours of each.

    Lists of images that show more of the sky than the other need more `reference_stars`, or fewer, than `stars`.

    `corners` is 3 for triangles and 4 for quadruples; `mirrored` matters to triangles only. So do the heights that
    pixels of the image and of the reference are taken to have, in units of their widths. The fits of the best guesses
    are grown; the right one is rarely not the first.
    """

    stars: int
    neighbours: int
    corners: int = 3
    mirrored: bool = False
    heights: tuple[float, float] = (1.0, 1.0)
    grown: int = 10
    reference_stars: int | None = None


#: Tried one after the other, the quickest first.
QUICK = (
    Attempt(stars=60, neighbours=8),
    Attempt(stars=60, neighbours=8, mirrored=True),
    Attempt(stars=50, neighbours=6, corners=4),
)
#: Rows or columns of one of them are added up in pairs.
BINNED_ONE_WAY = tuple(
    Attempt(stars=60, neighbours=8, mirrored=mirrored, heights=heights, grown=4)
    for heights in ((2.0, 1.0), (0.5, 1.0), (1.0, 2.0), (1.0, 0.5), (2.0, 2.0), (0.5, 0.5))
    for mirrored in (False, True)
)
THOROUGH = (
    Attempt(stars=180, neighbours=14),
    Attempt(stars=180, neighbours=14, mirrored=True, grown=6),
    Attempt(stars=120, neighbours=9, corners=4, grown=6),
    *(
        Attempt(stars=stars, reference_stars=reference_stars, neighbours=10, mirrored=mirrored, grown=5)
        for stars, reference_stars in ((60, 240), (240, 60), (30, 480), (480, 30))
        for mirrored in (False, True)
    ),
)


def is_believed(fit: StarFit) -> bool:
    """Tell whether a fit cannot be chance, and holds everywhere."""
    return (
        fit.false_alarms <= FALSE_ALARMS
        and fit.share >= LEAST_SHARE
        and fit.least_share >= LEAST_RELATIVE_SHARE
        and fit.uncertain_px <= MOST_UNCERTAIN_PX
    )


def searched_fit(
    lists: StarLists, attempts: tuple[Attempt, ...], *, scale_range: tuple[float, float]
) -> tuple[StarFit | None, StarFit | None]:
    """Return the best fit that is believed, and the best that is not, of the first attempt that has one to believe.

    Args:
        lists: the stars.
        attempts: in their order.
        scale_range: least and greatest width of a pixel of the reference, in pixels of the image.
    """
    doubtful: StarFit | None = None
    for attempt in attempts:
        guesses, tests = _guesses(lists, attempt, scale_range)
        believed: StarFit | None = None
        parameters = 4 if attempt.corners == 3 and attempt.heights == (1.0, 1.0) else 6
        for guess in guesses:
            fit = grown_fit(lists, linear_map(guess[:, :2], guess[:, 2], parameters=parameters), tests=tests)
            if fit is None:
                continue
            if not is_believed(fit):
                doubtful = _better(doubtful, fit)
                continue
            believed = _better(believed, fit)
            if fit.false_alarms <= _SURE_FALSE_ALARMS and fit.share >= _SURE_SHARE:
                break
        if believed is not None:
            return believed, doubtful
    return None, doubtful


def _better(one: StarFit | None, other: StarFit) -> StarFit:
    if one is None:
        return other
    return min(one, other, key=lambda fit: (fit.false_alarms, -len(fit.pairs), fit.rms_px))


def _guesses(
    lists: StarLists, attempt: Attempt, scale_range: tuple[float, float]
) -> tuple[Iterator[FloatArray], float]:
    """Return the linear maps (2, 3), from the reference to the image, that most stars agree with, and of how many."""
    few, few_reference = lists.stars[: attempt.stars], lists.reference[: attempt.reference_stars or attempt.stars]
    if attempt.corners == 4:
        quads, reference_quads = quads_of(few, attempt.neighbours), quads_of(few_reference, attempt.neighbours)
        maps = proposed_maps(reference_quads, quads, scale_range)
        tests = float(len(quads.areas)) * len(reference_quads.areas)
    else:
        height, reference_height = attempt.heights
        height = -height if attempt.mirrored else height
        triangles = triangles_of(few[:, 0] + height * 1j * few[:, 1], attempt.neighbours)
        reference_triangles = triangles_of(
            few_reference[:, 0] + reference_height * 1j * few_reference[:, 1], attempt.neighbours
        )
        similar = proposed(reference_triangles, triangles, scale_range)
        turn, shift = similar[:, 0], similar[:, 1]
        rows = (
            [turn.real, -reference_height * turn.imag, shift.real],
            [turn.imag / height, reference_height * turn.real / height, shift.imag / height],
        )
        maps = np.stack([np.stack(row, axis=1) for row in rows], axis=1)
        tests = float(len(triangles.shape)) * len(reference_triangles.shape)
    return iter(_most_agreed(maps, few, few_reference)[: attempt.grown]), max(tests, 1.0)


def _most_agreed(maps: FloatArray, stars: FloatArray, reference: FloatArray) -> FloatArray:
    """Return maps in the order of how many stars agree with them, compared with how many would by chance."""
    if not len(maps):
        return maps
    moved = np.einsum("nij,kj->nki", maps[:, :, :2], reference) + maps[:, np.newaxis, :, 2]
    # Pixels of the coarser image, in pixels of the image, as a power of two.
    unit = np.exp2(np.ceil(np.log2(np.maximum(1.0, np.sqrt(np.abs(np.linalg.det(maps[:, :, :2])))) - 1e-3)))
    low, high = stars.min(axis=0), stars.max(axis=0)
    inside = np.all((moved >= low) & (moved <= high), axis=2).sum(axis=1)
    density = len(stars) / max(float(np.prod(high - low)), 1.0)
    score = np.zeros(len(maps))
    for radius in _GUESS_RADII_PX:
        for size in np.unique(unit):
            of_size = unit == size
            agreeing = _Surroundings(stars, radius * size).have(moved[of_size]).sum(axis=1)
            by_chance = inside[of_size] * -np.expm1(-density * np.pi * (radius * size) ** 2) + _LEAST_BY_CHANCE
            # The logarithm of the probability of so many by chance (Poisson), of its leading terms.
            likely = agreeing * np.log(np.maximum(agreeing, 1) / by_chance) + by_chance - agreeing
            score[of_size] = np.maximum(score[of_size], np.where(agreeing > by_chance, likely, 0.0))
    return maps[np.argsort(-score, kind="stable")]


class _Surroundings:
    """The places nearer to a star than a radius, as a raster: asked a million times, which a tree takes seconds for."""

    def __init__(self, stars: FloatArray, radius: float) -> None:
        self._low = stars.min(axis=0) - radius
        extent = stars.max(axis=0) + radius - self._low
        self._cell = max(radius / _CELLS_PER_RADIUS, float(extent.max()) / _MOST_CELLS)
        shape = np.ceil(extent / self._cell).astype(np.int64) + 1
        self._near = np.zeros(shape, dtype=bool)
        reach = math.ceil(radius / self._cell)
        steps = np.arange(-reach, reach + 1)
        across, up = (axis.ravel() for axis in np.meshgrid(steps, steps))
        round_ones = np.hypot(across, up) * self._cell <= radius
        column, row = self._cells(stars)
        columns, rows = column[:, np.newaxis] + across[round_ones], row[:, np.newaxis] + up[round_ones]
        on = (columns >= 0) & (rows >= 0) & (columns < shape[0]) & (rows < shape[1])
        self._near[columns[on], rows[on]] = True

    def have(self, places: FloatArray) -> Mask:
        """Tell which places, shape (..., 2), are near a star."""
        column, row = self._cells(places)
        columns, rows = self._near.shape
        on = (column >= 0) & (row >= 0) & (column < columns) & (row < rows)
        found: Mask = on & self._near[np.where(on, column, 0), np.where(on, row, 0)]
        return found

    def _cells(self, places: FloatArray) -> tuple[IntArray, IntArray]:
        cells = np.clip((places - self._low) / self._cell, -1.0, 1e9).astype(np.int64)
        return cells[..., 0], cells[..., 1]
