"""Aperture photometry of stars in one image: their light, less the sky around them, and how certain it is.

Positions are counted as in `neighbourhoods`: the centre of pixel [0, 0] is (0.5, 0.5).

References:
    Howell, "Handbook of CCD Astronomy", chapter 5 (aperture sum); Merline & Howell 1995, Experimental Astronomy 6, 163
    (uncertainty); Collins et al. 2017, AJ 153, 77 (AstroImageJ, whose numbers users compare with).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from datalab.astro.photometry.local_sky import Annulus, Backgrounds, backgrounds
from datalab.astro.photometry.neighbourhoods import (
    HALF_DIAGONAL_PX,
    NO_TRAIL,
    Trail,
    batches,
    offsets_between,
    pixels_around,
    positions,
)
from datalab.astro.types import FloatArray, IntArray, Pixels

#: Clipping takes more of the longer upper tail of photon noise than of the lower one: the mean of what is left is too
#: low by this times skewness times standard deviation, if that is taken from the pixels left. Measured on simulated
#: skies of 20 to 2000 electrons with 0 to 10 of read noise; third moment and a single pass explain half of it.
_CLIPPED_TAIL = 0.35
#: Standard deviation of normal noise clipped at 2 sigma, once: sqrt(1 - 2 * 2 * phi(2) / (2 Phi(2) - 1)).
_CLIPPED_SCATTER = 0.8796
#: Clipping leaves some of faint stars and of the sky's slope: a larger variance than this many times what is explained
#: is taken for real.
_MORE_THAN_EXPLAINED = 1.5
#: Pixels at the rim of an aperture count by the share of a grid of 5 x 5 points that lies inside.
_SUBPIXELS = 5
#: The variance of rounding to whole counts, 0.289**2, as Merline & Howell have it.
_ROUNDING_VARIANCE = 0.083521


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelNoise:
    """What a detector adds to the light: gain in electrons per count, read noise and dark in electrons per pixel.

    A gain that is not known is taken from the scatter of the sky where that is larger than the sky's photon noise.

    Raises:
        ValueError: the gain is not positive.
    """

    gain_e: float = 1.0
    read_noise_e: float = 0.0
    dark_e: float = 0.0
    gain_is_known: bool = True

    def __post_init__(self) -> None:
        if not self.gain_e > 0:
            raise ValueError(f"a gain of {self.gain_e} electrons per count is not positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApertureSums:
    """Light in circular apertures, arrays of shape (n,).

    `net` and `sigma` in counts, sky subtracted; NaN where a pixel of the aperture is blank or off the image, or where
    there is no sky to subtract. `area_px` is the number of pixels summed; `peak` the brightest that counts fully or in
    part. `pixel_sigma` is the noise of a pixel of the sky, in counts; `gain_e` are the electrons per count that `sigma`
    was found with.
    """

    net: FloatArray
    sigma: FloatArray
    area_px: FloatArray
    background: FloatArray
    n_background_px: IntArray
    peak: FloatArray
    pixel_sigma: FloatArray
    gain_e: FloatArray


def measure(
    pixels: Pixels, x: ArrayLike, y: ArrayLike, *, radius_px: float, annulus: Annulus, noise: PixelNoise
) -> ApertureSums:
    """Sum the light of stars in circles around their positions, less the sky of their annuli; in pills around trails.

    The mean of a clipped sky is too low, as photon noise has its longer tail above; this is corrected for.

    A sky below zero (of images whose sky was subtracted) is subtracted as it is: taken for zero, as AstroImageJ does,
    it would make every star there too faint. It adds no photon noise.

    Args:
        pixels: shape (rows, columns), counts.
        x: columns of the centres, shape (n,).
        y: rows, likewise.
        radius_px: of the aperture, above 0.
        annulus: where the sky is; its trail is the aperture's too.
        noise: of the detector.
    """
    x, y = positions(x, y)
    sky = backgrounds(pixels, x, y, annulus)
    level = _without_clipping_bias(sky, noise) if annulus.clipped else sky.mean
    total, area, peak = np.empty(x.size), np.empty(x.size), np.empty(x.size)
    near = aperture_offsets(radius_px, annulus.trail)
    for part in batches(x.size, near[0].size):
        values, dx, dy = pixels_around(pixels, x[part], y[part], near)
        share = overlap_fractions(dx, dy, radius_px, annulus.trail)
        light = np.where(share > 0.0, values, 0.0)  # a blank pixel outside must not count as NaN x 0
        total[part] = (light * share).sum(axis=1)
        area[part] = share.sum(axis=1)
        peak[part] = np.where(share > 0.0, values, -np.inf).max(axis=1)
    has_sky = (sky.n_pixels > 0) | (annulus.outer_px <= annulus.inner_px)
    net = np.where(has_sky, total - level * area, np.nan)
    variance = pixel_variance(sky, level, noise)
    gain_e = np.full(x.size, noise.gain_e)
    if not noise.gain_is_known:
        gain_e = np.where(level > 0.0, np.minimum(gain_e, np.maximum(level, 0.0) / np.maximum(variance, 1e-30)), gain_e)
    variance_of_all = area * (1.0 + area / np.maximum(sky.n_pixels, 1)) * variance + np.maximum(net, 0.0) / gain_e
    return ApertureSums(
        net=net,
        sigma=np.sqrt(variance_of_all),
        area_px=area,
        background=level,
        n_background_px=sky.n_pixels,
        peak=peak,
        pixel_sigma=np.sqrt(variance),
        gain_e=gain_e,
    )


def pixel_variance(sky: Backgrounds, level: FloatArray, noise: PixelNoise) -> FloatArray:
    """Return the variance of a pixel of the sky in counts squared, shape (n,): what the detector explains, or more.

    More where the sky scatters clearly more: because the gain is not what the header says, or counts were multiplied.
    """
    explained: FloatArray = _pixel_variance_e2(level, noise) / noise.gain_e**2
    measured = (sky.scatter / _CLIPPED_SCATTER) ** 2
    variance: FloatArray = np.where(measured > _MORE_THAN_EXPLAINED * explained, measured, explained)
    return variance


def net_uncertainty(
    net: ArrayLike, *, background: ArrayLike, area_px: ArrayLike, n_background_px: ArrayLike, noise: PixelNoise
) -> FloatArray:
    """Return the standard deviation, in counts, of aperture sums with the sky subtracted.

    Photon noise of star, sky and dark, read noise, rounding to counts, and the uncertainty of the sky's mean.

    Args:
        net: the sums, counts; shot noise of negative ones is 0.
        background: sky level, counts per pixel.
        area_px: of the aperture.
        n_background_px: how many pixels the sky is the mean of; at least 1 is used.
        noise: of the detector.

    References:
        Merline & Howell 1995, equation 25.
    """
    area = np.asarray(area_px, np.float64)
    pixels_of_noise = area * (1.0 + area / np.maximum(n_background_px, 1))
    variance_e2 = np.maximum(net, 0.0) * noise.gain_e + pixels_of_noise * _pixel_variance_e2(background, noise)
    sigma: FloatArray = np.sqrt(variance_e2) / noise.gain_e
    return sigma


def aperture_offsets(radius_px: float, trail: Trail = NO_TRAIL) -> tuple[IntArray, IntArray]:
    """Return the columns and rows, from the pixel with a position in it, of all pixels an aperture may touch."""
    return offsets_between(0.0, radius_px + trail.half_length_px + 2 * HALF_DIAGONAL_PX)


def overlap_fractions(dx: FloatArray, dy: FloatArray, radius_px: float, trail: Trail = NO_TRAIL) -> FloatArray:
    """Return how much of each pixel lies in a circle, by 5 x 5 points in the pixels its rim may cross.

    Args:
        dx: from the circle's centre to the pixels' centres, any shape.
        dy: likewise.
        radius_px: of the circle.
        trail: makes a pill of it.
    """
    distance = trail.distances(dx, dy)
    fractions = (distance < radius_px).astype(np.float64)
    rim = np.abs(distance - radius_px) < HALF_DIAGONAL_PX
    points = (np.arange(_SUBPIXELS) + 0.5) / _SUBPIXELS - 0.5
    at_x, at_y = dx[rim][:, None, None] + points, dy[rim][:, None, None] + points[:, None]
    squared = trail.distances(at_x, at_y) ** 2 if trail.half_length_px else at_x**2 + at_y**2
    # hypot before comparing would cost more; a point on the rim counts, also after rounding.
    fractions[rim] = (squared <= radius_px**2 * (1.0 + 4 * np.finfo(np.float64).eps)).mean(axis=(1, 2))
    return fractions


def _pixel_variance_e2(background: ArrayLike, noise: PixelNoise) -> FloatArray:
    sky_e = np.maximum(background, 0.0) * noise.gain_e
    variance: FloatArray = sky_e + noise.dark_e + noise.read_noise_e**2 + noise.gain_e**2 * _ROUNDING_VARIANCE
    return variance


def _without_clipping_bias(sky: Backgrounds, noise: PixelNoise) -> FloatArray:
    """Return the level of the sky, given its clipped mean.

    In the mean of n images, third moment over variance is n times smaller, as the variance is; so what scatters less
    than one exposure is corrected less.
    """
    variance_e2 = _pixel_variance_e2(sky.mean, noise)
    # Third moment over variance, in counts: that of Poisson noise over that of all noise.
    asymmetry = np.maximum(sky.mean, 0.0) / variance_e2
    smoothed = np.minimum(1.0, sky.scatter**2 * noise.gain_e**2 / variance_e2)
    level: FloatArray = sky.mean + _CLIPPED_TAIL * asymmetry * smoothed
    return level
