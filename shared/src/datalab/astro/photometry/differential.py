"""Brightness of a target against an ensemble of comparison stars, and how certain it is.

Arrays are (frames,) for the target and (frames, stars) for the stars; counts and magnitudes that are not known are NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from datalab.astro.magnitudes import MAG_PER_RELATIVE_ERROR, instrumental_mag
from datalab.astro.photometry.comparison_stars import Candidates
from datalab.astro.robust import SIGMA_PER_MAD, median_of_known, over_known, ratio
from datalab.astro.types import FloatArray, IntArray, Mask

#: A star whose brightness against the others scatters more than this is no standard.
MOST_VARIABILITY_MAG = 1.0
#: If enough others are left, neither is one that scatters this much more than its own noise and what all stars have in
#: common explain, as when an asteroid passes it; nor one that scatters less, but far more than that.
_MOST_RELATIVE_VARIABILITY, _LEAST_SUSPECT_MAG, _FAR_MORE = 5.0, 0.05, 15.0
#: A star is left out of a single frame where it is so many sigma off, as when a cosmic ray hits it; not of more than
#: this share of the frames, as then it varies.
_MOST_SIGMA, _MOST_REJECTED_SHARE = 5.0, 0.2
#: A star of the ensemble must be known on this share of the frames; elsewhere the others say how bright it would be.
_LEAST_KNOWN_SHARE = 0.8
#: A target below so many sigma has no magnitude, but a limit: its counts and so many sigma.
LEAST_SIGNAL_TO_NOISE = 3.0
#: Nor is one whose catalogue magnitude is off by more than this, if enough stars are left to tell.
_MOST_ZERO_POINT_OFFSET_MAG = 0.5
_STARS_TO_TELL_AN_OFFSET = 3
_FRAMES_TO_TELL_A_SCATTER = 3
#: Star magnitudes and changes of frames are found from each other; two passes settle what a few gaps leave open.
_PASSES_OF_COMPLETION = 2
#: Scatter below this (0.01 mmag) is rounding.
_LEAST_FLOOR_MAG = 1e-5
#: A target further outside the range of its comparison stars is worth a note.
_EXTRAPOLATION_MAG = 0.1


class EnsembleError(ValueError):
    """There are not enough comparison stars; the text says how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Net counts in apertures and their standard deviations: of the target (frames,), of candidates (frames, stars)."""

    target: FloatArray
    target_sigma: FloatArray
    stars: FloatArray
    stars_sigma: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """The light curve and what it was made with.

    `stars` are the indices of the candidates in the ensemble, in its order; the arrays of shape (frames, stars) have
    these as columns. `used` tells which star a frame was calibrated with. `mag` is NaN where the target is not seen at
    3 sigma; there `limit_mag` is what it is fainter than, at 3 sigma.
    """

    stars: IntArray
    variability_mag: FloatArray
    used: Mask
    star_mag: FloatArray
    zero_point_sigma: FloatArray
    ensemble_counts: FloatArray
    ensemble_sigma: FloatArray
    relative_flux: FloatArray
    relative_flux_sigma: FloatArray
    mag: FloatArray
    mag_sigma: FloatArray
    signal_to_noise: FloatArray
    limit_mag: FloatArray
    notes: tuple[str, ...] = ()


def calibrate_with_shared_ensemble(
    counts: Counts, candidates: Candidates, *, least_stars: int, most_stars: int
) -> Calibrated:
    """Compare the target with the same stars on every frame.

    The ensemble are the steady stars with plausible catalogue magnitudes that are closest to the target in brightness,
    the more isolated first if equal. Its light is summed, which weighs bright stars most; its zero point makes the sum
    as bright as the catalogue has it.

    A star that is not known on a frame, or is an outlier there, counts with what the others say it would have: the sum
    stays that of the same stars. A frame with fewer than half of `least_stars` has no magnitude.

    Raises:
        EnsembleError: fewer than `least_stars` can be used.
    """
    mags = instrumental_mag(counts.stars)
    own_sigma = MAG_PER_RELATIVE_ERROR * ratio(counts.stars_sigma, counts.stars)
    with_stars = max(1, np.count_nonzero(np.isfinite(mags).any(axis=1)))
    known_share = np.isfinite(mags).sum(axis=0) / with_stars
    usable = np.flatnonzero(known_share >= _LEAST_KNOWN_SHARE)
    variability, expected, outlying = _scatter(mags[:, usable], own_sigma[:, usable])
    keep = variability <= MOST_VARIABILITY_MAG
    usable, variability, expected, outlying = usable[keep], variability[keep], expected[keep], outlying[:, keep]
    median_mag = over_known(np.nanmedian, mags[:, usable], axis=0)
    keep = _plausible(candidates.reference_mag[usable] - median_mag)
    usable, variability, expected, outlying = usable[keep], variability[keep], expected[keep], outlying[:, keep]
    median_mag = median_mag[keep]
    keep = _calm(variability, expected)
    if keep.sum() >= least_stars:
        usable, variability, outlying, median_mag = usable[keep], variability[keep], outlying[:, keep], median_mag[keep]
    if usable.size < least_stars:
        raise EnsembleError(
            f"Only {usable.size} comparison stars can be used on every frame, {least_stars} are needed: "
            "too few for the minimum comparison ensemble."
        )
    target_mag = median_of_known(instrumental_mag(counts.target))
    difference = np.abs(median_mag - target_mag) if np.isfinite(target_mag) else np.zeros(usable.size)
    ranked = np.lexsort((candidates.number[usable], -candidates.isolation_arcsec[usable], difference))[:most_stars]
    stars, outlying = usable[ranked], outlying[:, ranked]

    used = np.isfinite(mags[:, stars]) & ~outlying
    enough = used.sum(axis=1) >= max(1, math.ceil(least_stars / 2))
    used &= enough[:, None]
    star_counts, star_variance = _completed(counts, stars, used)
    ensemble = np.where(enough, star_counts.sum(axis=1), np.nan)
    ensemble_sigma = np.where(enough, np.sqrt(star_variance.sum(axis=1)), np.nan)
    catalogue_mag = -2.5 * np.log10((10.0 ** (-0.4 * candidates.reference_mag[stars])).sum())
    zero_point = 2.5 * np.log10(ensemble) + catalogue_mag
    relative_flux = counts.target / ensemble
    # Of target and ensemble in quadrature, without dividing by a target that may have no counts.
    relative_flux_sigma = np.hypot(counts.target_sigma, relative_flux * ensemble_sigma) / ensemble
    calibrated = Calibrated(
        stars=stars,
        variability_mag=variability[ranked],
        used=used,
        star_mag=np.where(used, mags[:, stars], np.nan) + zero_point[:, None],
        zero_point_sigma=MAG_PER_RELATIVE_ERROR * ensemble_sigma / ensemble,
        ensemble_counts=ensemble,
        ensemble_sigma=ensemble_sigma,
        relative_flux=relative_flux,
        relative_flux_sigma=relative_flux_sigma,
        mag=instrumental_mag(counts.target) + zero_point,
        mag_sigma=MAG_PER_RELATIVE_ERROR * ratio(relative_flux_sigma, relative_flux),
        signal_to_noise=ratio(counts.target, counts.target_sigma),
        limit_mag=np.full(zero_point.size, np.nan),
        notes=_gap_notes(used, enough, outlying),
    )
    return finished(calibrated, counts, zero_point=zero_point, reference_mag=candidates.reference_mag[stars])


def finished(
    calibrated: Calibrated, counts: Counts, *, zero_point: FloatArray, reference_mag: FloatArray
) -> Calibrated:
    """Put limits where the target is not seen at 3 sigma, and add to the errors what the stars scatter more.

    Args:
        calibrated: with magnitudes and errors as they follow from counts.
        counts: of all candidates.
        zero_point: of each frame, shape (frames,).
        reference_mag: of the ensemble, from the catalogue, shape (stars,).
    """
    seen = calibrated.signal_to_noise >= LEAST_SIGNAL_TO_NOISE
    most = np.maximum(counts.target, 0.0) + LEAST_SIGNAL_TO_NOISE * counts.target_sigma
    limit = np.where(seen, np.nan, instrumental_mag(most) + zero_point)
    calibrated = replace(
        calibrated,
        mag=np.where(seen, calibrated.mag, np.nan),
        mag_sigma=np.where(seen, calibrated.mag_sigma, np.nan),
        limit_mag=limit,
    )
    notes = list(calibrated.notes)
    if unseen := int(np.isfinite(limit).sum()):
        notes.append(
            f"The target is below {LEAST_SIGNAL_TO_NOISE:g} sigma on {unseen} of {limit.size} frames: "
            "they have no magnitude, but what it is fainter than."
        )
    return with_error_floor(replace(calibrated, notes=tuple(notes)), counts, reference_mag=reference_mag)


def with_error_floor(calibrated: Calibrated, counts: Counts, *, reference_mag: FloatArray) -> Calibrated:
    """Add to the errors what the stars scatter more than theirs explain; note this, and a target unlike the stars.

    Flat-field errors, scintillation and clouds are in the scatter of the calibrated stars, but not in the errors from
    counts. The typical excess is the median over the stars of scatter squared less expected variance: the plain scatter
    would count the photon noise of the stars as if it were the target's.

    Args:
        calibrated: without floor.
        counts: of all candidates.
        reference_mag: of the ensemble, from the catalogue, shape (stars,).
    """
    floor = _excess_scatter_mag(calibrated, counts)
    notes = list(calibrated.notes)
    if floor >= _LEAST_FLOOR_MAG:
        notes.append(
            f"Applied a {1000 * floor:.1f} mmag empirical error floor: the comparison stars scatter more than their "
            "photon noise explains."
        )
    if note := _extrapolation_note(median_of_known(calibrated.mag), reference_mag):
        notes.append(note)
    return replace(calibrated, mag_sigma=np.hypot(calibrated.mag_sigma, floor), notes=tuple(notes))


def outliers(residuals: FloatArray, own_sigma: FloatArray) -> tuple[Mask, float]:
    """Tell which measurements are off by more than 5 sigma of their own noise and of what all stars have in common.

    Args:
        residuals: of magnitudes, shape (frames, stars).
        own_sigma: their noise, likewise.

    Returns:
        Which they are, likewise, and how much the stars have in common, mag; a star that is so on more than a fifth of
        its frames varies, and is none.
    """
    scatter = SIGMA_PER_MAD * over_known(np.nanmedian, np.abs(residuals), axis=0)
    noise = over_known(np.nanmedian, own_sigma, axis=0)
    excess = np.sqrt(np.maximum(scatter**2 - noise**2, 0.0))
    common = median_of_known(excess) if np.isfinite(excess).any() else 0.0
    known = np.isfinite(residuals).sum(axis=0)
    off = np.abs(residuals) > _MOST_SIGMA * np.hypot(own_sigma, common)
    off &= (known >= _FRAMES_TO_TELL_A_SCATTER) & (off.sum(axis=0) <= np.maximum(1, _MOST_REJECTED_SHARE * known))
    return off, common


def _scatter(mags: FloatArray, own_sigma: FloatArray) -> tuple[FloatArray, FloatArray, Mask]:
    """Return how much each star scatters against the others, how much is expected, and single outliers (frames, stars).

    Against nothing if it is the only one. The others' common change is the median of changes: the median of magnitudes
    would always be that of one star in the middle, and follow it if it varies.
    """
    changes = mags - over_known(np.nanmedian, mags, axis=0)
    if mags.shape[1] > 1:
        changes = changes - over_known(np.nanmedian, changes, axis=1)[:, None]
        changes = changes - over_known(np.nanmedian, changes, axis=0)
    outlying, common = outliers(changes, own_sigma) if mags.shape[1] > 2 else (np.zeros(mags.shape, np.bool_), 0.0)
    expected = np.hypot(over_known(np.nanmean, own_sigma, axis=0), common)
    return over_known(np.nanstd, changes, axis=0), expected, outlying


def _calm(variability: FloatArray, expected: FloatArray) -> Mask:
    """Tell which stars do not scatter far more than is expected of them."""
    calm: Mask = variability <= np.maximum(_MOST_RELATIVE_VARIABILITY * expected, _LEAST_SUSPECT_MAG)
    calm &= ~(variability > _FAR_MORE * expected) | (expected == 0.0)
    return calm


def _completed(counts: Counts, stars: IntArray, used: Mask) -> tuple[FloatArray, FloatArray]:
    """Return counts and variances of stars (frames, stars); of what was not used, those that the others foretell."""
    mags = np.where(used, instrumental_mag(counts.stars[:, stars]), np.nan)
    sigma = MAG_PER_RELATIVE_ERROR * ratio(counts.stars_sigma[:, stars], counts.stars[:, stars])
    whole = used.all(axis=1) if used.all(axis=1).any() else used.any(axis=1)
    star_mag = over_known(np.nanmedian, mags[whole], axis=0)
    for _ in range(_PASSES_OF_COMPLETION):
        change, change_sigma = _common_change(mags - star_mag, sigma)
        star_mag = over_known(np.nanmedian, mags - change[:, None], axis=0)
    foretold = 10.0 ** (-0.4 * (star_mag + change[:, None]))
    foretold_sigma = foretold * np.hypot(change_sigma[:, None], over_known(np.nanmedian, sigma, axis=0) / 2.0)
    foretold_sigma /= MAG_PER_RELATIVE_ERROR
    return (
        np.where(used, counts.stars[:, stars], foretold),
        np.where(used, counts.stars_sigma[:, stars], foretold_sigma) ** 2,
    )


def _common_change(changes: FloatArray, sigma: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean change of each frame, weighted by the noise of the stars, and its error; NaN without stars."""
    known = np.isfinite(changes)
    weight = np.where(known, 1.0 / np.maximum(sigma, 1e-6) ** 2, 0.0)
    total = weight.sum(axis=1)
    mean = ratio((weight * np.where(known, changes, 0.0)).sum(axis=1), total)
    return mean, np.sqrt(ratio(np.ones_like(total), total))


def _gap_notes(used: Mask, enough: Mask, outlying: Mask) -> tuple[str, ...]:
    notes = []
    if rejected := int((outlying & enough[:, None]).sum()):
        notes.append(
            f"Left out {rejected} single measurement(s) of comparison stars, more than {_MOST_SIGMA:g} sigma off "
            "the others."
        )
    missing = (~used & ~outlying & enough[:, None]).any(axis=1)
    if missing.any():
        notes.append(f"{int(missing.sum())} frame(s) lack one or more comparison stars: the others stand in for them.")
    return tuple(notes)


def _plausible(zero_point: FloatArray) -> Mask:
    """Tell which stars the catalogue does not contradict; all, if they all contradict each other."""
    everything = np.ones(zero_point.size, dtype=np.bool_)
    if zero_point.size < _STARS_TO_TELL_AN_OFFSET:
        return everything
    plausible: Mask = np.abs(zero_point - np.median(zero_point)) <= _MOST_ZERO_POINT_OFFSET_MAG
    return plausible if plausible.any() else everything


def _excess_scatter_mag(calibrated: Calibrated, counts: Counts) -> float:
    mags = np.where(calibrated.used, calibrated.star_mag, np.nan)
    stars = counts.stars[:, calibrated.stars]
    share = np.where(calibrated.used, stars, 0.0)
    share = share / np.where(share.any(axis=1), share.sum(axis=1), 1.0)[:, None]
    own = (MAG_PER_RELATIVE_ERROR * ratio(counts.stars_sigma[:, calibrated.stars], stars)) ** 2
    # A star moves with its ensemble by its share in it: cov(star, ensemble) = share x own variance.
    expected = own * (1.0 - 2.0 * share) + calibrated.zero_point_sigma[:, None] ** 2
    enough = np.isfinite(mags).sum(axis=0) >= _FRAMES_TO_TELL_A_SCATTER
    if not enough.any():
        return 0.0
    known = np.isfinite(mags[:, enough])
    explained = np.mean(expected[:, enough], axis=0, where=known)
    excess = float(np.median(np.nanvar(mags[:, enough], axis=0, ddof=1) - explained))
    # The relative error of a variance of n values is sqrt(2 / (n - 1)).
    by_chance = float(np.median(explained * np.sqrt(2.0 / (known.sum(axis=0) - 1))))
    return math.sqrt(excess) if excess > by_chance else 0.0


def _extrapolation_note(target_mag: float, reference_mag: FloatArray) -> str | None:
    if not (np.isfinite(target_mag) and reference_mag.size):
        return None
    if target_mag < reference_mag.min() - _EXTRAPOLATION_MAG:
        comparison = "brighter"
    elif target_mag > reference_mag.max() + _EXTRAPOLATION_MAG:
        comparison = "fainter"
    else:
        return None
    return (
        f"The target (median magnitude {target_mag:.2f}) is {comparison} than every comparison star "
        f"({reference_mag.min():.2f} to {reference_mag.max():.2f}): its calibration is extrapolated."
    )
