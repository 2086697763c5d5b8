"""Finding the world coordinates of an image from the stars in it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from astropy.wcs import WCS
from scipy.special import bdtrc

from datalab.astro.robust import MEDIAN_DISTANCE_PER_SIGMA
from datalab.astro.sky.better_wcs import How, Places, choose
from datalab.astro.sky.cross_match import one_to_one
from datalab.astro.sky.gaia_query import MAX_RADIUS_DEG
from datalab.astro.sky.region import SkyRegion
from datalab.astro.sky.sip_fit import MOST_SIP_ORDER, fit_wcs
from datalab.astro.sky.star_matching import (
    LEAST_COMMON_STARS,
    TRIANGLE_STARS,
    MatchOptions,
    NoMatchError,
    Similarity,
    match_stars,
)
from datalab.astro.sky.tangent_fit import PlaneError, fit_tangent_wcs, from_plane, to_plane
from datalab.astro.sky.wcs import pixel_scale_arcsec
from datalab.astro.types import FloatArray, Mask

#: How far the pixel scale may be from the hint.
SCALE_FREEDOM = 0.08

#: How far the middle of the image may be from the hint, in units of its longer side: half a field, and a little more.
POSITION_FREEDOM = 0.55

#: Pixel scales of telescopes, arcsec: from a large one to a camera lens, in steps that their freedom covers.
UNKNOWN_SCALES_ARCSEC = (0.1, 8.0)
UNKNOWN_SCALE_FREEDOM = 0.25

#: Sky around the hint that is searched if the scale is not known: that of most cameras.
UNKNOWN_SCALE_RADIUS_DEG = 1.0

#: Less sky than this, a third of an arcsecond, has no stars to compare, whatever the hint says of the scale.
LEAST_RADIUS_DEG = 1e-4

#: How far stars may be from where the first, undistorted solution expects them, pixels.
TOLERANCE_PX = 5.0

#: Stars further than this many standard deviations from their place in the catalogue are taken for others.
CLIP_SIGMA = 3.5

#: Least standard deviation assumed when others are cut away, pixels: exact positions lose no star.
LEAST_SPREAD_PX = 0.05

#: Steps of the circles that are searched: of the radius as a factor, of the centre in radii. Being off the centre by
#: 0.71 steps, the diagonal, is made up for by a circle wider by one step.
_RADIUS_STEP = 1.05
_CENTRE_STEP = 0.2

#: Stars of the catalogue, the brightest, for each of the image: other filters rank them differently, and an image shows
#: only some of those near its limit.
_LISTED_PER_STAR, _LEAST_LISTED = 4, 100
#: Distorted images reach further than a first solution has them, by this part of a side.
_MARGIN = 0.1
#: Three stars define a linear transform. Nearly all that agree are within so many times their rms distance.
_PROVING_NOTHING, _AGREEING_RMS = 3, 2.5
_TRIED, _BY_CHANCE = 1e6, 1e-6
_FIT_PASSES = 16
_CLIP_PASSES = 4
#: In the first passes, in which only the inner stars of a distorted image are known.
_FIRST_PASSES, _FIRST_ORDER = 4, 3
#: The catalogue reaches a little deeper than the image, whose filter ranks the stars differently.
_DEPTH_MARGIN = 1.2


class PlateSolvingError(ValueError):
    """No world coordinates were found; the text says why, as the end of a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """Where about an image is, ICRS degrees, and the width of its pixels if that is known."""

    ra_deg: float
    dec_deg: float
    pixel_scale_arcsec: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueStars:
    """Stars of the sky, ICRS degrees at the time of the image, brightest first."""

    ra_deg: FloatArray
    dec_deg: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateSolution:
    """World coordinates of an image, the stars they rest on, and the rms of their distances from the catalogue.

    `rms_before_arcsec` is that of the coordinates the image had before, for the same stars, None if it had none there;
    `how` tells whether those were kept, or their distortion, and `sip_order` which distortion was fitted, 1 for none.
    """

    wcs: WCS
    n_stars: int
    rms_arcsec: float
    rms_before_arcsec: float | None = None
    how: How = "fitted"
    sip_order: int = 1


@dataclass(frozen=True, slots=True)
class _Scale:
    """A pixel scale to try, and how far the true one may be from it, as a fraction."""

    pixel_arcsec: float
    freedom: float


def search_region(hint: Hint, shape: tuple[int, int]) -> SkyRegion:
    """Return where to look for the stars of an image: everything it may show, within what the star catalogue gives.

    Images of one field, however the telescope drifts, share a circle: its centre and radius come in steps.

    Args:
        hint: about the image.
        shape: (rows, columns).
    """
    if hint.pixel_scale_arcsec is None:
        radius_deg = UNKNOWN_SCALE_RADIUS_DEG
    else:
        radius_deg = max(LEAST_RADIUS_DEG, _reach_px(shape, SCALE_FREEDOM) * hint.pixel_scale_arcsec / 3600.0)
    radius_deg = _RADIUS_STEP ** math.ceil(math.log(radius_deg, _RADIUS_STEP))
    step_deg = _CENTRE_STEP * radius_deg
    dec_deg = max(-90.0, min(90.0, round(hint.dec_deg / step_deg) * step_deg))
    steps_around = max(1, round(360.0 * math.cos(math.radians(dec_deg)) / step_deg))
    ra_deg = round(hint.ra_deg / 360.0 * steps_around) % steps_around * 360.0 / steps_around
    return SkyRegion(ra_deg=ra_deg, dec_deg=dec_deg, radius_deg=min(MAX_RADIUS_DEG, (1.0 + _CENTRE_STEP) * radius_deg))


def solve_plate(
    stars: FloatArray,
    shape: tuple[int, int],
    catalogue: CatalogueStars,
    hint: Hint,
    before: WCS | None = None,
    *,
    thorough: bool = True,
) -> PlateSolution:
    """Return the world coordinates (ICRS; TAN, or TAN-SIP where the stars tell the distortion) of an image.

    The image may be rotated by any angle, and mirrored; its middle may be off the hint by half a field. Coordinates
    that it had before are kept if no fit is significantly better.

    Args:
        stars: x and y in the image, 0-based, shape (n, 2), brightest first.
        shape: (rows, columns) of the image.
        catalogue: the stars of `search_region`, or the brightest of them.
        hint: about the image.
        before: the world coordinates it has, right or wrong.
        thorough: whether to make a second, slower attempt if the first one fails.

    Raises:
        PlateSolvingError: the stars of the image are too few, or not those of the catalogue.
    """
    if len(stars) < LEAST_COMMON_STARS:
        raise PlateSolvingError(f"only {len(stars)} stars were found in it and {LEAST_COMMON_STARS} are needed")
    if catalogue.ra_deg.size < LEAST_COMMON_STARS:
        raise PlateSolvingError(f"the star catalogue has only {catalogue.ra_deg.size} stars there")
    for patient, scale in product((False, True) if thorough else (False,), _scales(hint)):
        first = _first_solution(stars, shape, catalogue, hint, scale, thorough=patient)
        solution = None if first is None else refined(stars, shape, catalogue, first, before)
        if solution is not None:
            return solution
    raise PlateSolvingError(
        f"no position, angle and scale brings the {len(stars)} stars found in it onto those of the star catalogue"
    )


def is_beyond_chance(
    solution: PlateSolution, stars: FloatArray, shape: tuple[int, int], catalogue: CatalogueStars
) -> bool:
    """Tell whether a solution that was found where little was known is no coincidence of a crowded catalogue.

    See `solve_plate` for the arguments. As many stars as agree would do so by chance less than once in a million
    images, if a million transforms are tried for each.
    """
    listed = _as_deep(stars, shape, catalogue, solution.wcs)
    radius_px = _AGREEING_RMS * max(solution.rms_arcsec / pixel_scale_arcsec(solution.wcs), LEAST_SPREAD_PX)
    by_chance = min(1.0, listed.ra_deg.size * math.pi * radius_px**2 / (shape[0] * shape[1]))
    agreeing, possible = solution.n_stars - _PROVING_NOTHING, len(stars) - _PROVING_NOTHING
    return agreeing > 0 and _TRIED * float(bdtrc(agreeing - 1, possible, by_chance)) < _BY_CHANCE


def _scales(hint: Hint) -> Iterator[_Scale]:
    """Yield the pixel scales to try."""
    if hint.pixel_scale_arcsec is not None:
        yield _Scale(hint.pixel_scale_arcsec, SCALE_FREEDOM)
        return
    least, greatest = UNKNOWN_SCALES_ARCSEC
    step = (1 + UNKNOWN_SCALE_FREEDOM) / (1 - UNKNOWN_SCALE_FREEDOM)
    count = math.ceil(math.log(greatest / least) / math.log(step))
    for number in range(count + 1):
        yield _Scale(least * step**number, UNKNOWN_SCALE_FREEDOM)


def _reach_px(shape: tuple[int, int], scale_freedom: float) -> float:
    """Return how far from the hint a star of the image may be, in pixels of the expected scale."""
    return (1.0 + scale_freedom) * (math.hypot(*shape) / 2 + POSITION_FREEDOM * max(shape))


def _first_solution(
    stars: FloatArray,
    shape: tuple[int, int],
    catalogue: CatalogueStars,
    hint: Hint,
    scale: _Scale,
    *,
    thorough: bool,
) -> WCS | None:
    """Return world coordinates from shift, rotation and scale of the brightest stars, or None if they fit nowhere."""
    pixel_deg, freedom = scale.pixel_arcsec / 3600.0, scale.freedom
    centre = (hint.ra_deg, hint.dec_deg)
    east, north = to_plane(catalogue.ra_deg, catalogue.dec_deg, centre)
    distance_px = np.hypot(east, north) / pixel_deg
    if not np.isfinite(distance_px).any():  # all of them are on the other side of the sky
        return None
    reach_px = min(_reach_px(shape, freedom), float(np.nanmax(distance_px)))
    near = distance_px <= reach_px
    reference = np.column_stack([east[near], north[near]]) / pixel_deg
    sky_per_image = math.pi * reach_px**2 / (shape[0] * shape[1])
    options = MatchOptions(
        scale_range=(1 - freedom, 1 + freedom),
        thorough=thorough,
        tolerance=TOLERANCE_PX,
        reference_stars=math.ceil(_DEPTH_MARGIN * min(len(stars), TRIANGLE_STARS) * sky_per_image),
    )
    # On the sky east is to the left of north, so what the camera sees is a mirror image of (east, north).
    for eastward in (-1.0, 1.0):
        try:
            match = match_stars(stars, reference * (eastward, 1.0), options)
        except NoMatchError:
            continue
        return _as_wcs(match.transform, shape, centre, pixel_deg=pixel_deg, eastward=eastward)
    return None


def _as_wcs(
    transform: Similarity, shape: tuple[int, int], centre: tuple[float, float], *, pixel_deg: float, eastward: float
) -> WCS:
    """Return a similarity between pixels and the tangent plane of the hint as world coordinates."""
    x, y = (side.ravel() for side in np.meshgrid([-0.5, shape[1] - 0.5], [-0.5, shape[0] - 0.5]))
    across, north = transform(x, y)
    sky = from_plane(eastward * across * pixel_deg, north * pixel_deg, centre)
    return fit_tangent_wcs(x, y, *sky, shape)


def refined(
    stars: FloatArray, shape: tuple[int, int], catalogue: CatalogueStars, wcs: WCS, before: WCS | None = None
) -> PlateSolution | None:
    """Fit world coordinates to all stars that they bring onto one of the catalogue, without outliers.

    Returns None if they bring too few there; see `solve_plate` for the arguments, of which `wcs` is a first solution.
    """
    catalogue = _as_deep(stars, shape, catalogue, wcs)
    order = 1
    matched: Places | None = None
    for number in range(_FIT_PASSES):
        found = _matched(stars, catalogue, wcs)
        if found is None:
            return None
        if matched is not None and np.array_equal(found.x, matched.x):
            break
        matched = found
        if number + 1 == _FIT_PASSES:
            break
        try:
            # Distortions bend the outer parts of an image: with them more stars are found there in the next pass. High
            # orders, fitted to the inner parts alone, bend the outer ones anywhere.
            wcs, order = _fitted(matched, shape, most_order=_FIRST_ORDER if number < _FIRST_PASSES else MOST_SIP_ORDER)
        except PlaneError:  # stars in line
            return None
    if matched is None:
        return None
    had = None if before is None or not np.isfinite(matched.squares(before)) else before
    chosen, how = choose(wcs, order, had, matched, shape)
    return PlateSolution(
        wcs=chosen,
        n_stars=matched.x.size,
        rms_arcsec=_rms(matched, chosen),
        rms_before_arcsec=None if had is None else _rms(matched, had),
        how=how,
        sip_order=order if how == "fitted" else 1,
    )


def _as_deep(stars: FloatArray, shape: tuple[int, int], catalogue: CatalogueStars, wcs: WCS) -> CatalogueStars:
    """Return the stars of a catalogue that an image may show and is deep enough for.

    In a catalogue that is much deeper some star is near any place, and an image of wide pixels fits anywhere.
    """
    x, y = wcs.all_world2pix(catalogue.ra_deg, catalogue.dec_deg, 0, quiet=True)  # SIP has no inverse far outside
    margin_x, margin_y = _MARGIN * shape[1], _MARGIN * shape[0]
    inside = (x > -margin_x) & (x < shape[1] + margin_x) & (y > -margin_y) & (y < shape[0] + margin_y)
    rows = np.flatnonzero(inside)[: max(_LEAST_LISTED, _LISTED_PER_STAR * len(stars))]
    return CatalogueStars(ra_deg=np.asarray(catalogue.ra_deg)[rows], dec_deg=np.asarray(catalogue.dec_deg)[rows])


def _fitted(matched: Places, shape: tuple[int, int], *, most_order: int) -> tuple[WCS, int]:
    """Fit world coordinates, and their order, to stars of which some are others."""
    kept = np.ones(matched.x.size, bool)
    wcs, order = fit_wcs(matched.x, matched.y, matched.ra_deg, matched.dec_deg, shape, most_order=most_order)
    for _ in range(_CLIP_PASSES):
        before, kept = kept, _inliers(matched.distances_arcsec(wcs), pixel_scale_arcsec(wcs))
        if np.array_equal(before, kept) or np.count_nonzero(kept) < LEAST_COMMON_STARS:
            break
        inner = matched.rows(kept)
        wcs, order = fit_wcs(inner.x, inner.y, inner.ra_deg, inner.dec_deg, shape, most_order=most_order)
    return wcs, order


def _inliers(distances_arcsec: FloatArray, pixel_arcsec: float) -> Mask:
    """Tell which stars are as near to their places as most are."""
    # Of all of them, outliers too: a spread of those kept before would shrink from pass to pass.
    spread_px = float(np.median(distances_arcsec)) / pixel_arcsec / MEDIAN_DISTANCE_PER_SIGMA
    near: Mask = distances_arcsec <= CLIP_SIGMA * max(spread_px, LEAST_SPREAD_PX) * pixel_arcsec
    return near


def _rms(places: Places, wcs: WCS) -> float:
    return math.sqrt(places.squares(wcs) / places.x.size)


def _matched(stars: FloatArray, catalogue: CatalogueStars, wcs: WCS) -> Places | None:
    """Return the stars that a WCS brings onto one of the catalogue, without outliers; None if they are too few."""
    scale_arcsec = pixel_scale_arcsec(wcs)
    ra_deg, dec_deg = wcs.all_pix2world(stars, 0).T
    near = one_to_one(ra_deg, dec_deg, catalogue.ra_deg, catalogue.dec_deg, radius_arcsec=TOLERANCE_PX * scale_arcsec)
    if near.first.size < LEAST_COMMON_STARS:
        return None
    kept = _inliers(near.separation_arcsec, scale_arcsec)
    if np.count_nonzero(kept) < LEAST_COMMON_STARS:
        return None
    x, y = stars[near.first[kept]].T
    listed = near.second[kept]
    return Places(x=x, y=y, ra_deg=catalogue.ra_deg[listed], dec_deg=catalogue.dec_deg[listed])
