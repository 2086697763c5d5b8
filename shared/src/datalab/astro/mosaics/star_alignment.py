"""How an image lies on another by the stars of both, with what world coordinates say as a beginning and as a check.

Where both images have world coordinates, the stars of one are first taken through them to the pixels of the other: what
is left is a small shift, and a distortion if one of them leaves it out. Where that leads nowhere, as with the header of
an unbinned image on a binned one, the stars are compared without them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from datalab.astro.mosaics.placement import AlignmentError, Frame
from datalab.astro.mosaics.plane_maps import identity, linear_map
from datalab.astro.mosaics.star_fit import StarFit, StarLists, grown_fit
from datalab.astro.mosaics.star_search import (
    BINNED_ONE_WAY,
    FALSE_ALARMS,
    LEAST_SHARE,
    QUICK,
    THOROUGH,
    Attempt,
    is_believed,
    searched_fit,
)
from datalab.astro.sky.wcs import PixelMapping, between
from datalab.astro.types import FloatArray, Mask

#: Fewer common stars are no evidence: two of them define a shift, a rotation and a scale.
LEAST_COMMON_STARS = 4
#: Stars of an image that take part, the brightest.
MOST_STARS = 480
#: How far pixel scales may be from what world coordinates say: true ones change with focus and colour by 1e-3, nominal
#: ones are known to be wrong by some per cent.
SCALE_FREEDOM = 0.1
#: Widths of pixels of the reference, in pixels of the image, looked for when no header tells: binned up to 4 x 4.
UNKNOWN_SCALES = (0.2, 5.0)
#: Pixels to which world coordinates and stars of good headers agree; a star is some pixels wide.
AGREEING_PX = 1.0
#: Where world coordinates and stars are farther apart, the world coordinates are wrong.
WRONG_PX = 5.0
#: A fit that says that the world coordinates are wrong in scale or angle needs better evidence.
_AGAINST_WCS_FALSE_ALARMS = 1e-9
#: From so many stars in the common part of two images on, some must agree if world coordinates are right.
_ENOUGH_TO_CONTRADICT = 10
#: So many standard deviations of the stars' own uncertainty are no disagreement.
_SURELY_APART = 3.0
#: An uncertainty that is worth a note, pixels.
_NOTED_UNCERTAINTY_PX = 0.4
#: Sources that stay on the same pixel are those of the camera.
_FIXED_PX = 0.6
#: Around what world coordinates say is common, so much of an image may be common too.
_MARGIN_SHARE = 0.1
_GRID_POINTS = 17
_BY_WCS = (Attempt(stars=60, neighbours=8),)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPlace:
    """How an image lies, as `Placement` has it."""

    to_image: PixelMapping
    to_reference: PixelMapping
    found_by: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    """The coordinates in which stars of the image are compared with the reference, and how they lead to its pixels."""

    from_image: PixelMapping
    to_image: PixelMapping
    is_wcs: bool


def _same(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    return x, y


_PIXELS = _Base(from_image=_same, to_image=_same, is_wcs=False)


def placed_by_stars(image: Frame, reference: Frame) -> FoundPlace:
    """Find how an image lies on the reference by the stars of both.

    Raises:
        AlignmentError: too few stars, none in common, or they do not tell enough.
    """
    for name, frame in (("image", image), ("reference", reference)):
        if len(frame.stars) < LEAST_COMMON_STARS:
            raise AlignmentError(f"the {name} has only {len(frame.stars)} stars and {LEAST_COMMON_STARS} are needed")
    fit, base = _best_fit(image, reference)
    moved = _beside_fixed_pattern(image, reference, fit, base)
    if moved is not None:
        return _found(image, reference, moved, _PIXELS, fixed=len(fit.pairs))
    return _found(image, reference, fit, base)


def _best_fit(image: Frame, reference: Frame) -> tuple[StarFit, _Base]:
    by_wcs = _wcs_base(image, reference)
    doubtful: list[StarFit] = []
    if by_wcs is not None:
        fit = _fit_along_wcs(image, reference, by_wcs, doubtful)
        if fit is not None:
            return fit, by_wcs
    lists = _lists(image, reference, _PIXELS)
    fit, other = searched_fit(lists, QUICK + BINNED_ONE_WAY + THOROUGH, scale_range=UNKNOWN_SCALES)
    if fit is not None and by_wcs is not None and fit.false_alarms > _AGAINST_WCS_FALSE_ALARMS:
        fit, other = None, fit
    if fit is None:
        raise AlignmentError(_why_not(image, reference, [*doubtful, *([other] if other else [])]))
    return fit, _PIXELS


def checked_by_stars(image: Frame, reference: Frame) -> tuple[str, ...]:
    """Compare the world coordinates of both images with their stars; return notes on what is in doubt.

    Raises:
        AlignmentError: the stars lie elsewhere.
    """
    base = _wcs_base(image, reference)
    if base is None:
        return ()
    if min(len(image.stars), len(reference.stars)) < LEAST_COMMON_STARS:
        return ("There are not enough stars to check the world coordinates with.",)
    fit, found_along = _fit_along_wcs(image, reference, base, []), base
    if fit is None:
        lists = _lists(image, reference, _PIXELS)
        fit, found_along = searched_fit(lists, QUICK + BINNED_ONE_WAY, scale_range=UNKNOWN_SCALES)[0], _PIXELS
    if fit is not None and (found_along.is_wcs or fit.false_alarms <= _AGAINST_WCS_FALSE_ALARMS):
        apart_px = _apart_px(_along(fit, found_along), base.to_image, image, reference)
        if apart_px > max(WRONG_PX, _SURELY_APART * fit.uncertain_px):
            elsewhere = f"which lie up to {apart_px:.1f} pixels elsewhere" if math.isfinite(apart_px) else "not at all"
            raise AlignmentError(f"the world coordinates (WCS) do not agree with the stars, {elsewhere}")
        if apart_px > AGREEING_PX:
            return (f"World coordinates and stars are up to {apart_px:.1f} pixels apart.",)
        return ()
    of_both = _within(image, reference, base)
    if min(map(len, of_both)) >= _ENOUGH_TO_CONTRADICT:
        raise AlignmentError(
            f"the world coordinates (WCS) do not agree with the stars: where they say that both images show the same "
            f"sky, there are {len(of_both[0])} and {len(of_both[1])} stars, which do not match"
        )
    return ("There are not enough stars in the common part to check the world coordinates with.",)


def _wcs_base(image: Frame, reference: Frame) -> _Base | None:
    """Return the pixels of the reference that the world coordinates lead to; None if they lead nowhere near."""
    if image.wcs is None or reference.wcs is None:
        return None
    return _Base(from_image=between(image.wcs, reference.wcs), to_image=between(reference.wcs, image.wcs), is_wcs=True)


def _lists(image: Frame, reference: Frame, base: _Base, *, stars: FloatArray | None = None) -> StarLists:
    rows, columns = image.shape

    def inside(x: FloatArray, y: FloatArray) -> Mask:
        image_x, image_y = base.to_image(x, y)
        with np.errstate(invalid="ignore"):
            found: Mask = (image_x > -0.5) & (image_y > -0.5) & (image_x < columns - 0.5) & (image_y < rows - 0.5)
        return found

    if stars is None:
        stars = image.stars[:MOST_STARS]
        stars = np.column_stack(base.from_image(*stars.T)) if base.is_wcs else stars
    return StarLists(
        stars=stars[np.isfinite(stars).all(axis=1)],
        reference=reference.stars[:MOST_STARS],
        inside=inside,
        shape=reference.shape,
    )


def _within(image: Frame, reference: Frame, base: _Base, *, margin: float = 0.0) -> tuple[FloatArray, FloatArray]:
    """Return the stars of the image, in coordinates of the base, and of the reference in the common part by the WCS."""
    there = np.column_stack(base.from_image(*image.stars.T))
    there = there[_is_on(there, reference.shape, margin)]
    back = np.column_stack(base.to_image(*reference.stars.T))
    return there[:MOST_STARS], reference.stars[_is_on(back, image.shape, margin)][:MOST_STARS]


def _is_on(places: FloatArray, shape: tuple[int, int], margin: float) -> Mask:
    rows, columns = shape
    x, y = places.T
    with np.errstate(invalid="ignore"):
        on: Mask = (
            (x > -0.5 - margin * columns)
            & (x < columns * (1.0 + margin) - 0.5)
            & (y > -0.5 - margin * rows)
            & (y < rows * (1.0 + margin) - 0.5)
        )
    return on


def _fit_along_wcs(image: Frame, reference: Frame, base: _Base, doubtful: list[StarFit]) -> StarFit | None:
    """Return a fit that the world coordinates lead to, of the stars where they say, or of all if these do not tell."""
    everything = _lists(image, reference, base)
    stars, reference_stars = _within(image, reference, base, margin=_MARGIN_SHARE)
    attempts = [everything]
    if min(len(stars), len(reference_stars)) >= LEAST_COMMON_STARS:
        common = StarLists(stars=stars, reference=reference_stars, inside=everything.inside, shape=everything.shape)
        guess = linear_map(np.eye(2), np.zeros(2), parameters=4)
        fit = grown_fit(common, guess, tests=1.0, expected=identity())
        if fit is not None and is_believed(fit):
            return fit
        attempts.insert(0, common)
    if len(everything.stars) < LEAST_COMMON_STARS:
        return None
    for lists in attempts:
        fit, other = searched_fit(lists, _BY_WCS, scale_range=(1.0 - SCALE_FREEDOM, 1.0 + SCALE_FREEDOM))
        if fit is not None:
            return fit
        if other is not None:
            doubtful.append(other)
    return None


def _beside_fixed_pattern(image: Frame, reference: Frame, fit: StarFit, base: _Base) -> StarFit | None:
    """Return the fit of the other stars if those of a fit stay on their pixels, as only faults of the camera do.

    None where others tell of nothing else: then the images really are on the same grid.
    """
    if image.shape != reference.shape:
        return None
    places = np.column_stack(_grid(reference.shape))
    there = np.column_stack(base.to_image(*fit.to_image(*places.T)))
    if not np.all(np.hypot(*(there - places).T) <= _FIXED_PX):  # so if NaN
        return None
    stars, reference_stars = image.stars[:MOST_STARS], reference.stars[:MOST_STARS]
    apart, nearest = KDTree(stars).query(reference_stars, distance_upper_bound=_FIXED_PX)
    fixed = np.isfinite(apart)
    lists = StarLists(
        stars=np.delete(stars, nearest[fixed], axis=0),
        reference=reference_stars[~fixed],
        inside=_lists(image, reference, _PIXELS).inside,
        shape=reference.shape,
    )
    if min(len(lists.stars), len(lists.reference)) < LEAST_COMMON_STARS:
        return None
    found, _ = searched_fit(lists, QUICK[:1], scale_range=(1.0 - SCALE_FREEDOM, 1.0 + SCALE_FREEDOM))
    return found


def _found(image: Frame, reference: Frame, fit: StarFit, base: _Base, *, fixed: int = 0) -> FoundPlace:
    to_image = _along(fit, base)

    def to_reference(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        return fit.to_image.inverse(*base.from_image(x, y))

    stars = f"{len(fit.pairs)} of {fit.expected} stars"
    changed = f"{stars}, {fit.to_image.name}, rms {fit.rms_px:.2f} pixels"
    if base.is_wcs:
        agreeing = f"world coordinates, which {stars} confirm, rms {fit.rms_px:.2f} pixels"
        changed = f"world coordinates and {changed}" if fit.to_image.parameters else agreeing
    return FoundPlace(
        to_image=to_image,
        to_reference=to_reference,
        found_by=changed,
        notes=tuple(_notes(image, reference, fit, to_image, fixed=fixed)),
    )


def _notes(image: Frame, reference: Frame, fit: StarFit, to_image: PixelMapping, *, fixed: int) -> list[str]:
    notes = []
    if fixed:
        notes.append(f"{fixed} sources lie on the same pixels in both images and were taken for faults of the camera.")
    if fit.uncertain_px > _NOTED_UNCERTAINTY_PX:
        notes.append(f"The stars tell where a pixel lies to {fit.uncertain_px:.1f} pixels (one standard deviation).")
    if image.wcs is not None and reference.wcs is not None:
        apart_px = _apart_px(to_image, between(reference.wcs, image.wcs), image, reference)
        if apart_px > max(AGREEING_PX, _SURELY_APART * fit.uncertain_px):
            by = f"by up to {apart_px:.1f} pixels" if math.isfinite(apart_px) else "altogether"
            notes.append(f"The world coordinates (WCS) of the two headers disagree with the stars {by}: one is wrong.")
    return notes


def _grid(shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Return x and y of points all over an image, in one dimension."""
    rows, columns = (np.linspace(0.0, length - 1.0, _GRID_POINTS) for length in shape)
    x, y = np.meshgrid(columns, rows)
    return x.ravel(), y.ravel()


def _apart_px(one: PixelMapping, other: PixelMapping, image: Frame, reference: Frame) -> float:
    """Return how far apart two mappings to the image are where it overlaps with the reference."""
    rows, columns = reference.shape
    x, y = (
        axis.ravel()
        for axis in np.meshgrid(np.linspace(0, columns - 1, _GRID_POINTS), np.linspace(0, rows - 1, _GRID_POINTS))
    )
    one_x, one_y = one(x, y)
    on = _is_on(np.column_stack([one_x, one_y]), image.shape, 0.0)
    other_x, other_y = other(x[on], y[on])
    apart = np.hypot(one_x[on] - other_x, one_y[on] - other_y)
    return float(apart.max()) if apart.size and np.isfinite(apart).all() else math.inf


def _along(fit: StarFit, base: _Base) -> PixelMapping:
    """Return the mapping of a fit from the pixels of the reference to those of the image."""

    def to_image(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        return base.to_image(*fit.to_image(x, y))

    return to_image


def _why_not(image: Frame, reference: Frame, doubtful: list[StarFit]) -> str:
    stars, reference_stars = len(image.stars[:MOST_STARS]), len(reference.stars[:MOST_STARS])
    best = min(doubtful, key=lambda fit: fit.false_alarms, default=None)
    of_both = f"of {stars} stars in the image and {reference_stars} in the reference"
    if best is None or best.false_alarms > FALSE_ALARMS:
        agreeing = 0 if best is None else len(best.pairs)
        return f"{of_both} only {agreeing} agree, no more than chance would bring together"
    if best.share < LEAST_SHARE:
        return f"{of_both} only {len(best.pairs)} agree, where {best.expected} should"
    if best.least_share < 1.0:
        return f"{of_both} {len(best.pairs)} agree, but in a part of the image hardly any does"
    return (
        f"{of_both} {len(best.pairs)} agree, too few, too close together or too distorted to tell how all of the image "
        f"lies (to {best.uncertain_px:.1f} pixels)"
    )
