"""How sharp sources are: what is sharper than the optics and the air make a star is none.

The brightest pixel of a source is compared with two pixels beside it, in each of four directions. A star's light falls
off to both sides as its width tells, in every direction; a cosmic ray's falls off to nothing across its track, a hot
pixel's all around it. What is long, like the trail of a star, is as wide across as a star and not taken for either.

The idea of judging by the finest structure is that of P. G. van Dokkum 2001, PASP 113, 1420.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from datalab.astro.robust import FWHM_PER_SIGMA
from datalab.astro.sources.detection import Frame
from datalab.astro.types import FloatArray, Mask

#: The pixels compared are this far away, in widths of a star, and a pixel at the least: where stars differ most from
#: what is sharper, noise counted in.
_STEP_FWHM = 0.3
#: Pairs of pixels: the direction (rows, columns) to one of them; the other is as far on the other side.
_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
#: By how much (of the peak) a star may fall off more than a Gaussian of its width: stars of one image differ by a tenth
#: in width, and Moffat profiles are a little more peaked (0.02 at beta 2.5).
_MARGIN = 0.1
_LEAST_SIGNIFICANCE = 3.5
#: The variance that averaging over a square pixel adds to a profile, px^2.
_PIXEL_VARIANCE = 1.0 / 12.0


def sharpness(frame: Frame, objects: NDArray[np.void], *, fwhm_px: float) -> FloatArray:
    """Return how steeply sources fall off beside their brightest pixel, in units of a star's, (n,): about 1 for stars.

    The steepest of four directions; NaN where a source has no complete pair of neighbours.

    Args:
        frame: the image without its sky.
        objects: of sep.
        fwhm_px: the width of the stars.
    """
    relative = _contrasts(frame, objects, fwhm_px) / _of_star(fwhm_px)
    return _most(relative)


def is_sharper_than_a_star(frame: Frame, objects: NDArray[np.void], *, fwhm_px: float, gain_e_per_adu: float) -> Mask:
    """Tell which sources fall off more steeply than a star can, by more than noise explains, (n,).

    Args:
        frame: the image without its sky.
        objects: of sep.
        fwhm_px: the width of the stars.
        gain_e_per_adu: for the noise of their light.
    """
    peaks = np.maximum(_at(frame, objects, (0, 0)), np.finfo(np.float32).tiny)
    sky_noise = frame.noise[objects["ypeak"], objects["xpeak"]].astype(np.float64)
    # Of the peak itself, and of the mean of two neighbours that are as dark as the sky.
    errors = np.sqrt(1.5 * sky_noise**2 + peaks / gain_e_per_adu) / peaks
    excess = _contrasts(frame, objects, fwhm_px) - _of_star(fwhm_px) - _MARGIN
    sharp: Mask = _most(excess) > _LEAST_SIGNIFICANCE * errors
    return sharp


def _step_px(fwhm_px: float) -> int:
    return max(1, round(_STEP_FWHM * fwhm_px))


def _of_star(fwhm_px: float) -> FloatArray:
    """Return the most that a star falls off in each direction: when its middle is that of a pixel."""
    variance = (fwhm_px / FWHM_PER_SIGMA) ** 2 + _PIXEL_VARIANCE
    steps = _step_px(fwhm_px) * np.array([math.hypot(*direction) for direction in _DIRECTIONS])
    return np.asarray(1.0 - np.exp(-0.5 * steps**2 / variance))


def _contrasts(frame: Frame, objects: NDArray[np.void], fwhm_px: float) -> FloatArray:
    """Return 1 - (mean of two opposite neighbours) / peak in each direction, (n, 4); NaN where one is missing."""
    peaks = _at(frame, objects, (0, 0))
    step = _step_px(fwhm_px)
    beside = [
        0.5 * (_at(frame, objects, (step * down, step * across)) + _at(frame, objects, (-step * down, -step * across)))
        for down, across in _DIRECTIONS
    ]
    with np.errstate(invalid="ignore", divide="ignore"):
        contrasts: FloatArray = 1.0 - np.stack(beside, axis=1) / np.where(peaks > 0.0, peaks, np.nan)[:, None]
    return contrasts


def _at(frame: Frame, objects: NDArray[np.void], step: tuple[int, int]) -> FloatArray:
    """Return the light of the pixels that far from the brightest ones, NaN off the image and where it is blank."""
    rows, columns = objects["ypeak"] + step[0], objects["xpeak"] + step[1]
    height, width = frame.net.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    rows, columns = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
    found: FloatArray = np.where(inside & ~frame.blank[rows, columns], frame.net[rows, columns], np.nan).astype(
        np.float64
    )
    return found


def _most(values: FloatArray) -> FloatArray:
    """Return the greatest known value of each row, NaN where none is known."""
    most = np.where(np.isfinite(values), values, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(most), most, np.nan)
