"""Brightness of a target against an ensemble of comparison stars, and how certain it is.

Arrays are (frames,) for the target and (frames, stars) for the stars; counts and magnitudes that are not known are NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from datalab.astro.magnitudes import MAG_PER_RELATIVE_ERROR, instrumental_mag
from datalab.astro.photometry.comparison_stars import Candidates
from datalab.astro.robust import median_of_known, ratio
from datalab.astro.types import FloatArray, IntArray, Mask

#: A star whose brightness against the others scatters more than this is no standard.
MOST_VARIABILITY_MAG = 1.0
#: If enough others are left, neither is one that scatters this much more than most, as when an asteroid passes it.
_MOST_RELATIVE_VARIABILITY, _LEAST_SUSPECT_MAG = 5.0, 0.05
#: Nor is one whose catalogue magnitude is off by more than this, if enough stars are left to tell.
_MOST_ZERO_POINT_OFFSET_MAG = 0.5
_STARS_TO_TELL_AN_OFFSET = 3
_FRAMES_TO_TELL_A_SCATTER = 3
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
    these as columns. `used` tells which star a frame was calibrated with.
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
    notes: tuple[str, ...] = ()


def calibrate_with_shared_ensemble(
    counts: Counts, candidates: Candidates, *, least_stars: int, most_stars: int
) -> Calibrated:
    """Compare the target with the same stars on every frame.

    The ensemble are the steady stars with plausible catalogue magnitudes that are closest to the target in brightness,
    the more isolated first if equal. Its light is summed, which weighs bright stars most; its zero point makes the sum
    as bright as the catalogue has it.

    Raises:
        EnsembleError: fewer than `least_stars` can be used.
    """
    usable = np.flatnonzero((counts.stars > 0.0).all(axis=0))
    mags = instrumental_mag(counts.stars[:, usable])
    variability = _variability(mags)
    steady = variability <= MOST_VARIABILITY_MAG
    usable, mags, variability = usable[steady], mags[:, steady], variability[steady]
    median_mag = np.median(mags, axis=0) if usable.size else np.empty(0)
    plausible = _plausible(candidates.reference_mag[usable] - median_mag)
    usable, median_mag, variability = usable[plausible], median_mag[plausible], variability[plausible]
    calm = _calm(variability)
    if calm.sum() >= least_stars:
        usable, median_mag, variability = usable[calm], median_mag[calm], variability[calm]
    if usable.size < least_stars:
        raise EnsembleError(
            f"Only {usable.size} comparison stars can be used on every frame, {least_stars} are needed: "
            "too few for the minimum comparison ensemble."
        )
    target_mag = median_of_known(instrumental_mag(counts.target))
    difference = np.abs(median_mag - target_mag) if np.isfinite(target_mag) else np.zeros(usable.size)
    ranked = np.lexsort((candidates.number[usable], -candidates.isolation_arcsec[usable], difference))[:most_stars]
    stars = usable[ranked]

    star_counts = counts.stars[:, stars]
    ensemble = star_counts.sum(axis=1)
    ensemble_sigma = np.sqrt((counts.stars_sigma[:, stars] ** 2).sum(axis=1))
    catalogue_mag = -2.5 * np.log10((10.0 ** (-0.4 * candidates.reference_mag[stars])).sum())
    zero_point = 2.5 * np.log10(ensemble) + catalogue_mag
    relative_flux = counts.target / ensemble
    # Of target and ensemble in quadrature, without dividing by a target that may have no counts.
    relative_flux_sigma = np.hypot(counts.target_sigma, relative_flux * ensemble_sigma) / ensemble
    mag = instrumental_mag(counts.target) + zero_point
    return with_error_floor(
        Calibrated(
            stars=stars,
            variability_mag=variability[ranked],
            used=np.ones(star_counts.shape, dtype=np.bool_),
            star_mag=instrumental_mag(star_counts) + zero_point[:, None],
            zero_point_sigma=MAG_PER_RELATIVE_ERROR * ensemble_sigma / ensemble,
            ensemble_counts=ensemble,
            ensemble_sigma=ensemble_sigma,
            relative_flux=relative_flux,
            relative_flux_sigma=relative_flux_sigma,
            mag=mag,
            mag_sigma=MAG_PER_RELATIVE_ERROR * ratio(relative_flux_sigma, relative_flux),
        ),
        counts,
        reference_mag=candidates.reference_mag[stars],
    )


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


def _variability(mags: FloatArray) -> FloatArray:
    """Return how much each star scatters against the others; against nothing if it is the only one.

    The others' common change is the median of changes: the median of magnitudes would always be that of one star in the
    middle, and follow it if it varies.
    """
    changes = mags - np.median(mags, axis=0)
    if mags.shape[1] > 1:
        changes -= np.median(changes, axis=1, keepdims=True)
    scatter: FloatArray = changes.std(axis=0)
    return scatter


def _calm(variability: FloatArray) -> Mask:
    """Tell which stars do not scatter far more than most."""
    typical = np.median(variability) if variability.size else 0.0
    calm: Mask = variability <= max(_MOST_RELATIVE_VARIABILITY * typical, _LEAST_SUSPECT_MAG)
    return calm


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
