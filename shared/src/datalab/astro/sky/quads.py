"""Quads of neighbouring stars and their codes, which no shift, rotation or scale changes.

The two stars farthest apart are the ends of a unit interval; the places of the other two in this frame are the code.

References:
    D. Lang et al., "Astrometry.net: blind astrometric calibration ...", AJ 139, 1782 (2010).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from datalab.astro.sky.cross_match import normalized
from datalab.astro.types import FloatArray, IntArray

#: Codes are looked up in bins so wide: several times the errors of codes, so that few bins are looked into.
BIN_WIDTH = 0.02
#: How far a code may be off, in each of its numbers: a third of a pixel over a quad of 60 pixels.
CODE_TOLERANCE = 0.006
#: Bins along the unit interval, and across it: the second pair lies nearer to both ends than these to each other.
_ALONG, _ACROSS = 52, 90
#: At a pole every direction is south; no division by zero.
_LEAST_LENGTH = 1e-12
_PAIRS = np.array(list(combinations(range(4), 2)))
_OTHERS = np.array([[k for k in range(4) if k not in pair] for pair in combinations(range(4), 2)])


def neighbour_quads(positions: FloatArray, neighbours: int, *, of: IntArray | None = None) -> IntArray:
    """Return the quads, shape (m, 4), that each point makes with three of its nearest neighbours, each quad once.

    Args:
        positions: of the points, shape (n, 2) or (n, 3).
        neighbours: how many of them are taken.
        of: indices of the points whose quads are wanted; all if not given.
    """
    neighbours = min(neighbours, len(positions) - 1)
    if neighbours < 3:  # a quad has three more
        return np.empty((0, 4), np.int64)
    wanted = np.arange(len(positions)) if of is None else of
    _, nearest = KDTree(positions).query(positions[wanted], k=neighbours + 1)
    chosen = np.array(list(combinations(range(1, neighbours + 1), 3)))
    quads = np.concatenate([np.column_stack([nearest[:, 0], nearest[:, three]]) for three in chosen])
    quads.sort(axis=1)
    _, once = np.unique(_fingerprints(quads), return_index=True)
    unique: IntArray = quads[np.sort(once)]
    return unique


def _fingerprints(quads: IntArray) -> NDArray[np.uint64]:
    """Return a number for each quad; two quads share one with a probability of 1e-19."""
    mixed = np.zeros(len(quads), np.uint64)
    for column in quads.T.astype(np.uint64):
        mixed = (mixed ^ column) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed


def codes_of(corners: NDArray[np.complex128]) -> tuple[FloatArray, IntArray]:
    """Return the codes of quads, shape (m, 4), and the order (m, 4) of their corners that the codes belong to.

    Args:
        corners: as x + iy, shape (m, 4).
    """
    rows = np.arange(len(corners))[:, None]
    lengths = np.abs(corners[:, _PAIRS[:, 0]] - corners[:, _PAIRS[:, 1]])
    longest = lengths.argmax(axis=1)
    order = np.column_stack([_PAIRS[longest], _OTHERS[longest]])
    ends, inner = corners[rows, order[:, :2]], corners[rows, order[:, 2:]]
    span = ends[:, 1] - ends[:, 0]
    within = (inner - ends[:, :1]) / np.where(span == 0, 1.0, span)[:, None]
    turned = within.real.sum(axis=1) > 1.0  # of both ends the one nearer to the others comes first
    within[turned] = 1.0 - within[turned]
    order[turned, :2] = order[turned, 1::-1]
    swapped = within[:, 0].real > within[:, 1].real
    within[swapped] = within[swapped, ::-1]
    order[swapped, 2:] = order[swapped, :1:-1]
    codes = np.column_stack([within[:, 0].real, within[:, 0].imag, within[:, 1].real, within[:, 1].imag])
    return codes, order


def plane_axes(vectors: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the tangent point in the middle of each group of stars, and the directions east and north there.

    Args:
        vectors: of length 1, shape (..., stars, 3).
    """
    middle = normalized(vectors.mean(axis=-2))
    east = np.stack([-middle[..., 1], middle[..., 0], np.zeros_like(middle[..., 0])], axis=-1)
    east = east / np.maximum(np.linalg.norm(east, axis=-1, keepdims=True), _LEAST_LENGTH)
    return middle, east, np.cross(middle, east)


def on_plane(vectors: FloatArray) -> NDArray[np.complex128]:
    """Return stars as a camera sees them, on the tangent plane of their middle, in radians: west + i north.

    Args:
        vectors: of length 1, shape (..., stars, 3); each group has a plane of its own.
    """
    middle, east, north = plane_axes(vectors)
    depth = np.einsum("...sk,...k->...s", vectors, middle)
    eastward = np.einsum("...sk,...k->...s", vectors, east) / depth
    northward = np.einsum("...sk,...k->...s", vectors, north) / depth
    plane: NDArray[np.complex128] = -eastward + 1j * northward
    return plane


def bins_of(codes: FloatArray) -> NDArray[np.uint32]:
    """Return the bin of each code, shape (m,)."""
    return _bin_numbers(_cells(codes))


def bins_near(codes: FloatArray) -> tuple[IntArray, NDArray[np.uint32]]:
    """Return (index of the code, bin) for all bins that may hold codes within the tolerance of one of `codes`."""
    low, high = _cells(codes - CODE_TOLERANCE), _cells(codes + CODE_TOLERANCE)
    found_codes, found_bins = [], []
    for corner in range(16):
        up = np.array([corner >> bit & 1 for bit in range(4)], bool)
        needed = ((high > low) | ~up).all(axis=1)
        found_codes.append(np.flatnonzero(needed))
        found_bins.append(_bin_numbers(np.where(up, high, low)[needed]))
    return np.concatenate(found_codes), np.concatenate(found_bins)


def _cells(codes: FloatArray) -> IntArray:
    shifted = codes + np.array([0.01, 0.9, 0.01, 0.9])
    limits = np.array([_ALONG, _ACROSS, _ALONG, _ACROSS]) - 1
    cells: IntArray = np.clip((shifted / BIN_WIDTH).astype(np.int64), 0, limits)
    return cells


def _bin_numbers(cells: IntArray) -> NDArray[np.uint32]:
    first, second, third, fourth = cells.T
    numbers = ((first * _ACROSS + second) * _ALONG + third) * _ACROSS + fourth
    bins: NDArray[np.uint32] = numbers.astype(np.uint32)
    return bins
