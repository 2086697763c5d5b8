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
from datalab.astro.pixels.sharp_stars import WELL_SAMPLED_FWHM_PX, without_stars
from datalab.astro.robust import mad_sigma
from datalab.astro.types import Mask, Pixels

#: Rows worked on at once, and rows around them that may have a say: the largest filter of the algorithm reaches
#: 3 pixels, and each iteration starts from the result of the one before. A whole image would take 100 bytes a pixel.
_BAND_ROWS, _MARGIN_ROWS = 512, 40
#: Side of the largest median filter of the algorithm; astroscrappy writes beyond the ends of smaller images.
_LEAST_SIDE = 7
#: Pixels the image is mirrored by beyond its edges: the library looks at none that have fewer than 3 beside them.
_MIRRORED_PX = 5
#: Squares of more are beyond float32, in which the library calculates; such pixels are as good as blank.
_MOST_ELECTRONS = 1e18
#: No detector has less noise than this (electrons): counts with less are a rate, an average or otherwise scaled, and
#: their gain is not what the header says. They are taken to have the noise of usual exposures.
_LEAST_NOISE_E, _USUAL_NOISE_E = 1.0, 5.0
_ROUNDING_NOISE_ADU = 1.0 / math.sqrt(12.0)
#: An hour above the atmosphere hits 1 to 2 % of the pixels of a detector; what is found in more is something else.
_MOST_HIT = 0.04
#: Rows the noise is measured in, spread over the image: a million pixels give it to 0.2 %.
_NOISE_ROWS = 256


class CosmicRayError(ValueError):
    """Cosmic rays cannot be told from what else is in an image; the text says why."""


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
    """The image, and which of its pixels (rows, columns) were hit and replaced; all others are as they were.

    `notes` say what is doubtful about it.
    """

    pixels: Pixels
    hit: Mask
    notes: tuple[str, ...] = ()


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
    star_fwhm_px: float = math.nan,
    progress: Callable[[float], None] = lambda _: None,
) -> CleanedImage:
    """Find the pixels that cosmic rays hit, and replace them by the mean of their neighbours.

    Saturated pixels, and what they bleed into, are left alone, and so are images of less than 7 pixels a side; blank
    (not finite) pixels stay so. The zero level of the counts need not be known: it is the one at which the noise that
    gain and read noise foretell is the noise the image has, so raw, reduced and sky-subtracted images work alike.

    Where stars are narrower than 2.2 pixels, what has their shape is left alone as well.

    Args:
        pixels: shape (rows, columns), any type, which the result has too.
        detector: gain, read noise and saturation level.
        settings: what counts as a cosmic ray.
        star_fwhm_px: the width of the stars, NaN if unknown.
        progress: called with the fraction done.

    Raises:
        CosmicRayError: more was found than cosmic rays can be.
    """
    cleaned, hit = pixels.copy(), np.zeros(pixels.shape, dtype=bool)
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.abs(pixels) < _MOST_ELECTRONS / max(detector.gain_e_per_adu, 1.0)  # not if NaN
    if not finite.any() or min(pixels.shape) < _LEAST_SIDE:
        return CleanedImage(
            pixels=cleaned, hit=hit, notes=("No cosmic rays were looked for: too few pixels have data",)
        )
    level = float(np.median(pixels[finite]))
    noise_adu = _pixel_noise(pixels, finite)
    if not noise_adu > 0.0:
        return CleanedImage(pixels=cleaned, hit=hit, notes=("No cosmic rays were looked for: the image has no noise",))
    noise, notes = _noise_model(noise_adu, level, detector)
    if beyond := np.count_nonzero(np.isfinite(pixels) & ~finite):
        notes = (*notes, f"{beyond} pixels have values that no detector counts, and were left alone")
    rows = pixels.shape[0]
    _use_one_thread()
    for start, stop in bands(rows, _BAND_ROWS):
        first, last = max(0, start - _MARGIN_ROWS), min(rows, stop + _MARGIN_ROWS)
        with np.errstate(over="ignore"):
            electrons = (np.where(finite[first:last], pixels[first:last], level) - noise.zero_level) * noise.gain
        usable = finite[first:last] & (np.abs(electrons) < _MOST_ELECTRONS)
        found, mended = detect_cosmics(
            _mirrored(np.where(usable, electrons, 0.0).astype(np.float32)),
            inmask=_mirrored(~usable),
            sigclip=settings.sigma_clip,
            sigfrac=settings.neighbour_fraction,
            objlim=settings.object_contrast,
            gain=1.0,
            readnoise=noise.read_noise_e,
            satlevel=(detector.saturation_adu - noise.zero_level) * noise.gain,
            niter=settings.iterations,
        )
        found, mended = _within(found), _within(mended)
        own = slice(start - first, stop - first)
        hit[start:stop] = found[own] & usable[own]
        replacement = mended[own][hit[start:stop]] / noise.gain + noise.zero_level
        cleaned[start:stop][hit[start:stop]] = _as_type(replacement, pixels.dtype)
        progress(stop / rows)
    if star_fwhm_px < WELL_SAMPLED_FWHM_PX:
        hit = without_stars(hit, pixels, fwhm_px=star_fwhm_px, noise=noise_adu)
        cleaned = np.where(hit, cleaned, pixels)
        notes = (
            *notes,
            f"Stars are about {star_fwhm_px:.1f} px wide, as sharp as cosmic rays: what has their shape was left alone",
        )
    share = np.count_nonzero(hit) / np.count_nonzero(finite)
    if share > _MOST_HIT:
        raise CosmicRayError(
            f"{100.0 * share:.0f} % of its pixels would be taken for cosmic rays, which are a few per cent at most: "
            "its noise is not what gain and read noise tell, or it is full of structures as sharp as they are"
        )
    return CleanedImage(pixels=cleaned, hit=hit, notes=notes)


def _mirrored(image: Any) -> Any:
    return np.ascontiguousarray(np.pad(image, _MIRRORED_PX, mode="reflect"))


def _within(image: Any) -> Any:
    return image[_MIRRORED_PX:-_MIRRORED_PX, _MIRRORED_PX:-_MIRRORED_PX]


def _use_one_thread() -> None:
    """Keep OpenMP from starting threads: a process forked from one that has used them hangs at its own first use."""
    set_threads = getattr(ctypes.CDLL(median_utils.__file__), "omp_set_num_threads", None)
    if set_threads is not None:  # there are builds without OpenMP
        set_threads(1)


def _noise_model(noise_adu: float, level: float, detector: Detector) -> tuple[_NoiseModel, tuple[str, ...]]:
    """Return what noise is to be expected, from that of the sky, and notes if the gain cannot be that of the counts."""
    gain = detector.gain_e_per_adu
    noise_e = noise_adu * gain
    if noise_e < _LEAST_NOISE_E:
        note = (
            f"The noise of the sky is {noise_e:.2g} electrons by the gain, less than any detector has: the gain is not "
            "that of these counts, and noise was judged by the sky alone"
        )
        usual = _NoiseModel(zero_level=level, gain=_USUAL_NOISE_E / noise_adu, read_noise_e=_USUAL_NOISE_E)
        return usual, (note,)
    # An average of frames, for one, has less noise than a single read-out.
    read_noise_e = min(detector.read_noise_e, noise_e)
    sky_e = noise_e**2 - read_noise_e**2
    return _NoiseModel(zero_level=level - sky_e / gain, gain=gain, read_noise_e=read_noise_e), ()


def _pixel_noise(pixels: Pixels, known: Mask) -> float:
    """Return the noise of the sky from differences of neighbours, in which gradients and all but few stars vanish.

    Where most pixels are the same, filled in by a program, it is that of the others; 0 if there are none.
    """
    every = max(1, len(pixels) // _NOISE_ROWS)
    sample = np.where(known[::every], pixels[::every], np.nan).astype(np.float64)
    differences = np.diff(sample, axis=1)
    differences = differences[np.isfinite(differences)]
    noise = mad_sigma(differences) / math.sqrt(2.0) if differences.size else 0.0
    if pixels.dtype.kind in "iu":
        return max(noise, _ROUNDING_NOISE_ADU) if differences.any() else 0.0
    if noise == 0.0 and differences.any():
        return mad_sigma(differences[differences != 0.0]) / math.sqrt(2.0)
    return noise


def _as_type(values: Pixels, dtype: np.dtype[Any]) -> Pixels:
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(dtype)
