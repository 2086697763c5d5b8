"""Finding where an image is on the whole sky, from nothing but its stars and a star index.

Quads of neighbouring stars are looked up by their shape. Each quad found proposes a place, angle and scale; places that
several quads propose are tried first. A place counts if so many stars of the index are found in the image there that
fewer than `FALSE_SOLUTIONS` such coincidences are to be expected among all that were tried.

References:
    D. Lang et al., AJ 139, 1782 (2010): quads and their verification.
    L. Moisan, B. Stival, IJCV 57, 201 (2004): the number of false alarms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.special import bdtrc

from datalab.astro.sky.cross_match import degrees, normalized, unit_vectors
from datalab.astro.sky.quads import CODE_TOLERANCE, codes_of, neighbour_quads, on_plane, plane_axes
from datalab.astro.sky.region import SkyRegion
from datalab.astro.sky.sky_index import IndexStars, SkyIndex
from datalab.astro.sky.tangent_fit import PlaneError, fit_tangent_wcs
from datalab.astro.types import FloatArray, IntArray

#: Brightest stars of the image that quads are made of, one number after the other: that many of a tier of the index may
#: be in the field.
DEPTHS = (12, 16, 21, 28, 37, 50, 66, 88, 120)
#: Neighbours that a star of the image makes quads with: more than in the index, as the image has other stars between.
_NEIGHBOURS = 8
#: Pixels of cameras, from a large telescope to a lens, arcsec.
PIXEL_SCALES_ARCSEC = (0.05, 60.0)
#: Matches as good that random stars would give among all that is tried; a wrong place is worse than none.
FALSE_SOLUTIONS = 1e-6
#: Places tried at each depth: those that several quads propose, then the best single ones. Each takes a millisecond.
_MOST_TRIED = 120
#: Proposals agree if their centres are closer than this part of the field, and their scales than this factor.
_SAME_PLACE, _SAME_SCALE = 0.1, 0.04
#: How far a star may be from its place: by the first proposal, as a part of the longer side, and after a fit, pixels.
_FIRST_TOLERANCE, _TOLERANCES_PX = 0.01, (8.0, 4.0, 3.0)
#: Stars of the index that a place is verified with, and stars of the image for each of them.
_MOST_VERIFYING, _IMAGE_STARS_PER_INDEX_STAR = 80, 3
_LEAST_MATCHES = 6
#: The stars of the quad that proposed a place agree with it by themselves.
_PROVING_NOTHING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindSolution:
    """Where an image is: its world coordinates (TAN), found by so many stars of the index, and those stars."""

    wcs: WCS
    n_stars: int
    stars: IndexStars


@dataclass(frozen=True, slots=True)
class _Proposals:
    """Similarities from pixels x + iy, or their mirror images, to planes of the sky, west + i north in radians.

    `tangent`, `east` and `north` (n, 3) are the axes of each plane, `middle` (n, 3) is the way to the image's middle,
    `error` how far the quads differ, in units of their length.
    """

    turn: NDArray[np.complex128]
    shift: NDArray[np.complex128]
    mirrored: NDArray[np.bool_]
    tangent: FloatArray
    east: FloatArray
    north: FloatArray
    middle: FloatArray
    error: FloatArray

    @property
    def radians_per_px(self) -> FloatArray:
        return np.abs(self.turn)

    def directions(self, pixel: complex) -> FloatArray:
        """Return where a pixel is by each proposal, shape (n, 3)."""
        pixels = np.where(self.mirrored, pixel.conjugate(), pixel)
        at = self.turn * pixels + self.shift
        return normalized(self.tangent - at.real[:, None] * self.east + at.imag[:, None] * self.north)

    def rows(self, which: IntArray | NDArray[np.bool_]) -> _Proposals:
        return _Proposals(*(getattr(self, name)[which] for name in self.__slots__))


def solve_blind(
    stars: FloatArray,
    shape: tuple[int, int],
    index: SkyIndex,
    *,
    scales_arcsec: tuple[float, float] = PIXEL_SCALES_ARCSEC,
) -> BlindSolution | None:
    """Return where an image is, or None if the index does not tell.

    The image may be turned by any angle, and mirrored.

    Args:
        stars: x and y in the image, 0-based, shape (n, 2), brightest first.
        shape: (rows, columns) of the image.
        index: of the sky.
        scales_arcsec: the least and the greatest width of a pixel.
    """
    tried = 0
    previous = 0
    for depth in DEPTHS:
        depth = min(depth, len(stars))  # noqa: PLW2901
        if depth <= previous or depth < _LEAST_MATCHES:
            continue
        previous = depth
        proposals = _proposals(stars[:depth], shape, index, scales_arcsec)
        tried += proposals.error.size
        for number in _most_promising(proposals, shape):
            solution = _verified(proposals.rows(np.array([number])), stars, shape, index, tests=tried)
            if solution is not None:
                return solution
    return None


def _proposals(
    stars: FloatArray, shape: tuple[int, int], index: SkyIndex, scales_arcsec: tuple[float, float]
) -> _Proposals:
    quads = neighbour_quads(stars, _NEIGHBOURS)
    pixels = (stars[:, 0] + 1j * stars[:, 1])[quads]
    middle_px = complex((shape[1] - 1) / 2, (shape[0] - 1) / 2)
    parts = []
    for mirrored in (False, True):
        seen = pixels.conj() if mirrored else pixels
        codes, order = codes_of(seen)
        ordered = np.take_along_axis(seen, order, axis=1)
        which, found = index.quads_near(codes)
        parts.append(_fitted(ordered[which], unit_vectors(*index.positions(found)), middle_px, mirrored=mirrored))
    joined = _Proposals(*(np.concatenate([getattr(part, name) for part in parts]) for name in _Proposals.__slots__))
    scale_arcsec = np.degrees(joined.radians_per_px) * 3600.0
    usable = (joined.error < CODE_TOLERANCE) & (scale_arcsec >= scales_arcsec[0]) & (scale_arcsec <= scales_arcsec[1])
    return joined.rows(usable)


def _fitted(pixels: NDArray[np.complex128], vectors: FloatArray, middle_px: complex, *, mirrored: bool) -> _Proposals:
    """Return the similarities from quads of the image, shape (m, 4), to those of the sky, by least squares."""
    tangent, east, north = plane_axes(vectors)
    plane = on_plane(vectors)
    image_middle, plane_middle = pixels.mean(axis=1), plane.mean(axis=1)
    offsets, targets = pixels - image_middle[:, None], plane - plane_middle[:, None]
    spread = (np.abs(offsets) ** 2).sum(axis=1)
    turn = (offsets.conj() * targets).sum(axis=1) / np.where(spread > 0, spread, 1.0)
    length = np.abs(targets[:, 0] - targets[:, 1])
    error = np.abs(turn[:, None] * offsets - targets).max(axis=1) / np.where(length > 0, length, 1.0)
    found = _Proposals(
        turn=turn,
        shift=plane_middle - turn * image_middle,
        mirrored=np.full(len(pixels), mirrored),
        tangent=tangent,
        east=east,
        north=north,
        middle=tangent,
        error=error,
    )
    return replace(found, middle=found.directions(middle_px))


def _most_promising(proposals: _Proposals, shape: tuple[int, int]) -> IntArray:
    """Return the numbers of the proposals to try: those that most others agree with first, one of each place."""
    if not proposals.error.size:
        return np.empty(0, np.int64)
    field = proposals.radians_per_px * max(shape)
    reach = np.log(field) / _SAME_SCALE
    # Centres in units of the distance that counts as the same, so that one tree serves all scales: proposals of other
    # scales are kept apart by the fourth coordinate.
    scale_steps = np.round(reach)
    votes = np.zeros(proposals.error.size, np.int64)
    leader = np.arange(proposals.error.size)
    for step in np.unique(scale_steps):
        for mirrored in (False, True):
            rows = np.flatnonzero((np.abs(reach - step) <= 1.0) & (proposals.mirrored == mirrored))
            if rows.size < 2:  # nobody to agree with
                continue
            tree = KDTree(proposals.middle[rows])
            own = np.flatnonzero(scale_steps[rows] == step)
            near = tree.query_ball_point(proposals.middle[rows[own]], _SAME_PLACE * math.exp(step * _SAME_SCALE))
            for row, others in zip(rows[own], near, strict=True):
                votes[row] = len(others) - 1
                leader[row] = rows[min(others)]
    order = np.lexsort((proposals.error, -votes))
    _, first = np.unique(leader[order], return_index=True)
    return order[np.sort(first)][:_MOST_TRIED]


def _verified(
    proposal: _Proposals, stars: FloatArray, shape: tuple[int, int], index: SkyIndex, *, tests: int
) -> BlindSolution | None:
    """Return world coordinates fitted to all stars that agree with a proposal, None if chance brings as many."""
    (ra_deg,), (dec_deg,) = degrees(proposal.middle)
    radius_deg = math.degrees(proposal.radians_per_px[0]) * math.hypot(*shape) / 2
    listed = index.stars(
        SkyRegion(ra_deg=float(ra_deg), dec_deg=float(dec_deg), radius_deg=min(1.05 * radius_deg, 60.0))
    )
    try:
        wcs = _as_wcs(proposal, shape)
    except PlaneError:
        return None
    tolerances = (max(_FIRST_TOLERANCE * max(shape), _TOLERANCES_PX[0]), *_TOLERANCES_PX)
    for number, tolerance_px in enumerate(tolerances):
        seen, matched, inside = _matches(wcs, stars, shape, listed, tolerance_px)
        if len(seen) < _LEAST_MATCHES:
            return None
        if number + 1 < len(tolerances):
            x, y = stars[seen].T
            try:
                wcs = fit_tangent_wcs(x, y, listed.ra_deg[matched], listed.dec_deg[matched], shape)
            except PlaneError:
                return None
    image_stars = min(len(stars), _IMAGE_STARS_PER_INDEX_STAR * inside)
    by_chance = min(1.0, image_stars * math.pi * tolerances[-1] ** 2 / (shape[0] * shape[1]))
    agreeing, possible = len(seen) - _PROVING_NOTHING, inside - _PROVING_NOTHING
    expected = tests * float(bdtrc(agreeing - 1, possible, by_chance)) if agreeing > 0 else math.inf
    if not expected <= FALSE_SOLUTIONS:
        return None
    return BlindSolution(wcs=wcs, n_stars=len(seen), stars=listed)


def _as_wcs(proposal: _Proposals, shape: tuple[int, int]) -> WCS:
    """Return the world coordinates of one proposal."""
    corners = [complex(x, y) for x in (-0.5, shape[1] - 0.5) for y in (-0.5, shape[0] - 0.5)]
    directions = np.concatenate([proposal.directions(corner) for corner in corners])
    return fit_tangent_wcs(
        np.array([corner.real for corner in corners]),
        np.array([corner.imag for corner in corners]),
        *degrees(directions),
        shape,
    )


def _matches(
    wcs: WCS, stars: FloatArray, shape: tuple[int, int], listed: IndexStars, tolerance_px: float
) -> tuple[IntArray, IntArray, int]:
    """Return stars of the image and of the index that are the same, and how many of the index are in the image."""
    x, y = wcs.all_world2pix(listed.ra_deg, listed.dec_deg, 0)
    inside = np.flatnonzero((x > -0.5) & (y > -0.5) & (x < shape[1] - 0.5) & (y < shape[0] - 0.5))[:_MOST_VERIFYING]
    if inside.size < _LEAST_MATCHES:
        return np.empty(0, np.int64), np.empty(0, np.int64), 0
    bright = stars[: _IMAGE_STARS_PER_INDEX_STAR * inside.size]
    distance, nearest = KDTree(bright).query(np.column_stack([x[inside], y[inside]]), distance_upper_bound=tolerance_px)
    found = np.flatnonzero(np.isfinite(distance))
    found = found[np.argsort(distance[found], kind="stable")]
    _, once = np.unique(nearest[found], return_index=True)
    return nearest[found[once]], inside[found[once]], inside.size
