"""Comparison stars that change from frame to frame, as when the telescope follows a moving target.

No star need be on every frame. Each frame has a zero point and each star a magnitude, found together from all
measurements: m[frame, star] + ZP[frame] = M[star].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from datalab.astro.magnitudes import MAG_PER_RELATIVE_ERROR, instrumental_mag
from datalab.astro.photometry.comparison_stars import Candidates
from datalab.astro.photometry.differential import (
    MOST_VARIABILITY_MAG,
    Calibrated,
    Counts,
    finished,
    outliers,
)
from datalab.astro.robust import over_known, ratio
from datalab.astro.types import FloatArray, IntArray, Mask

_MOST_PASSES = 50
_SETTLED_MAG = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class StarSolution:
    """Magnitudes of stars (stars,), NaN for those left out, and zero points of frames (frames,), NaN without stars.

    `groups` is the number of sets of frames that share no star, directly or over others.
    """

    star_mag: FloatArray
    zero_point: FloatArray
    groups: int


def solve_stars(mags: FloatArray, catalogue_mag: FloatArray) -> StarSolution:
    """Find magnitudes of stars and zero points of frames by alternating medians.

    The mean level of each group of frames is that of the catalogue. Stars that scatter more than 1 mag are left out,
    and the rest is solved again.

    Args:
        mags: instrumental magnitudes, shape (frames, stars); NaN where a star was not measured.
        catalogue_mag: shape (stars,).
    """
    star_mag, zero_point = _solve(mags, catalogue_mag)
    residuals = mags + zero_point[:, None] - star_mag
    steady = over_known(np.nanstd, residuals, axis=0) <= MOST_VARIABILITY_MAG
    if not steady.all():
        mags = np.where(steady, mags, np.nan)
        star_mag, zero_point = _solve(mags, catalogue_mag)
    return StarSolution(star_mag=star_mag, zero_point=zero_point, groups=int(_groups(mags)[0].max(initial=-1)) + 1)


def calibrate_with_evolving_ensemble(
    counts: Counts, candidates: Candidates, *, least_stars: int, most_stars: int
) -> Calibrated:
    """Compare the target with the stars of each frame that are closest to it in brightness.

    A star that is an outlier on a frame is left out there. A frame with fewer than `least_stars` has no magnitude; it
    has a flux relative to the stars there are.
    """
    mags = instrumental_mag(counts.stars)
    solution = solve_stars(mags, candidates.reference_mag)
    own_sigma = MAG_PER_RELATIVE_ERROR * ratio(counts.stars_sigma, counts.stars)
    outlying, _ = outliers(mags + solution.zero_point[:, None] - solution.star_mag, own_sigma)
    known = np.isfinite(mags) & np.isfinite(solution.star_mag) & ~outlying
    target_mag = instrumental_mag(counts.target)
    used = _closest_in_brightness(mags, known, target_mag, most_stars)
    stars = np.flatnonzero(used.any(axis=0))
    stars = stars[np.lexsort((candidates.number[stars], -used[:, stars].sum(axis=0)))]
    used, mags, own_sigma = used[:, stars], mags[:, stars], own_sigma[:, stars]
    some, enough = used.any(axis=1), used.sum(axis=1) >= least_stars

    ensemble = np.where(some, np.where(used, counts.stars[:, stars], 0.0).sum(axis=1), np.nan)
    ensemble_sigma = np.sqrt(np.where(used, counts.stars_sigma[:, stars] ** 2, 0.0).sum(axis=1))
    relative_flux = counts.target / ensemble
    relative_flux_sigma = np.hypot(counts.target_sigma, relative_flux * ensemble_sigma) / ensemble
    used &= enough[:, None]
    zero_points = np.where(used, solution.star_mag[stars] - mags, np.nan)
    zero_point = over_known(np.nanmedian, zero_points, axis=1)
    zero_point_sigma = _zero_point_sigma(zero_points, np.where(used, own_sigma, np.nan))
    target_sigma = MAG_PER_RELATIVE_ERROR * ratio(counts.target_sigma, counts.target)
    notes = [*_group_note(solution.groups)]
    if not enough.any():
        notes.append(
            f"No frame has the {least_stars} comparison stars needed: too few for the minimum comparison ensemble. "
            "Counts and fluxes relative to the stars there are have no magnitudes."
        )
    calibrated = Calibrated(
        stars=stars,
        variability_mag=over_known(np.nanstd, np.where(used, zero_points - zero_point[:, None], np.nan), axis=0),
        used=used,
        star_mag=mags + zero_point[:, None],
        zero_point_sigma=zero_point_sigma,
        ensemble_counts=ensemble,
        ensemble_sigma=np.where(some, ensemble_sigma, np.nan),
        relative_flux=relative_flux,
        relative_flux_sigma=relative_flux_sigma,
        mag=target_mag + zero_point,
        mag_sigma=np.hypot(target_sigma, zero_point_sigma),
        signal_to_noise=ratio(counts.target, counts.target_sigma),
        limit_mag=np.full(zero_point.size, np.nan),
        notes=tuple(notes),
    )
    return finished(calibrated, counts, zero_point=zero_point, reference_mag=solution.star_mag[stars])


def _solve(mags: FloatArray, catalogue_mag: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Solve every group on its own."""
    star_mag, zero_point = np.full(mags.shape[1], np.nan), np.full(mags.shape[0], np.nan)
    frame_group, star_group = _groups(mags)
    for group in range(int(frame_group.max(initial=-1)) + 1):
        frames, stars = np.flatnonzero(frame_group == group), np.flatnonzero(star_group == group)
        star_mag[stars], zero_point[frames] = _solve_group(mags[np.ix_(frames, stars)], catalogue_mag[stars])
    return star_mag, zero_point


def _solve_group(mags: FloatArray, catalogue_mag: FloatArray) -> tuple[FloatArray, FloatArray]:
    star_mag = catalogue_mag
    zero_point = np.zeros(len(mags))
    for _ in range(_MOST_PASSES):
        last_star_mag, last_zero_point = star_mag, zero_point
        zero_point = np.nanmedian(star_mag - mags, axis=1)
        star_mag = np.nanmedian(mags + zero_point[:, None], axis=0)
        drift = np.median(star_mag - catalogue_mag)
        star_mag, zero_point = star_mag - drift, zero_point - drift
        if max(np.abs(star_mag - last_star_mag).max(), np.abs(zero_point - last_zero_point).max()) < _SETTLED_MAG:
            break
    return star_mag, zero_point


def _groups(mags: FloatArray) -> tuple[IntArray, IntArray]:
    """Number the groups of frames and stars that measurements link; -1 for frames and stars without any."""
    frames, stars = np.nonzero(np.isfinite(mags))
    total = sum(mags.shape)
    links = coo_array((np.ones(frames.size), (frames, len(mags) + stars)), shape=(total, total))
    label = connected_components(links, directed=False)[1]
    measured = np.zeros(total, dtype=np.bool_)
    measured[frames] = measured[len(mags) + stars] = True
    group = np.full(total, -1)
    group[measured] = np.unique(label[measured], return_inverse=True)[1]
    return group[: len(mags)], group[len(mags) :]


def _closest_in_brightness(mags: FloatArray, known: Mask, target_mag: FloatArray, most: int) -> Mask:
    """Choose the stars of each frame; the brightest where the target has no magnitude."""
    reference = np.where(np.isfinite(target_mag), target_mag, -np.inf)[:, None]
    difference = np.where(np.isfinite(reference), np.abs(mags - reference), mags)
    order = np.argsort(np.where(known, difference, np.inf), axis=1, kind="stable")
    chosen = np.zeros(mags.shape, dtype=np.bool_)
    np.put_along_axis(chosen, order[:, :most], values=True, axis=1)
    return chosen & known


def _zero_point_sigma(zero_points: FloatArray, own_sigma: FloatArray) -> FloatArray:
    """Return the error of each frame's zero point from the scatter of its stars, or that of its only star."""
    count = np.isfinite(zero_points).sum(axis=1)
    scatter = over_known(np.nanstd, zero_points, axis=1) * np.sqrt(count / np.maximum(count - 1, 1))
    only = over_known(np.nanmedian, own_sigma, axis=1)
    sigma: FloatArray = np.where(count > 1, scatter / np.sqrt(np.maximum(count, 1)), only)
    return sigma


def _group_note(groups: int) -> tuple[str, ...]:
    if groups < 2:
        return ()
    note = (
        f"The frames form {groups} groups sharing no common stars: magnitudes of different groups are tied together "
        "by the catalogue only."
    )
    return (note,)
