"""How wide a star is: its light by distance from its centre, and a model fitted to it.

Positions are those of numpy and astropy: x is the column, y the row, whole numbers at pixel centres from 0 on.

References:
    Moffat 1969, A&A 3, 455 (the profile of stars through the atmosphere); Trujillo et al. 2001, MNRAS 328, 977.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from astropy.stats import gaussian_sigma_to_fwhm
from scipy.optimize import least_squares

from datalab.astro.robust import mad_sigma
from datalab.astro.types import FloatArray, Pixels

Model = Literal["moffat", "gaussian"]

#: A fit of up to six numbers needs some more pixels than that.
_LEAST_PIXELS = 20
#: The light of a star in units of what a fit to noise finds (its matched filter): noise alone reaches 4 to 5, as the
#: fit looks at some hundred places and several widths.
_LEAST_SIGNIFICANCE = 7.0
#: Moffat's exponent: from wings as wide as no telescope makes them, to what no image can tell from a Gaussian.
_BETA_LIMITS = (1.1, 30.0)
_BETA_START = 3.0  # between Kolmogorov's 4.77 and the wider wings of real telescopes (Trujillo et al.)
_LEAST_FWHM_PX = 0.3


class NoStarError(ValueError):
    """There is no star to be measured; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StarFit:
    """A round star as fitted. `peak` is the model's height above `background`; `beta` is Moffat's exponent, if used.

    `residual` is the root mean square of what the model leaves, in the units of the image.
    """

    x: float
    y: float
    fwhm_px: float
    peak: float
    background: float
    beta: float | None
    residual: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RadialProfile:
    """Light by distance from a centre: each pixel by itself, and the mean of rings one pixel wide.

    `radii_px` and `values` are sorted by distance; `ring_radii_px` are the mean distances of the pixels of a ring.
    """

    radii_px: FloatArray
    values: FloatArray
    ring_radii_px: FloatArray
    ring_means: FloatArray


def fit_star(pixels: Pixels, x: float, y: float, *, radius_px: float, model: Model = "moffat") -> StarFit:
    """Fit a round star and a flat sky to the pixels within `radius_px` of a position.

    Args:
        pixels: shape (rows, columns), any real type; not modified. NaN and infinite pixels are left out.
        x: where the star is, to within a third of the radius.
        y: likewise.
        radius_px: how far pixels count; two or three times the star's width is right.
        model: the shape of the star.

    Raises:
        NoStarError: too few defined pixels, or no star among them.
    """
    columns, rows, levels = _pixels_around(pixels, x, y, radius_px)
    if levels.size < _LEAST_PIXELS:
        raise NoStarError("There are too few pixels with data around this position.")
    start = _first_guess(columns, rows, levels, (x, y), radius_px)
    lower = [x - radius_px, y - radius_px, _LEAST_FWHM_PX, 0.0, -np.inf]
    upper = [x + radius_px, y + radius_px, 2 * radius_px, np.inf, np.inf]
    if model == "moffat":
        start, lower, upper = [*start, _BETA_START], [*lower, _BETA_LIMITS[0]], [*upper, _BETA_LIMITS[1]]
    shape = _SHAPES[model]
    # Levels of about 1, as the positions are: the solver's steps are then right for all.
    unit = max(start[3], float(np.finfo(np.float32).tiny))
    scales = np.array([1.0, 1.0, 1.0, unit, unit, 1.0][: len(start)])

    def misfit(scaled: FloatArray) -> FloatArray:
        centre_x, centre_y, fwhm, peak, background, *beta = scaled * scales
        squared = (columns - centre_x) ** 2 + (rows - centre_y) ** 2
        left: FloatArray = (background + peak * shape(squared, fwhm, *beta) - levels) / unit
        return left

    solution = least_squares(misfit, np.array(start) / scales, bounds=(lower / scales, upper / scales))
    centre_x, centre_y, fwhm, peak, background, *beta = (solution.x * scales).tolist()
    residual = unit * float(np.sqrt(np.mean(solution.fun**2)))
    light = peak * shape((columns - centre_x) ** 2 + (rows - centre_y) ** 2, fwhm, *beta)
    if math.dist((centre_x, centre_y), (x, y)) > radius_px / 2 or fwhm > radius_px * 1.5:
        raise NoStarError("The brightest light around this position is not a star in its middle.")
    if not float(np.linalg.norm(light)) > _LEAST_SIGNIFICANCE * residual:
        raise NoStarError("No star stands out of the sky at this position.")
    return StarFit(
        x=centre_x,
        y=centre_y,
        fwhm_px=fwhm,
        peak=peak,
        background=background,
        beta=beta[0] if beta else None,
        residual=residual,
    )


def radial_profile(pixels: Pixels, x: float, y: float, *, radius_px: float) -> RadialProfile:
    """Return the light by distance from a position, out to `radius_px`.

    Args:
        pixels: shape (rows, columns), any real type; not modified. NaN and infinite pixels are left out.
        x: of the centre.
        y: of the centre.
        radius_px: how far pixels count.
    """
    columns, rows, levels = _pixels_around(pixels, x, y, radius_px)
    distances = np.hypot(columns - x, rows - y)
    order = np.argsort(distances, kind="stable")
    distances, levels = distances[order], levels[order]
    rings = distances.astype(np.intp)
    counts = np.bincount(rings)
    filled = counts > 0
    return RadialProfile(
        radii_px=distances,
        values=levels,
        ring_radii_px=np.bincount(rings, weights=distances)[filled] / counts[filled],
        ring_means=np.bincount(rings, weights=levels)[filled] / counts[filled],
    )


def _pixels_around(pixels: Pixels, x: float, y: float, radius_px: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return column, row and level of every defined pixel within the radius."""
    first_row, first_column = max(0, math.ceil(y - radius_px)), max(0, math.ceil(x - radius_px))
    cutout = pixels[
        first_row : max(first_row, math.floor(y + radius_px) + 1),
        first_column : max(first_column, math.floor(x + radius_px) + 1),
    ].astype(np.float64)
    rows, columns = np.mgrid[0.0 : cutout.shape[0], 0.0 : cutout.shape[1]]
    rows += first_row
    columns += first_column
    counts = np.isfinite(cutout) & ((columns - x) ** 2 + (rows - y) ** 2 <= radius_px**2)
    return columns[counts], rows[counts], cutout[counts]


def _first_guess(
    columns: FloatArray, rows: FloatArray, levels: FloatArray, near: tuple[float, float], radius_px: float
) -> list[float]:
    """Return centre, width, height and sky: the middle of the light near the position, as wide as its bright half."""
    background = float(np.median(levels))
    noise = mad_sigma(levels)
    central = np.hypot(columns - near[0], rows - near[1]) <= max(radius_px / 2, 1.5)
    light = np.where(central, levels - background - noise, 0.0).clip(min=0.0)
    total = float(light.sum())
    if not total > 0:
        raise NoStarError("No star stands out of the sky at this position.")
    peak = float(light.max())
    bright_area_px = int(np.count_nonzero(light > peak / 2))
    fwhm = min(max(2 * math.sqrt(bright_area_px / math.pi), 1.0), 1.9 * radius_px)
    return [float(columns @ light) / total, float(rows @ light) / total, fwhm, peak, background]


def _moffat(squared_distance: FloatArray, fwhm: float, beta: float) -> FloatArray:
    return (1 + 4 * squared_distance / fwhm**2 * (2 ** (1 / beta) - 1)) ** -beta


def _gaussian(squared_distance: FloatArray, fwhm: float) -> FloatArray:
    profile: FloatArray = np.exp(-0.5 * squared_distance * (gaussian_sigma_to_fwhm / fwhm) ** 2)
    return profile


_SHAPES: dict[Model, Callable[..., FloatArray]] = {"moffat": _moffat, "gaussian": _gaussian}
