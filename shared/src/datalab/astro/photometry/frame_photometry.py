"""Photometry of a target and of the stars it may be compared with, on one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datalab.astro.headers.detector import Detector
from datalab.astro.photometry.aperture import ApertureSums, PixelNoise, measure
from datalab.astro.photometry.aperture_geometry import ApertureGeometry
from datalab.astro.photometry.centroids import Centroids, centroids
from datalab.astro.photometry.local_sky import Annulus
from datalab.astro.types import FloatArray, Pixels

#: A centre further from where the WCS has the star is another star's.
_MOST_SHIFT_PX = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePhotometry:
    """Counts and positions (pixel i covers [i, i + 1)), shape (1 + stars,), of the target and then of the stars.

    NaN is what could not be measured. `target_notes` say what is special about the target on this frame.
    """

    x: FloatArray
    y: FloatArray
    net: FloatArray
    sigma: FloatArray
    target_notes: tuple[str, ...]


def measure_frame(
    pixels: Pixels,
    geometry: ApertureGeometry,
    detector: Detector,
    *,
    target: tuple[float, float],
    stars_ra_deg: FloatArray,
    stars_dec_deg: FloatArray,
) -> FramePhotometry:
    """Measure at the centres of light next to where the WCS has the target and the stars.

    A target without such a centre within 6 px is measured where the WCS has it: a faint one is worth a limit. A star
    without, a saturated one, and one too close to the target or to the edge is not measured.

    Args:
        pixels: shape (rows, columns), counts.
        geometry: of the frame.
        detector: of the frame.
        target: right ascension and declination, ICRS degrees.
        stars_ra_deg: likewise, shape (stars,).
        stars_dec_deg: likewise.
    """
    x, y = geometry.positions(np.append(target[0], stars_ra_deg), np.append(target[1], stars_dec_deg))
    wanted = np.isfinite(x) & np.isfinite(y)
    wanted[1:] &= geometry.suits_comparison(x[1:], y[1:], x[0], y[0])
    at = np.flatnonzero(wanted)
    radii = geometry.radii_px
    annulus = Annulus(inner_px=radii.inner, outer_px=radii.outer)
    found = centroids(pixels, x[at], y[at], radius_px=radii.aperture, annulus=annulus)
    shift = np.hypot(found.x - x[at], found.y - y[at])
    centred = found.success & (shift <= _MOST_SHIFT_PX)
    sums = measure(
        pixels,
        np.where(centred, found.x, x[at]),
        np.where(centred, found.y, y[at]),
        radius_px=radii.aperture,
        annulus=annulus,
        noise=PixelNoise(gain_e=detector.gain_e_per_adu, read_noise_e=detector.read_noise_e),
    )
    saturated = sums.peak >= detector.saturation_adu
    good = (at == 0) | (centred & ~saturated)
    result = np.full((4, x.size), np.nan)
    result[:, at[good]] = np.stack(
        [np.where(centred, found.x, x[at]), np.where(centred, found.y, y[at]), sums.net, sums.sigma]
    )[:, good]
    notes = _target_notes(found, sums, shift, detector) if wanted[0] else ("The target is not on this image.",)
    return FramePhotometry(x=result[0], y=result[1], net=result[2], sigma=result[3], target_notes=notes)


def _target_notes(found: Centroids, sums: ApertureSums, shift: FloatArray, detector: Detector) -> tuple[str, ...]:
    notes = []
    if not found.success[0]:
        notes.append(f"The target was measured at its WCS position: {found.messages[0]}")
    elif shift[0] > _MOST_SHIFT_PX:
        notes.append(f"The target was measured at its WCS position: the nearest centroid is {shift[0]:.1f} px away.")
    if sums.peak[0] >= detector.saturation_adu:
        notes.append(f"The target is saturated: a pixel has {sums.peak[0]:.0f} counts.")
    if not np.isfinite(sums.net[0]):
        notes.append("The target has no counts: pixels of its aperture or all of its sky are blank or off the image.")
    return tuple(notes)
