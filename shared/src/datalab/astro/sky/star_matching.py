"""Finding the shift, rotation and scale that bring one list of stars onto another.

Triangles of neighbouring stars are compared by their shape, which no similarity changes. Every pair of triangles of
nearly equal shape proposes a transform; the one that most stars agree with wins, if so many cannot agree by chance.
The test against chance is the number of false alarms of Moisan and Stival.

References:
    L. Moisan, B. Stival, "A probabilistic criterion to detect rigid point matches", IJCV 57, 201 (2004).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import KDTree
from scipy.special import bdtrc

from datalab.astro.robust import MEDIAN_DISTANCE_PER_SIGMA
from datalab.astro.sky.triangles import Points, as_columns, proposed, triangles_of
from datalab.astro.types import FloatArray, IntArray

#: Fewer common stars are no evidence: two of them define the transform.
LEAST_COMMON_STARS = 4
#: Brightest stars of a list that triangles are made of: enough that two thirds may be missing in the other list.
TRIANGLE_STARS = 60
#: How many times these stars, and with how many of its neighbours each makes triangles. With 30 % of the stars missing
#: in either list about four of eight neighbours are common, that is six common triangles per star.
FIRST_ATTEMPT = (1, 8)
#: If that fails: finds fields whose stars rank very differently in both lists, and takes up to some seconds.
SECOND_ATTEMPT = (3, 14)
#: Proposals that are refined on more stars; the right one is rarely not the first.
REFINED_PROPOSALS = 12
#: Stars that take part in the final fit, for each star that triangles are made of: 480 of an image.
FITTED_PER_TRIANGLE_STAR = 8
#: A match is accepted if fewer matches as good are to be expected among all that could be proposed for random stars.
FALSE_ALARMS = 1e-3
#: Few stars prove more if they lie closer together than the tolerance: the limits tried, as fractions of it.
ACCEPTED_FRACTIONS = (0.1, 0.3, 1.0)
_REFINEMENTS = 6
#: A proposal comes from stars close together and misses those far away by more than their own errors.
_FIRST_TOLERANCE = 2.0
_CLIP_SIGMA = 4.0
#: Least standard deviation assumed when outliers are clipped, in units of the tolerance: exact copies lose no star.
_LEAST_SPREAD = 0.02


class NoMatchError(ValueError):
    """Two lists of stars have no similarity in common; the text says so in the user's words."""


@dataclass(frozen=True, slots=True)
class Similarity:
    """A shift, rotation and change of scale of the plane: (x, y) becomes `turn` * (x + iy) + `shift`, as complex."""

    turn: complex
    shift: complex

    @property
    def scale(self) -> float:
        return abs(self.turn)

    @property
    def rotation_deg(self) -> float:
        """Counter-clockwise for axes of which y points up, in (-180, 180]."""
        return math.degrees(math.atan2(self.turn.imag, self.turn.real))

    def __call__(self, x: ArrayLike, y: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return the transformed coordinates, of the common shape of `x` and `y`."""
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        turned_x = self.turn.real * x - self.turn.imag * y + self.shift.real
        turned_y = self.turn.imag * x + self.turn.real * y + self.shift.imag
        return turned_x, turned_y

    def inverse(self) -> Similarity:
        return Similarity(turn=1.0 / self.turn, shift=-self.shift / self.turn)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchOptions:
    """What is known before matching, and how much is tried.

    `scale_range`: least and greatest scale of the transform. `tolerance`: how far apart a star may be in both lists, in
    the units of the reference. `stars`, `reference_stars`: brightest stars of each list that triangles are made of;
    they should reach the same depth, so a reference that covers more sky needs more. `thorough`: whether to make a
    second, slower attempt with more stars if the first one fails.
    """

    scale_range: tuple[float, float] = (0.9, 1.1)
    tolerance: float = 3.0
    stars: int = TRIANGLE_STARS
    reference_stars: int = TRIANGLE_STARS
    thorough: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StarMatch:
    """The transform from a list of stars to the reference, and the stars they have in common.

    `star_indices[k]` and `reference_indices[k]` are the same star; `rms` is that of the distances after the transform,
    in the units of the reference.
    """

    transform: Similarity
    star_indices: IntArray
    reference_indices: IntArray
    rms: float


def match_stars(stars: ArrayLike, reference: ArrayLike, options: MatchOptions | None = None) -> StarMatch:
    """Find the similarity that brings `stars` onto `reference`.

    Works for any shift and rotation; either list may have stars that the other lacks. A mirrored list does not match.
    Equal inputs give equal results.

    Args:
        stars: x and y, shape (n, 2), brightest first, finite.
        reference: the same for the list to match.
        options: see there.

    Raises:
        NoMatchError: a list is too short, or no transform brings more stars together than chance would.
    """
    options = options or MatchOptions()
    moving = _as_complex(stars)[: FITTED_PER_TRIANGLE_STAR * options.stars]
    fixed = _as_complex(reference)[: FITTED_PER_TRIANGLE_STAR * options.reference_stars]
    for name, points in (("image", moving), ("reference", fixed)):
        if points.size < LEAST_COMMON_STARS:
            raise NoMatchError(f"the {name} has only {points.size} stars and {LEAST_COMMON_STARS} are needed")
    agreeing = 0
    for deeper, neighbours in (FIRST_ATTEMPT, SECOND_ATTEMPT) if options.thorough else (FIRST_ATTEMPT,):
        few_moving, few_fixed = moving[: deeper * options.stars], fixed[: deeper * options.reference_stars]
        if few_fixed.size < LEAST_COMMON_STARS:  # so small is the part of the sky that the image shows
            continue
        triangles, reference_triangles = triangles_of(few_moving, neighbours), triangles_of(few_fixed, neighbours)
        proposals = proposed(triangles, reference_triangles, options.scale_range)
        tests = len(triangles.shape) * len(reference_triangles.shape)
        matches = [
            _refined(Similarity(*proposal.tolist()), moving, fixed, options.tolerance)
            for proposal in _most_agreed(proposals, few_moving, few_fixed, options.tolerance)
        ]
        ranked = sorted(
            ((_false_alarms(match, moving, fixed, options.tolerance, tests=tests), match) for match in matches),
            key=lambda pair: (pair[0], -pair[1].star_indices.size, pair[1].rms),
        )
        if ranked and ranked[0][0] <= FALSE_ALARMS:
            return ranked[0][1]
        agreeing = max([agreeing, *(match.star_indices.size for match in matches)])
    raise NoMatchError(
        f"of {moving.size} stars in the image and {fixed.size} in the reference only {agreeing} agree, no more than "
        f"chance would bring together"
    )


def _as_complex(points: ArrayLike) -> Points:
    xy = np.asarray(points, np.float64).reshape(-1, 2)
    return xy[:, 0] + 1j * xy[:, 1]


def _most_agreed(
    proposals: Points,
    moving: Points,
    fixed: Points,
    tolerance: float,
) -> Points:
    """Return the few proposals that bring most stars onto one of the reference."""
    moved = proposals[:, :1] * moving + proposals[:, 1:]
    within = _FIRST_TOLERANCE * tolerance
    distance, _ = KDTree(as_columns(fixed)).query(as_columns(moved.ravel()), distance_upper_bound=within)
    agreeing = np.isfinite(distance).reshape(moved.shape).sum(axis=1)
    return proposals[np.argsort(-agreeing, kind="stable")[:REFINED_PROPOSALS]]


def _refined(transform: Similarity, moving: Points, fixed: Points, tolerance: float) -> StarMatch:
    """Fit the transform to the stars it brings together, outliers left out, until they stay the same."""
    tree = KDTree(as_columns(fixed))
    within = _FIRST_TOLERANCE * tolerance
    fitted = np.empty((0, 2), np.int64)
    for _ in range(_REFINEMENTS):
        common = _common(transform, moving, tree, within)
        if len(common) < LEAST_COMMON_STARS:
            break
        within = tolerance
        distance = _distances(transform, moving, fixed, common)
        # Of all of them, outliers too: a spread of those kept before would shrink from pass to pass.
        spread = max(float(np.median(distance)) / MEDIAN_DISTANCE_PER_SIGMA, _LEAST_SPREAD * tolerance)
        kept = common[distance <= _CLIP_SIGMA * spread]
        if np.array_equal(kept, fitted):
            break
        fitted = kept
        transform = _fit(moving[fitted[:, 0]], fixed[fitted[:, 1]])
    distance = _distances(transform, moving, fixed, fitted)
    return StarMatch(
        transform=transform,
        star_indices=fitted[:, 0],
        reference_indices=fitted[:, 1],
        rms=float(np.sqrt(np.mean(distance**2))) if distance.size else math.inf,
    )


def _common(transform: Similarity, moving: Points, fixed: KDTree, within: float) -> IntArray:
    """Return pairs of indices, (n, 2), of stars that come to lie within a distance; no star is in two of them."""
    moved = transform.turn * moving + transform.shift
    distance, nearest = fixed.query(as_columns(moved), distance_upper_bound=within)
    found = np.flatnonzero(np.isfinite(distance))
    closest_first = found[np.argsort(distance[found], kind="stable")]
    _, first = np.unique(nearest[closest_first], return_index=True)
    kept = np.sort(closest_first[first])
    return np.column_stack([kept, nearest[kept]]).astype(np.int64)


def _fit(moving: Points, fixed: Points) -> Similarity:
    """Return the similarity with the least sum of squared distances: linear regression with complex numbers."""
    moving_middle, fixed_middle = moving.mean(), fixed.mean()
    offsets = moving - moving_middle
    turn = complex(np.vdot(offsets, fixed - fixed_middle) / np.vdot(offsets, offsets).real)
    return Similarity(turn=turn, shift=complex(fixed_middle - turn * moving_middle))


def _distances(transform: Similarity, moving: Points, fixed: Points, common: IntArray) -> FloatArray:
    distances: FloatArray = np.abs(transform.turn * moving[common[:, 0]] + transform.shift - fixed[common[:, 1]])
    return distances


def _false_alarms(
    match: StarMatch,
    moving: Points,
    fixed: Points,
    tolerance: float,
    *,
    tests: int,
) -> float:
    """Return how many matches as good as this one `tests` transforms of randomly strewn stars would give.

    Two of the matches define a transform and prove nothing.
    """
    if match.star_indices.size < LEAST_COMMON_STARS:
        return math.inf
    moved = match.transform.turn * moving + match.transform.shift
    common = np.column_stack([match.star_indices, match.reference_indices])
    largest = float(_distances(match.transform, moving, fixed, common).max())
    radii = [tolerance * fraction for fraction in ACCEPTED_FRACTIONS]
    radius = next((radius for radius in radii if largest <= radius), tolerance)
    low, high = _common_box(moved, fixed)
    area = (high.real - low.real) * (high.imag - low.imag)
    in_moved, in_fixed = _count_inside(moved, low, high), _count_inside(fixed, low, high)
    by_chance = min(1.0, in_fixed * math.pi * radius**2 / area) if area > 0 else 1.0
    agreeing = min(match.star_indices.size, in_moved) - 2
    return tests * len(radii) * float(bdtrc(agreeing - 1, in_moved - 2, by_chance))


def _common_box(first: Points, second: Points) -> tuple[complex, complex]:
    """Return the opposite corners of the upright rectangle that both lists cover."""
    low = complex(max(first.real.min(), second.real.min()), max(first.imag.min(), second.imag.min()))
    high = complex(min(first.real.max(), second.real.max()), min(first.imag.max(), second.imag.max()))
    return low, high


def _count_inside(points: Points, low: complex, high: complex) -> int:
    inside = (points.real >= low.real) & (points.real <= high.real)
    return int(np.count_nonzero(inside & (points.imag >= low.imag) & (points.imag <= high.imag)))
