"""The sky around stars, from rings of pixels.

Positions are counted as in `neighbourhoods`: the centre of pixel [0, 0] is (0.5, 0.5).

References:
    Collins et al. 2017, AJ 153, 77 (AstroImageJ, whose numbers users compare with).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from datalab.astro.photometry.neighbourhoods import (
    HALF_DIAGONAL_PX,
    NO_TRAIL,
    Trail,
    batches,
    offsets_between,
    pixels_around,
    positions,
)
from datalab.astro.types import FloatArray, IntArray, Mask, Pixels

_CLIP_SIGMA = 2.0
_MOST_CLIP_PASSES = 9
#: In the units of the image. AstroImageJ's value, made for images whose unit is one count.
_CLIP_SETTLED = 0.1
#: Relative; what limits of equal values may be off by.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Annulus:
    """Where the sky is measured: pixels whose centres are from `inner_px` to `outer_px` away, rims included.

    An annulus that is not wider than nothing means: no sky. `clipped` leaves out stars by 2-sigma clipping; `plane`
    fits a tilted plane instead of a constant level (used to find centroids, never for sums). Around a `trail`,
    distances are from its line.
    """

    inner_px: float
    outer_px: float
    clipped: bool = True
    plane: bool = False
    trail: Trail = NO_TRAIL


@dataclass(frozen=True, slots=True, kw_only=True)
class Backgrounds:
    """The sky around stars, arrays of shape (n,) in the units of the image.

    `mean` is 0 where no pixel was left; `n_pixels` are those it is the mean of, `scatter` their standard deviation.
    `plane`, shape (n, 3): the level at (dx, dy) from the star is c0 + c1 dx + c2 dy; flat unless a plane was asked for
    and could be fitted.
    """

    mean: FloatArray
    scatter: FloatArray
    n_pixels: IntArray
    plane: FloatArray


def backgrounds(pixels: Pixels, x: ArrayLike, y: ArrayLike, annulus: Annulus) -> Backgrounds:
    """Measure the sky around positions (each of shape (n,)): the mean of the annulus, clipped at 2 sigma.

    Clipping begins with all pixels and ends when the mean changes by less than 0.1, after 9 passes at the latest; the
    pixels within the last limits count.
    """
    x, y = positions(x, y)
    mean, scatter, n_pixels = np.zeros(x.size), np.zeros(x.size), np.zeros(x.size, np.int64)
    plane = np.zeros((x.size, 3))
    if annulus.outer_px > annulus.inner_px:
        length = annulus.trail.half_length_px
        near = offsets_between(
            0.0 if length else annulus.inner_px - HALF_DIAGONAL_PX, annulus.outer_px + length + HALF_DIAGONAL_PX
        )
        for part in batches(x.size, near[0].size):
            values, dx, dy = pixels_around(pixels, x[part], y[part], near)
            squared = annulus.trail.distances(dx, dy) ** 2 if length else dx**2 + dy**2
            kept = (squared >= annulus.inner_px**2) & (squared <= annulus.outer_px**2) & np.isfinite(values)
            mean[part], scatter[part], kept = _level_of(values, kept, passes=_MOST_CLIP_PASSES * annulus.clipped)
            n_pixels[part] = kept.sum(axis=1)
            plane[part, 0] = mean[part]
            if annulus.plane:
                plane[part] = _planes(dx, dy, values, kept, flat=plane[part])
    return Backgrounds(mean=mean, scatter=scatter, n_pixels=n_pixels, plane=plane)


def plane_fit(dx: ArrayLike, dy: ArrayLike, values: ArrayLike) -> FloatArray | None:
    """Fit values = c0 + c1 dx + c2 dy by least squares; None if fewer than 4 points or all on one line."""
    dx, dy, values = (np.asarray(given, np.float64) for given in (dx, dy, values))
    if values.size < 4:
        return None
    design = np.stack([np.ones_like(dx), dx, dy], axis=1)
    coefficients, _, rank, _ = np.linalg.lstsq(design, values, rcond=None)
    return coefficients.astype(np.float64) if rank == design.shape[1] else None


def _level_of(values: FloatArray, kept: Mask, *, passes: int) -> tuple[FloatArray, FloatArray, Mask]:
    """Return mean and standard deviation of each row's kept values, (n, m), after clipping, and which are left.

    Mean and deviation are 0 where nothing is kept.
    """
    first_mean = _means(kept, np.where(kept, values, 0.0))[0]
    # From the mean, so that squares of small differences do not drown in the squares of the level.
    above = np.where(kept, values - first_mean[:, None], 0.0)
    squared = above * above
    rounding = _ROUNDING * np.abs(first_mean)
    inside, last_mean = kept.copy(), np.full(len(values), np.inf)
    unsettled: Any = slice(None)  # at first all, without copies of everything
    for _ in range(passes):
        above_now = above[unsettled]
        mean, mean_square = _means(inside[unsettled], above_now, squared[unsettled])
        reach = _CLIP_SIGMA * np.sqrt(np.maximum(mean_square - mean**2, 0.0)) + rounding[unsettled]
        inside[unsettled] = kept[unsettled] & (np.abs(above_now - mean[:, None]) <= reach[:, None])
        changed = np.abs(mean - last_mean[unsettled]) >= _CLIP_SETTLED
        last_mean[unsettled] = mean
        if not changed.all():
            unsettled = np.arange(len(values))[unsettled][changed]
            if not unsettled.size:
                break
    mean, mean_square = _means(inside, above, squared)
    return first_mean + mean, np.sqrt(np.maximum(mean_square - mean**2, 0.0)), inside


def _means(kept: Mask, *tables: FloatArray) -> list[FloatArray]:
    """Return the mean of each row's kept values of each table, 0 where there is none."""
    weights = kept.astype(np.float64)
    counts = np.maximum(np.count_nonzero(kept, axis=1), 1)
    return [np.einsum("nm,nm->n", table, weights) / counts for table in tables]


def _planes(dx: FloatArray, dy: FloatArray, values: FloatArray, kept: Mask, *, flat: FloatArray) -> FloatArray:
    """Return the coefficients (n, 3) of planes through the kept values, those of `flat` where none can be fitted."""
    planes = flat.copy()
    for row, use in enumerate(kept):
        fitted = plane_fit(dx[row, use], dy[row, use], values[row, use])
        if fitted is not None:
            planes[row] = fitted
    return planes
