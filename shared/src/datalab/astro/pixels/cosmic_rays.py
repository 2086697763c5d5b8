"""Finding cosmic rays in a single image, and mending what they hit.

L.A.Cosmic (P. G. van Dokkum, PASP 113, 1420, 2001) as the library astroscrappy computes it (C. McCully et al., 2018).
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from astroscrappy import detect_cosmics
from astroscrappy.utils import median_utils

from datalab.astro.headers.detector import Detector
from datalab.astro.pixels.geometry import bands
from datalab.astro.robust import mad_sigma
from datalab.astro.types import Mask, Pixels

#: Rows worked on at once, and rows around them that may have a say: the largest filter of the algorithm reaches
#: 3 pixels, and each iteration starts from the result of the one before. A whole image would take 100 bytes a pixel.
_BAND_ROWS, _MARGIN_ROWS = 512, 40
#: Side of the largest median filter of the algorithm; astroscrappy writes beyond the ends of smaller images.
_LEAST_SIDE = 7
#: Squares of more are beyond float32, in which the library calculates; such pixels are as good as blank.
_MOST_ELECTRONS = 1e18
#: Rows the noise is measured in, spread over the image: a million pixels give it to 0.2 %.
_NOISE_ROWS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class CosmicRaySettings:
    """What counts as a cosmic ray.

    `sigma_clip`: how far above the noise its sharp edge stands; `neighbour_fraction`: of that limit, for pixels beside
    one that was found; `object_contrast`: how much sharper than a star it is, higher spares narrower stars;
    `iterations`: after each, what was found is mended and the rest looked at again.
    """

    sigma_clip: float = 4.5
    neighbour_fraction: float = 0.3
    object_contrast: float = 5.0
    iterations: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanedImage:
    """The image, and which of its pixels (rows, columns) were hit and replaced; all others are as they were."""

    pixels: Pixels
    hit: Mask


@dataclass(frozen=True, slots=True)
class _NoiseModel:
    """Electrons = gain (counts - zero level); their variance = electrons + read noise squared."""

    zero_level: float
    gain: float
    read_noise_e: float


def remove_cosmic_rays(
    pixels: Pixels,
    *,
    detector: Detector,
    settings: CosmicRaySettings = CosmicRaySettings(),
    progress: Callable[[float], None] = lambda _: None,
) -> CleanedImage:
    """Find the pixels that cosmic rays hit, and replace them by the mean of their neighbours.

    Saturated pixels, and what they bleed into, are left alone, and so are images of less than 7 pixels a side; blank
    (not finite) pixels stay so. The zero level of the counts need not be known: it is the one at which the noise that
    gain and read noise foretell is the noise the image has, so raw, reduced and sky-subtracted images work alike.

    Args:
        pixels: shape (rows, columns), any type, which the result has too.
        detector: gain, read noise and saturation level.
        settings: what counts as a cosmic ray.
        progress: called with the fraction done.
    """
    cleaned, hit = pixels.copy(), np.zeros(pixels.shape, dtype=bool)
    finite = np.isfinite(pixels)
    if not finite.any() or min(pixels.shape) < _LEAST_SIDE:
        return CleanedImage(pixels=cleaned, hit=hit)
    level = float(np.median(pixels[finite]))
    noise = _noise_model(pixels, level, detector)
    if not abs(noise.zero_level) * noise.gain < _MOST_ELECTRONS:
        return CleanedImage(pixels=cleaned, hit=hit)
    rows = pixels.shape[0]
    _use_one_thread()
    for start, stop in bands(rows, _BAND_ROWS):
        first, last = max(0, start - _MARGIN_ROWS), min(rows, stop + _MARGIN_ROWS)
        with np.errstate(over="ignore"):
            electrons = (np.where(finite[first:last], pixels[first:last], level) - noise.zero_level) * noise.gain
        usable = finite[first:last] & (np.abs(electrons) < _MOST_ELECTRONS)
        found, mended = detect_cosmics(
            np.where(usable, electrons, 0.0).astype(np.float32),
            inmask=~usable,
            sigclip=settings.sigma_clip,
            sigfrac=settings.neighbour_fraction,
            objlim=settings.object_contrast,
            gain=1.0,
            readnoise=noise.read_noise_e,
            satlevel=(detector.saturation_adu - noise.zero_level) * noise.gain,
            niter=settings.iterations,
        )
        own = slice(start - first, stop - first)
        hit[start:stop] = found[own] & usable[own]
        replacement = mended[own][hit[start:stop]] / noise.gain + noise.zero_level
        cleaned[start:stop][hit[start:stop]] = _as_type(replacement, pixels.dtype)
        progress(stop / rows)
    return CleanedImage(pixels=cleaned, hit=hit)


def _use_one_thread() -> None:
    """Keep OpenMP from starting threads: a process forked from one that has used them hangs at its own first use."""
    set_threads = getattr(ctypes.CDLL(median_utils.__file__), "omp_set_num_threads", None)
    if set_threads is not None:  # there are builds without OpenMP
        set_threads(1)


def _noise_model(pixels: Pixels, level: float, detector: Detector) -> _NoiseModel:
    noise_e = _pixel_noise(pixels) * detector.gain_e_per_adu
    # An average of frames, for one, has less noise than a single read-out.
    read_noise_e = min(detector.read_noise_e, noise_e)
    sky_e = noise_e**2 - read_noise_e**2
    return _NoiseModel(
        zero_level=level - sky_e / detector.gain_e_per_adu, gain=detector.gain_e_per_adu, read_noise_e=read_noise_e
    )


def _pixel_noise(pixels: Pixels) -> float:
    """Return the noise of the sky from differences of neighbours, in which gradients and all but few stars vanish."""
    sample = pixels[:: max(1, len(pixels) // _NOISE_ROWS)]
    differences = np.diff(sample.astype(np.float64), axis=1)
    differences = differences[np.isfinite(differences)]
    if differences.size == 0:
        return 0.0
    return mad_sigma(differences) / math.sqrt(2.0)


def _as_type(values: Pixels, dtype: np.dtype[Any]) -> Pixels:
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(dtype)
