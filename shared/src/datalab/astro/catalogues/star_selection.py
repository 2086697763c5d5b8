"""Which sources of a catalogue can be stars: not hot pixels, not cosmic rays.

The optics and the air spread the light of every star over the same few pixels. What a single pixel or a particle made
keeps most of its light in one pixel, however bright it is. Nothing is told by the direction or length of a source, so
that trailed and elongated stars stay stars.
"""

from __future__ import annotations

import numpy as np
from astropy.table import Table

from datalab.astro.catalogues.columns import floats, has_numbers
from datalab.astro.robust import median_of_known, ratio
from datalab.astro.types import FloatArray, IntArray, Mask

#: A bit of the column `flag` that Source Extractor does not use: our own catalogues have it of what is sharper than a
#: star, a cosmic ray or a hot pixel.
FLAG_SHARP = 256
#: A star narrower than this (FWHM, pixels) would leave 0.7 of its light in one pixel; none does.
LEAST_FWHM_PX = 0.8
#: The most of its light that a star leaves in one pixel: a Gaussian of 1 px FWHM in the middle of it leaves 0.58.
MOST_CONCENTRATED = 0.6
#: Stars of a frame differ in what their brightest pixel has by where in it they stand, and by noise: up to 1.5 times
#: the typical share for a FWHM of 1.5 px, 1.3 times from 2 px on (`benchmarks/alignment_truth.py`'s frames).
MOST_RELATIVE_CONCENTRATION = 2.0
#: The same for their widths, which noise changes more.
LEAST_RELATIVE_FWHM = 0.5
#: Sources below the sky are so rare where peaks have their sky.
_MOST_BELOW_SKY = 0.02
#: Where stars are longer than this (ratio of their axes), a round window finds some place along them, and the middle of
#: all their light is known better.
_TRAILED = 0.65
#: The sources that typical values are taken from, the brightest ones, and how many of them there must be.
_EXEMPLARY, _LEAST_EXEMPLARY = 40, 3
#: So round are stars of frames that are not trailed; tracks of particles are not.
_ROUND = 0.7


def star_like(catalogue: Table) -> Mask:
    """Tell which sources of a CAT table can be stars, as far as its columns tell: shape (n,).

    Looks at fwhm, at peak and background with flux, at a and b; without any of them all sources can be. A width that
    is not finite was that of no star.
    """
    possible = ~flagged_sharp(catalogue)
    fwhm = floats(catalogue, "fwhm") if has_numbers(catalogue, ["fwhm"]) else None
    if fwhm is not None:
        possible &= fwhm >= LEAST_FWHM_PX  # not if NaN
    share = concentration(catalogue)
    possible &= ~(share > MOST_CONCENTRATED)
    exemplary = _exemplary(catalogue, possible)
    if exemplary.size < _LEAST_EXEMPLARY:
        return possible
    if np.isfinite(share[exemplary]).any():
        possible &= ~(share > MOST_RELATIVE_CONCENTRATION * float(np.nanmedian(share[exemplary])))
    if fwhm is not None:
        possible &= fwhm >= LEAST_RELATIVE_FWHM * float(np.median(fwhm[exemplary]))
    return possible


def flagged_sharp(catalogue: Table) -> Mask:
    """Tell which sources of a CAT table were found to be sharper than a star, shape (n,)."""
    if not has_numbers(catalogue, ["flag"]):
        return np.zeros(len(catalogue), dtype=bool)
    flags = np.nan_to_num(floats(catalogue, "flag"), nan=0.0, posinf=0.0, neginf=0.0)
    return np.asarray((flags.astype(np.int64) & FLAG_SHARP) > 0)


def concentration(catalogue: Table) -> FloatArray:
    """Return the share of its light that the brightest pixel of each source has, (n,); NaN where it is not known.

    Needs peak, background and flux. A table with peaks below the sky has peaks without sky: it does not tell.
    """
    unknown = np.full(len(catalogue), np.nan)
    if not has_numbers(catalogue, ["peak", "background", "flux"]):
        return unknown
    peak, background, flux = (floats(catalogue, name) for name in ("peak", "background", "flux"))
    above = peak - background
    if not len(catalogue):
        return unknown
    if np.mean(above <= 0.0) > _MOST_BELOW_SKY:
        return unknown
    return ratio(above, flux)


def _exemplary(catalogue: Table, possible: Mask) -> IntArray:
    """Return the indices of the brightest possible stars, of round ones if there are enough."""
    candidates: IntArray = np.flatnonzero(possible)
    if has_numbers(catalogue, ["a", "b"]):
        a, b = floats(catalogue, "a"), floats(catalogue, "b")
        is_round = candidates[b[candidates] >= _ROUND * a[candidates]]
        candidates = is_round if is_round.size >= max(_LEAST_EXEMPLARY, candidates.size // 4) else candidates
    if has_numbers(catalogue, ["flux"]):
        candidates = candidates[np.argsort(-floats(catalogue, "flux")[candidates], kind="stable")]
    return candidates[:_EXEMPLARY]


def star_positions(catalogue: Table | None) -> FloatArray:
    """Return x and y of the stars of a CAT table, 0-based, shape (n, 2), brightest first; empty if it cannot tell.

    Needs the columns flux, and xwin and ywin, else x and y. Without what cannot be a star (see `star_like`).
    """
    if catalogue is None or not has_numbers(catalogue, ["flux"]):
        return np.empty((0, 2))
    usable = star_like(catalogue) & (floats(catalogue, "flux") > 0)
    kinds = (("x", "y"), ("xwin", "ywin")) if _is_trailed(catalogue, usable) else (("xwin", "ywin"), ("x", "y"))
    positions = next((pair for pair in kinds if has_numbers(catalogue, pair)), None)
    if positions is None:
        return np.empty((0, 2))
    x, y, flux = (floats(catalogue, name) for name in (*positions, "flux"))
    usable &= np.isfinite(x) & np.isfinite(y)
    order = np.flatnonzero(usable)[np.argsort(-flux[usable], kind="stable")]
    return np.column_stack([x[order] - 1, y[order] - 1])


def _is_trailed(catalogue: Table, usable: Mask) -> bool:
    if not (usable.any() and has_numbers(catalogue, ["a", "b"])):
        return False
    return bool(median_of_known(ratio(floats(catalogue, "b"), floats(catalogue, "a"))[usable]) < _TRAILED)
