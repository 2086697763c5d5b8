"""Triangles of neighbouring stars, compared by their shape, which no shift, rotation or scale changes.

The shape is that of Valdes et al., the way from triangles to a transform that of Groth.

References:
    E. J. Groth, "A pattern-matching algorithm for two-dimensional coordinate lists", AJ 91, 1244 (1986).
    F. G. Valdes et al., "FOCAS automatic catalog matching algorithms", PASP 107, 1119 (1995).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from datalab.astro.types import FloatArray

#: Positions x + iy, shape (n,).
Points = NDArray[np.complex128]
#: Largest difference of the side ratios of a triangle in both lists; centroids of faint stars err by some tenths of a
#: pixel, and sides are some tens of pixels long.
SHAPE_TOLERANCE = 0.01
#: Triangles more elongated than this determine shape and transform poorly (ratio of the longest to the shortest side).
MOST_ELONGATED = 8.0
#: Proposed transforms that are tried on all triangle stars, the most similar triangles first; bounds time and memory.
MOST_PROPOSALS = 10_000


@dataclass(frozen=True, slots=True)
class Triangles:
    """Shape (n, 2) of each triangle and its three corners (n, 3) as complex, in the order the shape defines."""

    shape: FloatArray
    corners: Points


def as_columns(points: Points) -> FloatArray:
    return np.column_stack([points.real, points.imag])


def triangles_of(points: Points, neighbours: int) -> Triangles:
    """Return the triangles that each star makes with two of its nearest neighbours, each once."""
    neighbours = min(neighbours, points.size - 1)
    _, nearest = KDTree(as_columns(points)).query(as_columns(points), k=neighbours + 1)
    first, second = np.triu_indices(neighbours, k=1)
    others = np.stack([nearest[:, 1 + first], nearest[:, 1 + second]], axis=2).reshape(-1, 2)
    corners = np.column_stack([np.repeat(nearest[:, 0], first.size), others])
    corners = np.unique(np.sort(corners, axis=1), axis=0)
    return _shapes(points[corners])


def _shapes(corners: Points) -> Triangles:
    """Order the corners by the sides opposite to them, the longest first, and describe the shape.

    The shape is where the third corner lies in the frame in which the side between the others is the unit interval:
    scale and rotation drop out, a mirror image has the opposite sign of the second number.
    """
    sides = np.abs(np.roll(corners, -1, axis=1) - np.roll(corners, 1, axis=1))
    by_length = np.argsort(-sides, axis=1, kind="stable")
    sides = np.take_along_axis(sides, by_length, axis=1)
    corners = np.take_along_axis(corners, by_length, axis=1)
    usable = sides[:, 0] < MOST_ELONGATED * sides[:, 2]
    corners = corners[usable]
    position = (corners[:, 0] - corners[:, 1]) / (corners[:, 2] - corners[:, 1])
    return Triangles(shape=as_columns(position), corners=corners)


def proposed(triangles: Triangles, reference: Triangles, scale_range: tuple[float, float]) -> Points:
    """Return the transforms, (n, 2) as turn and shift, of triangles of equal shape, the most similar ones first."""
    if not (len(triangles.shape) and len(reference.shape)):
        return np.empty((0, 2), np.complex128)
    pairs = KDTree(triangles.shape).sparse_distance_matrix(
        KDTree(reference.shape), SHAPE_TOLERANCE, output_type="ndarray"
    )
    # The longest arm of the triangle, and where its middle goes, fix the transform.
    moving, fixed = triangles.corners[pairs["i"]], reference.corners[pairs["j"]]
    turn = (fixed[:, 2] - fixed[:, 1]) / (moving[:, 2] - moving[:, 1])
    shift = fixed.mean(axis=1) - turn * moving.mean(axis=1)
    possible = (np.abs(turn) >= scale_range[0]) & (np.abs(turn) <= scale_range[1])
    order = np.lexsort((pairs["j"][possible], pairs["i"][possible], pairs["v"][possible]))[:MOST_PROPOSALS]
    return np.column_stack([turn[possible], shift[possible]])[order]
