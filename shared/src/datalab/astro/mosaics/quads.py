"""Quadruples of neighbouring stars, compared by numbers that no linear map of the plane changes.

Where pixels are not square, or two cameras have pixels of different shapes, a turned image is no longer similar to the
reference, and triangles have no shape of their own. Four points still have: the weights, of sum 0, with which they add
up to nothing. They are the areas of the triangles of three of them, as shares of the largest one.

References:
    J. L. Mundy and A. Zisserman (eds.), Geometric Invariance in Computer Vision (1992), appendix, on affine invariants.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.spatial import KDTree

from datalab.astro.types import FloatArray

#: Largest difference of the areas, as shares of the largest: stars err by tenths of a pixel, quadruples are tens wide.
AREA_TOLERANCE = 0.02
#: The largest triangle is at least so high, as a share of the longest side: flat ones determine nothing.
_LEAST_HEIGHT = 0.15
#: Pixels are at most so much wider than high, or the other way: binned in one direction, and a little more.
MOST_UNEQUAL = 2.6
_MOST_PAIRS = 8_000


@dataclass(frozen=True, slots=True)
class Quads:
    """The areas that describe each quadruple, (n, 2), and its corners (n, 4, 2) in the order the areas define."""

    areas: FloatArray
    corners: FloatArray


def quads_of(points: FloatArray, neighbours: int) -> Quads:
    """Return the quadruples that each point, of shape (n, 2), makes with three of its nearest neighbours, each once."""
    neighbours = min(neighbours, len(points) - 1)
    if neighbours < 3:
        return Quads(np.empty((0, 2)), np.empty((0, 4, 2)))
    _, nearest = KDTree(points).query(points, k=neighbours + 1)
    chosen = np.array(list(combinations(range(1, neighbours + 1), 3)))
    indices = np.concatenate(
        [np.repeat(nearest[:, :1], len(chosen), axis=0), nearest[:, chosen].reshape(-1, 3)], axis=1
    )
    return _described(points[np.unique(np.sort(indices, axis=1), axis=0)])


def proposed_maps(quads: Quads, reference: Quads, scale_range: tuple[float, float]) -> FloatArray:
    """Return the linear maps of quadruples onto alike ones of the reference, (n, 2, 3), the most alike ones first."""
    if not (len(quads.areas) and len(reference.areas)):
        return np.empty((0, 2, 3))
    pairs = KDTree(quads.areas).sparse_distance_matrix(KDTree(reference.areas), AREA_TOLERANCE, output_type="ndarray")
    order = np.lexsort((pairs["j"], pairs["i"], pairs["v"]))[:_MOST_PAIRS]
    old, new = quads.corners[pairs["i"][order]], reference.corners[pairs["j"][order]]
    old_middle, new_middle = old.mean(axis=1), new.mean(axis=1)
    old, new = old - old_middle[:, np.newaxis], new - new_middle[:, np.newaxis]
    linear = np.swapaxes(np.linalg.solve(np.swapaxes(old, 1, 2) @ old, np.swapaxes(old, 1, 2) @ new), 1, 2)
    shift = new_middle - np.einsum("nij,nj->ni", linear, old_middle)
    stretches = np.linalg.svd(linear, compute_uv=False)
    scale = np.sqrt(stretches.prod(axis=1))
    possible = (
        (scale >= scale_range[0]) & (scale <= scale_range[1]) & (stretches[:, 0] < MOST_UNEQUAL * stretches[:, 1])
    )
    maps: FloatArray = np.concatenate([linear, shift[:, :, np.newaxis]], axis=2)[possible]
    return maps


def _described(corners: FloatArray) -> Quads:
    """Order the corners by the area of the triangle of the others, the largest first."""
    x, y = corners[:, :, 0], corners[:, :, 1]
    areas = np.empty(x.shape)
    for left_out in range(4):
        a, b, c = (corner for corner in range(4) if corner != left_out)
        doubled = (x[:, b] - x[:, a]) * (y[:, c] - y[:, a]) - (x[:, c] - x[:, a]) * (y[:, b] - y[:, a])
        areas[:, left_out] = doubled * (-1.0) ** left_out
    order = np.argsort(-np.abs(areas), axis=1, kind="stable")
    areas = np.take_along_axis(areas, order, axis=1)
    corners = np.take_along_axis(corners, order[:, :, np.newaxis], axis=1)
    longest = np.max(np.ptp(corners, axis=1), axis=1)
    usable = np.abs(areas[:, 0]) > _LEAST_HEIGHT * longest**2
    return Quads(areas[usable, 1:3] / areas[usable, :1], corners[usable])
