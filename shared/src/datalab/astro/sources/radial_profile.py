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
from datalab.astro.types import FloatArray, Mask, Pixels

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
#: A star's brightest pixels are clipped if so many are equal: noise leaves no two alike but where counts are few.
_EQUAL_PIXELS, _EQUAL_PIXELS_OF_FEW_COUNTS, _FEW_COUNTS = 2, 4, 1000.0
#: Or if more have nearly (this part of) the peak's light than a star of that width has: a Gaussian has 0.02 FWHM^2.
_NEARLY_PEAK, _NEARLY_PEAK_AREA, _NEARLY_PEAK_PIXELS = 0.98, 0.1, 4
#: Without its brightest pixels a star is still measured if its width is as certain as this.
_MOST_RELATIVE_ERROR = 0.15


class NoStarError(ValueError):
    """There is no star to be measured; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StarFit:
    """A round star as fitted. `peak` is the model's height above `background`; `beta` is Moffat's exponent, if used.

    `residual` is the root mean square of what the model leaves, in the units of the image; `noise` that of the sky.
    `clipped_pixels` are those that are as bright as the detector tells, and were left out.
    """

    x: float
    y: float
    fwhm_px: float
    peak: float
    background: float
    beta: float | None
    residual: float
    noise: float
    clipped_pixels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RadialProfile:
    """Light by distance from a centre: each pixel by itself, and the mean of rings one pixel wide.

    `radii_px` and `values` are sorted by distance; `ring_radii_px` are the mean distances of the pixels of a ring.
    """

    radii_px: FloatArray
    values: FloatArray
    ring_radii_px: FloatArray
    ring_means: FloatArray


def fit_star(
    pixels: Pixels,
    x: float,
    y: float,
    *,
    radius_px: float,
    model: Model = "moffat",
    saturation: float = math.inf,
) -> StarFit:
    """Fit a round star and a flat sky to the pixels within `radius_px` of a position.

    Args:
        pixels: shape (rows, columns), any real type; not modified. NaN and infinite pixels are left out.
        x: where the star is, to within a third of the radius.
        y: likewise.
        radius_px: how far pixels count; two or three times the star's width is right.
        model: the shape of the star.
        saturation: the level from which pixels are clipped, in the units of the image. A flat top is seen without it.

    Raises:
        NoStarError: too few defined pixels, no star among them, or one of which too much is clipped.
    """
    columns, rows, levels = _pixels_around(pixels, x, y, radius_px)
    clipped = levels >= min(
        saturation,
        _flat_top(levels, np.hypot(columns - x, rows - y) <= max(radius_px / 2, 1.5), whole=pixels.dtype.kind in "iub"),
    )
    centre_of_clipped = (float(columns[clipped].mean()), float(rows[clipped].mean())) if clipped.any() else None
    noise = mad_sigma(levels) if levels.size else 0.0
    columns, rows, levels = columns[~clipped], rows[~clipped], levels[~clipped]
    if levels.size < _LEAST_PIXELS:
        raise NoStarError("There are too few pixels with data around this position.")
    start = _first_guess(columns, rows, levels, (x, y), radius_px)
    if centre_of_clipped is not None:
        start[0], start[1] = centre_of_clipped
        start[2] = min(max(start[2], 2.0 * math.sqrt(np.count_nonzero(clipped) / math.pi)), 1.9 * radius_px)
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
    if clipped.any() and not _is_certain(solution.jac, solution.fun, fwhm):
        raise NoStarError("The star is clipped: too many of its brightest pixels are as bright as the detector tells.")
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
        noise=noise,
        clipped_pixels=int(np.count_nonzero(clipped)),
    )


def _flat_top(levels: FloatArray, central: Mask, *, whole: bool) -> float:
    """Return the level at which the light of the star in the middle is clipped, infinite if it is not.

    Args:
        levels: shape (n,).
        central: which of them are in the middle, (n,).
        whole: they are whole counts.
    """
    if not central.any():
        return math.inf
    sky = float(np.median(levels))
    light = levels[central] - sky
    peak = float(light.max())
    if not peak > 5.0 * mad_sigma(levels):
        return math.inf
    equal = int(np.count_nonzero(light == peak))
    few = whole and peak < _FEW_COUNTS
    if equal >= (_EQUAL_PIXELS_OF_FEW_COUNTS if few else _EQUAL_PIXELS):
        return sky + peak
    fwhm2 = 4.0 * np.count_nonzero(light > peak / 2) / math.pi
    nearly = light >= _NEARLY_PEAK * peak
    noise_of_light = mad_sigma(levels) / peak
    if (
        noise_of_light < 1.0 - _NEARLY_PEAK
        and np.count_nonzero(nearly) >= _NEARLY_PEAK_PIXELS + _NEARLY_PEAK_AREA * fwhm2
    ):
        return sky + float(light[nearly].min())
    return math.inf


def _is_certain(jacobian: FloatArray, misfits: FloatArray, fwhm: float) -> bool:
    """Tell whether a fit tells the width: its standard error, from what the model leaves, is small."""
    try:
        covariance = np.linalg.inv(jacobian.T @ jacobian)
    except np.linalg.LinAlgError:
        return False
    degrees = max(len(misfits) - jacobian.shape[1], 1)
    variance = float(covariance[2, 2]) * float(np.sum(misfits**2)) / degrees
    return bool(0.0 <= variance < (_MOST_RELATIVE_ERROR * fwhm) ** 2)


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
