"""Stars that are hardly wider than a pixel, told from the cosmic rays they look like.

Where optics are shorter than the pixels call for, the edges of a star are as sharp as those of a cosmic ray. What still
differs is that the light of each star falls on the pixels around its middle in the same known shares.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import find_objects, label

from datalab.astro.robust import FWHM_PER_SIGMA
from datalab.astro.types import FloatArray, Mask, Pixels

#: Below this width (FWHM, px) the method of van Dokkum takes light from stars: 72 to 100 % of them at 1.3 to 1.7 px.
WELL_SAMPLED_FWHM_PX = 2.2
#: What is left when a star's shape is fitted is this part, at the most, of what is left of a single lit pixel. For a
#: FWHM of 1.3 px the latter is 0.26 of the squared light, for a track of two pixels 0.15, for real stars 0.01 to 0.03.
_STAR_MISFIT = 0.45
#: Stars narrower than this cannot be measured: the shape of the narrowest is tried.
_LEAST_FWHM_PX = 0.9
#: Pixels from the brightest one in which the shape is compared. Of the brightest stars 40 pixels are taken for hit;
#: larger groups are no star.
_REACH_PX = 1
_LARGEST_STAR_PX = 80
#: The level of the sky is that of the ring at this distance.
_SKY_PX = 3


def without_stars(hit: Mask, pixels: Pixels, *, fwhm_px: float, noise: float) -> Mask:
    """Return which pixels were hit, without the groups that have the shape of a star, (rows, columns).

    Args:
        hit: pixels taken for cosmic rays, (rows, columns).
        pixels: the image as it was, NaN where blank.
        fwhm_px: the width of its stars.
        noise: of a pixel of the sky, in the units of the image.
    """
    sigma = max(fwhm_px, _LEAST_FWHM_PX) / FWHM_PER_SIGMA
    limit = _STAR_MISFIT * _misfit(_single_pixel(), sigma)
    groups, _ = label(hit, structure=np.ones((3, 3)))
    kept = hit.copy()
    for number, (rows, columns) in enumerate(find_objects(groups), start=1):
        own = groups[rows, columns] == number
        if np.count_nonzero(own) > _LARGEST_STAR_PX:
            continue
        light = np.where(own, pixels[rows, columns], -np.inf)
        row, column = np.unravel_index(int(np.argmax(light)), light.shape)
        patch = _patch(pixels, rows.start + int(row), columns.start + int(column))
        if patch is None:
            continue
        of_noise = patch.size * noise**2 / float(np.sum(patch**2))
        if _misfit(patch, sigma) < limit + of_noise:
            kept[rows, columns] &= ~own
    return kept


def _patch(pixels: Pixels, row: int, column: int) -> FloatArray | None:
    """Return the light around a pixel above the sky there; None at the edge, beside blanks, and where it is no peak."""
    near = pixels[max(0, row - _SKY_PX) : row + _SKY_PX + 1, max(0, column - _SKY_PX) : column + _SKY_PX + 1]
    if min(row, column) < _REACH_PX or row + _REACH_PX >= pixels.shape[0] or column + _REACH_PX >= pixels.shape[1]:
        return None
    inner = pixels[row - _REACH_PX : row + _REACH_PX + 1, column - _REACH_PX : column + _REACH_PX + 1]
    finite = near[np.isfinite(near)]
    if not np.isfinite(inner).all() or not finite.size:
        return None
    light: FloatArray = inner.astype(np.float64) - float(np.median(finite))
    return light if light[_REACH_PX, _REACH_PX] > 0.0 else None


def _single_pixel() -> FloatArray:
    alone = np.zeros((2 * _REACH_PX + 1, 2 * _REACH_PX + 1))
    alone[_REACH_PX, _REACH_PX] = 1.0
    return alone


def _misfit(light: FloatArray, sigma: float) -> float:
    """Return what is left, of the sum of squares, when the best star of that width is taken off."""
    best = 1.0
    steps = np.linspace(-0.5, 0.5, 7)
    profiles = np.stack([_shares(step, sigma) for step in steps])
    for down in profiles:
        for across in profiles:
            star = np.outer(down, across)
            height = float(np.sum(star * light)) / float(np.sum(star**2))
            if height > 0.0:
                best = min(best, float(np.sum((light - height * star) ** 2)) / float(np.sum(light**2)))
    return best


def _shares(centre: float, sigma: float) -> FloatArray:
    """Return the shares of a Gaussian's light that fall on each pixel of a row, its middle `centre` from the middle."""
    edges = np.arange(-_REACH_PX - 0.5, _REACH_PX + 1.0) - centre
    inside = [0.5 * (1.0 + math.erf(edge / (sigma * math.sqrt(2.0)))) for edge in edges]
    return np.diff(inside)
