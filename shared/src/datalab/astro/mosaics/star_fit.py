"""A map between two images grown from a first guess to all stars that they have in common, and how good it is.

A guess that is right in one place only brings a few stars together there; fitted to these, with more freedom each time,
the map reaches the next ones. What is found is judged by all stars that both images should show, not by those that
happen to agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree
from scipy.special import bdtr, bdtrc, fdtrc

from datalab.astro.mosaics.plane_maps import HIGHEST_ORDER, PlaneMap, fitted_polynomial, fitted_similarity
from datalab.astro.robust import MEDIAN_DISTANCE_PER_SIGMA
from datalab.astro.types import FloatArray, IntArray, Mask

#: How far apart a star may be in both images, pixels of the coarser one.
TOLERANCE_PX = 3.0
#: The orders of the polynomials a map is grown with, 0 for a similarity, and the stars each needs.
_GROWING = (0, 1, 1, 2, 2, 3, 3, 3)
_LEAST_STARS = {0: 4, 1: 5, 2: 12, 3: 20}
#: So often a map is fitted again with the freedom it has, while it reaches more stars.
_MORE_PASSES = 8
#: A freer map is taken if the stars would agree so much better by chance once in so many cases.
_BY_CHANCE = 1e-4
#: Or if it fits so many times as many, and no worse.
_MANY_MORE = 1.15
#: Distances of stars strewn at random are 0.7 of the tolerance (rms); those of a fit that is right are far smaller.
_STREWN = 0.62
_CLIP_SIGMA = 4.0
_CLIP_PASSES = 4
#: Least standard deviation (pixels) assumed when outliers are clipped: exact copies lose no star.
_LEAST_SPREAD_PX = 0.06
#: Few stars prove more if they lie closer together: the limits tried, in pixels of the coarser image.
_RADII_PX = (0.2, 0.4, 0.8, 1.5, TOLERANCE_PX)
_GRID_POINTS = 13
#: Far from every star.
_NOWHERE = 1e12
#: Cells, along each axis, in which stars must agree as they do elsewhere; so rarely so few of them do by chance.
_CELLS, _ODD_CELL = 3, 1e-4

#: Tells which positions lie on an image.
Inside = Callable[[FloatArray, FloatArray], Mask]


@dataclass(frozen=True, slots=True, kw_only=True)
class StarLists:
    """What is compared: positions (n, 2) of both lists, brightest first, and where each image ends.

    `stars` are those of the image in coordinates of which `inside` tells whether they are on it.
    """

    stars: FloatArray
    reference: FloatArray
    inside: Inside
    shape: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class StarFit:
    """A map from the reference to the image, the stars it rests on, and how good it is.

    Attributes:
        to_image: from the pixels of the reference.
        pairs: indices of stars of the image and of the reference that are the same, (n, 2).
        rms_px: of their distances, pixels of the reference.
        expected: how many stars could agree: those of the poorer list where both images overlap.
        share: how many of the brightest of these do agree, as a share.
        least_share: the same in the part of the image where fewest do, as a share of `share`.
        uncertain_px: standard deviation of the place of a pixel where it is worst, pixels of the reference.
        false_alarms: how many fits as good are to be expected for stars strewn at random.
    """

    to_image: PlaneMap
    pairs: IntArray
    rms_px: float
    expected: int
    share: float
    least_share: float
    uncertain_px: float
    false_alarms: float


def grown_fit(lists: StarLists, guess: PlaneMap, *, tests: float, expected: PlaneMap | None = None) -> StarFit | None:
    """Return what becomes of a guess, or None if too few stars agree with it.

    Args:
        lists: the stars.
        guess: from the reference to the coordinates of `lists.stars`; all that follows may shear, unless it was a
            similarity.
        tests: how many guesses there could have been.
        expected: the map that is known beforehand: what is found if the stars do not tell of another.
    """
    tree = KDTree(lists.stars)
    unit = max(1.0, math.sqrt(abs(float(np.linalg.det(guess.linear_part())))))
    mirrored = float(np.linalg.det(guess.linear_part())) < 0.0
    found = guess
    within = 2.0 * TOLERANCE_PX * unit
    reached, order = 0, 0
    for order in _GROWING if guess.parameters == 4 else _GROWING[1:]:
        pairs = _pairs(found, lists, tree, within)
        if len(pairs) < _LEAST_STARS[0]:
            return None
        fitted = _fitted(lists, pairs, order, unit=unit, mirrored=mirrored)
        if fitted is None:
            break
        found, within, reached = fitted[0], TOLERANCE_PX * unit, len(fitted[1])
        if order == 1 and _rms(lists, *fitted) > _STREWN * TOLERANCE_PX * unit:
            return None
    for _ in range(_MORE_PASSES if found.order > 1 else 0):
        fitted = _fitted(lists, _pairs(found, lists, tree, within), found.order, unit=unit, mirrored=mirrored)
        if fitted is None or len(fitted[1]) <= reached:
            break
        found, reached = fitted[0], len(fitted[1])
    pairs = _pairs(found, lists, tree, TOLERANCE_PX * unit)
    simplest = _simplest(lists, pairs, unit=unit, mirrored=mirrored, expected=expected)
    if simplest is None:
        return None
    return _judged(lists, *simplest, unit=unit, tests=tests)


def _pairs(found: PlaneMap, lists: StarLists, tree: KDTree, within: float) -> IntArray:
    """Return pairs of indices (n, 2) of stars that come to lie within a distance; no star is in two of them."""
    there = np.column_stack(found(*lists.reference.T))
    nowhere = np.isnan(there).any(axis=1, keepdims=True)
    distance, nearest = tree.query(np.where(nowhere, _NOWHERE, there), distance_upper_bound=within)
    near = np.flatnonzero(np.isfinite(distance))
    closest_first = near[np.argsort(distance[near], kind="stable")]
    _, first = np.unique(nearest[closest_first], return_index=True)
    kept = np.sort(closest_first[first])
    return np.column_stack([nearest[kept], kept]).astype(np.int64)


def _fitted(
    lists: StarLists, pairs: IntArray, order: int, *, unit: float, mirrored: bool
) -> tuple[PlaneMap, IntArray] | None:
    """Return the map of an order that fits pairs, outliers left out, and the pairs that are left."""
    new = lists.stars[pairs[:, 0]]
    old = lists.reference[pairs[:, 1]]
    kept = np.ones(len(pairs), dtype=bool)
    fitted: PlaneMap | None = None
    for _ in range(_CLIP_PASSES):
        if kept.sum() < _LEAST_STARS[order]:
            return None
        try:
            fitted = _least_squares(old[kept], new[kept], order, mirrored=mirrored)
        except np.linalg.LinAlgError:
            return None
        now = _clipped(lists, pairs, fitted, unit=unit)
        if np.array_equal(now, kept):
            break
        kept = now
    if fitted is None or kept.sum() < _LEAST_STARS[order]:
        return None
    return fitted, pairs[kept]


def _clipped(lists: StarLists, pairs: IntArray, fitted: PlaneMap, *, unit: float) -> Mask:
    """Tell which pairs are no outliers of a map."""
    distance = np.hypot(*(np.column_stack(fitted(*lists.reference[pairs[:, 1]].T)) - lists.stars[pairs[:, 0]]).T)
    # Of all of them, outliers too: a spread of those kept before would shrink from pass to pass.
    spread = max(float(np.median(distance)) / MEDIAN_DISTANCE_PER_SIGMA, _LEAST_SPREAD_PX * unit)
    kept: Mask = distance <= _CLIP_SIGMA * spread
    return kept


def _least_squares(old: FloatArray, new: FloatArray, order: int, *, mirrored: bool) -> PlaneMap:
    if order == 0:
        return fitted_similarity(*old.T, *new.T, mirrored=mirrored)
    return fitted_polynomial(*old.T, *new.T, order=order)


def _simplest(
    lists: StarLists, pairs: IntArray, *, unit: float, mirrored: bool, expected: PlaneMap | None
) -> tuple[PlaneMap, IntArray] | None:
    """Return the map with least freedom that fits the pairs as well as any, by F-tests, and the pairs that it fits."""
    best: tuple[PlaneMap, IntArray] | None = None
    if expected is not None:
        kept = _clipped(lists, pairs, expected, unit=unit)
        best = (expected, pairs[kept]) if kept.sum() >= _LEAST_STARS[0] else None
    for order in range(HIGHEST_ORDER + 1):
        freer = _fitted(lists, pairs, order, unit=unit, mirrored=mirrored)
        if freer is None:
            break
        if best is None or _is_better(lists, best, freer):
            best = freer
    return best


def _is_better(lists: StarLists, simpler: tuple[PlaneMap, IntArray], freer: tuple[PlaneMap, IntArray]) -> bool:
    """Tell whether a freer map fits better than its freedom makes it: many more stars, or the same ones by an F-test.

    The test is made with stars that both fit: a false pair would always be fitted better by more freedom.
    """
    if len(freer[1]) > _MANY_MORE * len(simpler[1]) + 1 and _rms(lists, *freer) <= _rms(lists, *simpler):
        return True
    both = freer[1][np.isin(freer[1][:, 1], simpler[1][:, 1])]
    new, old = lists.stars[both[:, 0]], lists.reference[both[:, 1]]
    total, freer_total = (
        float(np.sum((np.column_stack(found(*old.T)) - new) ** 2)) for found in (simpler[0], freer[0])
    )
    more = freer[0].parameters - simpler[0].parameters
    degrees = 2 * len(both) - freer[0].parameters
    if degrees < 1 or freer_total >= total:
        return False
    ratio = (total - freer_total) / more / max(freer_total / degrees, 1e-12)
    return bool(fdtrc(more, degrees, ratio) < _BY_CHANCE)


def _rms(lists: StarLists, found: PlaneMap, pairs: IntArray) -> float:
    distance = np.column_stack(found(*lists.reference[pairs[:, 1]].T)) - lists.stars[pairs[:, 0]]
    return float(np.sqrt(np.mean(np.sum(distance**2, axis=1))))


def _judged(lists: StarLists, found: PlaneMap, pairs: IntArray, *, unit: float, tests: float) -> StarFit:
    old, new = lists.reference[pairs[:, 1]], lists.stars[pairs[:, 0]]
    distance = np.hypot(*(np.column_stack(found(*old.T)) - new).T)
    scale = math.sqrt(abs(float(np.linalg.det(found.linear_part()))))
    rows, columns = lists.shape
    grid_x, grid_y = (
        axis.ravel()
        for axis in np.meshgrid(np.linspace(0, columns - 1, _GRID_POINTS), np.linspace(0, rows - 1, _GRID_POINTS))
    )
    overlapping = lists.inside(*found(grid_x, grid_y))
    reference_inside = lists.inside(*found(*lists.reference.T))
    back_x, back_y = found.inverse(*lists.stars.T)
    stars_inside = (back_x > -0.5) & (back_y > -0.5) & (back_x < columns - 0.5) & (back_y < rows - 0.5)
    area = max(float(overlapping.mean()), 0.5 / overlapping.size) * rows * columns * scale**2
    of_both = int(np.count_nonzero(stars_inside)), int(np.count_nonzero(reference_inside))
    share, least_share = _shares(lists, found, pairs, stars_inside, reference_inside)
    return StarFit(
        to_image=found,
        pairs=pairs,
        rms_px=float(np.sqrt(np.mean(distance**2))) / scale,
        expected=min(of_both),
        share=share,
        least_share=least_share,
        uncertain_px=_uncertainty(found, old, distance, grid_x[overlapping], grid_y[overlapping]) / scale,
        false_alarms=_false_alarms(found, distance, of_both, area, unit=unit, tests=tests),
    )


def _false_alarms(
    found: PlaneMap, distance: FloatArray, of_both: tuple[int, int], area: float, *, unit: float, tests: float
) -> float:
    """Return how many fits as good `tests` maps of randomly strewn stars would give.

    As many of the pairs as determine the map prove nothing.
    """
    determining = found.parameters // 2
    radii = [radius * unit for radius in _RADII_PX]
    expected = [math.inf]
    for radius in radii:
        agreeing = int(np.count_nonzero(distance <= radius)) - determining
        trials = max(min(of_both) - determining, agreeing)
        by_chance = min(1.0, max(of_both) * math.pi * radius**2 / area)
        if agreeing >= 1:
            expected.append(tests * len(radii) * float(bdtrc(agreeing - 1, trials, by_chance)))
    return min(expected)


def _uncertainty(found: PlaneMap, old: FloatArray, distance: FloatArray, x: FloatArray, y: FloatArray) -> float:
    """Return the standard deviation of the map, of both coordinates together, where it is largest among places."""
    if not found.parameters:
        return 0.0
    degrees = max(2 * len(old) - found.parameters, 1)
    sigma = math.sqrt(2.0 * max(float(np.sum(distance**2)) / degrees, (0.5 * _LEAST_SPREAD_PX) ** 2))
    if not x.size:
        return math.inf
    if found.parameters == 4:
        middle = old.mean(axis=0)
        spread = float(np.sum((old - middle) ** 2))
        reach = np.max((x - middle[0]) ** 2 + (y - middle[1]) ** 2)
        return sigma * math.sqrt(1.0 / len(old) + float(reach) / max(spread, 1e-12))
    design = found.design(*old.T)
    inverse = np.linalg.pinv(design.T @ design)
    near_x, near_y = x, y
    if found.order > 1:  # it goes straight on beyond the stars
        near_x, near_y = (np.clip(axis, of.min(), of.max()) for axis, of in ((x, old[:, 0]), (y, old[:, 1])))
    there = found.design(near_x, near_y)
    variance = np.einsum("ni,ij,nj->n", there, inverse, there)
    by_stars = float(np.max(np.hypot(sigma * np.sqrt(variance), found.bent_beyond(x, y))))
    return math.hypot(by_stars, _left_of_distortion(found, x, y))


def _left_of_distortion(found: PlaneMap, x: FloatArray, y: FloatArray) -> float:
    """Return about how much of a distortion a cubic map leaves, in the units of the new coordinates.

    The inverse of a cubic bend has terms of higher order; relative to the bend they are as large as that is relative to
    the image (found with bends of 10 to 30 pixels on images of 320 x 320: up to 2 pixels remain in the corners).
    """
    linear = found.linear_part()
    middle_x, middle_y = found(*(np.array([axis]) for axis in found.centre))
    offsets = np.stack([x - found.centre[0], y - found.centre[1]])
    straight = linear @ offsets
    new_x, new_y = found(x, y)
    bend = np.hypot(new_x - middle_x - straight[0], new_y - middle_y - straight[1])
    reach = float(np.max(np.hypot(*straight)))
    return float(bend.max()) ** 2 / max(reach, 1.0)


def _shares(
    lists: StarLists, found: PlaneMap, pairs: IntArray, stars_inside: Mask, reference_inside: Mask
) -> tuple[float, float]:
    """Return the share of the stars that should agree that do, and its least value in a part of the image."""
    of_image, of_reference = np.flatnonzero(stars_inside), np.flatnonzero(reference_inside)
    count = min(of_image.size, of_reference.size)
    if not count:
        return 0.0, 0.0
    best = (0.0, 0.0)
    for brightest, column, of_star in ((of_image[:count], 0, True), (of_reference[:count], 1, False)):
        agree = np.isin(brightest, pairs[:, column])
        if of_star:
            x, y = found.inverse(*lists.stars[brightest].T)
        else:
            x, y = lists.reference[brightest].T
        best = max(best, (float(agree.mean()), _least_in_cells(x, y, agree)))
    return best


def _least_in_cells(x: FloatArray, y: FloatArray, agree: Mask) -> float:
    """Return how many agree in the cell where fewest do, relative to all; of cells where that is no chance, else 1."""
    if not agree.any():
        return 0.0
    column, row = (
        np.minimum((_CELLS * (axis - axis.min()) / max(float(np.ptp(axis)), 1e-9)).astype(np.int64), _CELLS - 1)
        for axis in (x, y)
    )
    cell = row * _CELLS + column
    counts = np.bincount(cell, minlength=_CELLS**2)
    agreeing = np.bincount(cell, weights=agree, minlength=_CELLS**2)
    overall = float(agree.mean())
    odd = bdtr(agreeing, counts, overall) < _ODD_CELL
    return float(np.min(agreeing[odd] / counts[odd])) / overall if odd.any() else 1.0
