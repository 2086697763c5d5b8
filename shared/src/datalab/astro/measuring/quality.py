"""The quality of one frame: width and shape of its stars, its sky, its sources, and how faint it reaches.

For every frame as it arrives, so it has to be quick: one look at the sky, one detection, and only bright stars are
measured. Source Extraction measures all of them, better.

References:
    I. R. King, PASP 95, 163 (1983): the area over which noise counts when a star is measured by its profile.
    A. F. J. Moffat, A&A 3, 455 (1969).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import sep
from astropy.wcs import WCS
from numpy.typing import NDArray

from datalab.astro.headers.detector import Detector
from datalab.astro.measuring.reference_stars import ReferenceStars, counts_zero_point
from datalab.astro.measuring.sampling import WELL_SAMPLED_PX, noise_area_px, width_behind_pixels
from datalab.astro.measuring.shapes import common_shape, count_streaks
from datalab.astro.robust import FWHM_PER_SIGMA, median_error
from datalab.astro.sources.detection import (
    Detections,
    DetectionSettings,
    Frame,
    detect,
    is_single_pixel,
    prepared,
    without_sky,
)
from datalab.astro.sources.sharpness import is_sharper_than_a_star
from datalab.astro.sources.star_widths import fwhm_per_alpha, star_widths
from datalab.astro.types import FloatArray, IntArray, Pixels

_FIRST_FWHM_PX = 3.0
#: The profile of a frame is that of its brightest stars: noise makes that of others any profile.
_EXEMPLARY_STARS = 12
#: Stars that are measured: the brightest that are no blends and not clipped. More make nothing more certain.
_MOST_STARS, _LEAST_SIGNAL_TO_NOISE = 150, 20.0
#: Of fewer no median is told.
_LEAST_STARS = 5
#: A width whose standard error is larger than this is not told.
_MOST_FWHM_ERROR = 0.04
#: What the choice of a profile does to the width, as a part of it.
_PROFILE_ERROR = 0.01
#: The circle in which light is summed for the zero point, in widths of a star; the sky is that of a ring around it.
_APERTURE_FWHM, _RING_FWHM = 2.5, (4.0, 6.0)
#: How many pixels of sky are looked at, and below how many the first look at the sky counts.
_SKY_SAMPLE, _LEAST_SKY_PIXELS = 400_000, 1000
#: The shares of a normal distribution below -2 and -1 sigma; the variance that rounding adds, which is added once more
#: so that whole counts are spread.
_BELOW_SIGMA_2_AND_1, _ROUNDING_VARIANCE = (0.0227501319, 0.1586552539), 1.0 / 12.0
#: What a limiting magnitude is quoted at.
_LIMIT_SIGMA = 5.0
_DETECTION = DetectionSettings(threshold_sigma=5.0, min_area_px=5)
#: Widths that are believed: narrower is no light through optics, wider no star.
_FWHM_RANGE_PX = (0.7, 60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameQuality:
    """What was measured; None where it cannot be told.

    Levels in counts of the frame. `fwhm_error_px` is one sigma. `ellipticity` is 1 - b/a of what all stars have in
    common, `position_angle_deg` its direction from the x axis towards y. `zero_point_mag` is the magnitude of one count
    of the whole exposure, with the scatter of single stars around it; `limiting_mag` that of a star of 5 sigma,
    measured by its profile.
    """

    sky_level: float
    sky_noise: float
    saturated_fraction: float
    n_sources: int | None = None
    n_stars: int = 0
    fwhm_px: float | None = None
    fwhm_error_px: float | None = None
    fwhm_arcsec: float | None = None
    ellipticity: float | None = None
    position_angle_deg: float | None = None
    is_trailed: bool = False
    n_streaks: int = 0
    zero_point_mag: float | None = None
    zero_point_scatter_mag: float | None = None
    zero_point_stars: int = 0
    limiting_mag: float | None = None


@dataclass(frozen=True, slots=True)
class _Profile:
    """The Moffat profile that the stars of a frame have in common."""

    fwhm_px: float
    fwhm_error_px: float
    beta: float

    def enclosed(self, radius_px: float) -> float:
        """Return the share of a star's light in a circle."""
        alpha = self.fwhm_px / fwhm_per_alpha(self.beta)
        return float(1.0 - (1.0 + (radius_px / alpha) ** 2) ** (1.0 - self.beta))


def measure_frame(
    pixels: Pixels,
    *,
    detector: Detector,
    pixel_scale_arcsec: float | None = None,
    wcs: WCS | None = None,
    reference: ReferenceStars | None = None,
) -> FrameQuality:
    """Measure a frame of the sky.

    Args:
        pixels: shape (rows, columns), any real type; what is not finite is blank.
        detector: gain for the noise of stars, saturation.
        pixel_scale_arcsec: for the width in arcsec.
        wcs: celestial; for the zero point.
        reference: stars with magnitudes in the filter of the frame; None if there are none.

    Raises:
        ExtractionError: the frame is too small, blank, the same everywhere, or too much of it stands out.
    """
    image, blank = prepared(pixels)
    is_whole_counts = pixels.dtype.kind in "iu"
    frame = without_sky(image, blank=blank, is_whole_counts=is_whole_counts)
    del image
    found = detect(frame, _DETECTION, fwhm_px=_FIRST_FWHM_PX)
    sky_level, sky_noise = _sky(frame, found, is_whole_counts=is_whole_counts)
    known = FrameQuality(
        sky_level=sky_level,
        sky_noise=sky_noise,
        saturated_fraction=float(np.count_nonzero(pixels >= detector.saturation_adu) / pixels.size),
        n_sources=_count(found.objects),
    )
    bright = _bright_and_clean(pixels, frame, found.objects, detector)
    if bright.size < _LEAST_STARS:
        return known
    shape = common_shape(found.objects[bright])
    profile = _profile(frame, found.objects[bright][shape.typical][:_EXEMPLARY_STARS])
    if profile is None:
        return known
    sharp = is_sharper_than_a_star(
        frame, found.objects, fwhm_px=profile.fwhm_px, gain_e_per_adu=detector.gain_e_per_adu
    )
    stars = bright[~sharp[bright]]
    known = replace(
        known,
        n_sources=_count(found.objects[~sharp]),
        n_stars=stars.size,
        fwhm_px=profile.fwhm_px,
        fwhm_error_px=profile.fwhm_error_px,
        fwhm_arcsec=None if pixel_scale_arcsec is None else profile.fwhm_px * pixel_scale_arcsec,
        ellipticity=shape.ellipticity,
        position_angle_deg=shape.position_angle_deg,
        is_trailed=shape.is_trailed,
        n_streaks=count_streaks(found.objects, fwhm_px=profile.fwhm_px),
    )
    if wcs is None or reference is None:
        return known
    x, y = found.objects["x"][stars], found.objects["y"][stars]
    counts, errors = _light(frame, found, stars, profile, detector)
    zero = counts_zero_point(x, y, counts, errors, wcs=wcs, reference=reference, reach_px=profile.fwhm_px)
    if zero is None:
        return known
    area_px = noise_area_px(profile.fwhm_px, profile.beta, x[:_EXEMPLARY_STARS], y[:_EXEMPLARY_STARS])
    return replace(
        known,
        zero_point_mag=zero.mag,
        zero_point_scatter_mag=zero.scatter_mag,
        zero_point_stars=zero.n_stars,
        limiting_mag=_limiting_mag(zero.mag, area_px, sky_noise, detector),
    )


def _sky(frame: Frame, found: Detections, *, is_whole_counts: bool) -> tuple[float, float]:
    """Return level and noise of the sky, from its darker half: the light of stars too faint to be found is above it.

    They are told by the two quantiles of the pixels that are 1 and 2 sigma below the level of normal noise.
    """
    sky = frame.net[(found.segments == 0) & ~frame.blank]
    if sky.size < _LEAST_SKY_PIXELS:
        return frame.sky, frame.sky_noise
    sample = sky[:: max(1, sky.size // _SKY_SAMPLE)].astype(np.float64)
    if is_whole_counts:  # quantiles of whole counts are whole counts
        sample += np.random.default_rng(sample.size).uniform(-0.5, 0.5, sample.size)
    far, near = np.quantile(sample, _BELOW_SIGMA_2_AND_1)
    variance = (near - far) ** 2 - (_ROUNDING_VARIANCE if is_whole_counts else 0.0)
    return frame.sky + float(2.0 * near - far), math.sqrt(max(variance, 0.0))


def _count(objects: NDArray[np.void]) -> int:
    return int(np.count_nonzero(~is_single_pixel(objects)))


def _bright_and_clean(pixels: Pixels, frame: Frame, objects: NDArray[np.void], detector: Detector) -> IntArray:
    """Return which objects are no blends, not cut, not clipped and more than one pixel: the brightest, in order."""
    signal_to_noise = objects["flux"] / (frame.sky_noise * np.sqrt(objects["npix"]))
    peaks = pixels[objects["ypeak"], objects["xpeak"]]
    usable = (signal_to_noise > _LEAST_SIGNAL_TO_NOISE) & (objects["flag"] == 0) & (peaks < detector.saturation_adu)
    usable &= ~is_single_pixel(objects) & (objects["b"] > 0.0)
    by_flux = np.argsort(-objects["flux"], kind="stable")
    brightest: IntArray = by_flux[usable[by_flux]][:_MOST_STARS]
    return brightest


def _profile(frame: Frame, stars: NDArray[np.void]) -> _Profile | None:
    """Return the profile of stars, None if it is not certain."""
    if len(stars) < _LEAST_STARS:
        return None
    x, y = stars["x"], stars["y"]
    guess_px = FWHM_PER_SIGMA * float(np.median(np.sqrt(stars["a"] * stars["b"])))
    widths = star_widths(frame.net, x, y, guess_px=guess_px, exemplary=np.ones(len(stars), dtype=bool))
    relative_error = _relative_error(widths.fwhm)
    fwhm_px = widths.typical_fwhm
    if not relative_error < _MOST_FWHM_ERROR or not _FWHM_RANGE_PX[0] < fwhm_px < _FWHM_RANGE_PX[1]:
        return None
    if fwhm_px < WELL_SAMPLED_PX:
        fwhm_px = width_behind_pixels(fwhm_px, widths.beta, x, y)
    return _Profile(fwhm_px, fwhm_px * relative_error, widths.beta)


def _relative_error(fwhm: FloatArray) -> float:
    """Return the standard error of the median of widths in units of it; infinite for too few."""
    known = fwhm[np.isfinite(fwhm)]
    if known.size < _LEAST_STARS:
        return math.inf
    of_stars = median_error(known) / float(np.median(known))
    return math.hypot(of_stars, _PROFILE_ERROR)


def _light(
    frame: Frame, found: Detections, stars: IntArray, profile: _Profile, detector: Detector
) -> tuple[FloatArray, FloatArray]:
    """Return all the light of stars, NaN where not all is seen, and its error.

    It is that of circles, over the share of it that the profile has in them.
    """
    radius = _APERTURE_FWHM * profile.fwhm_px
    sums, errors, flags = sep.sum_circle(
        frame.net,
        found.objects["x"][stars],
        found.objects["y"][stars],
        radius,
        err=frame.noise,
        gain=detector.gain_e_per_adu,
        bkgann=tuple(edge * profile.fwhm_px for edge in _RING_FWHM),
        subpix=0,
        mask=frame.blank,
        segmap=found.segments,
        seg_id=found.identifiers[stars],
    )
    whole = flags & (sep.APER_TRUNC | sep.APER_HASMASKED) == 0
    return np.where(whole, sums, np.nan) / profile.enclosed(radius), np.asarray(errors)


def _limiting_mag(zero_point_mag: float, area_px: float, sky_noise: float, detector: Detector) -> float:
    """Return the magnitude of a star that stands 5 sigma above noise, that of its own light counted in."""
    own = _LIMIT_SIGMA**2 / detector.gain_e_per_adu if detector.gain_is_known else 0.0
    counts = 0.5 * (own + math.sqrt(own**2 + 4.0 * _LIMIT_SIGMA**2 * area_px * sky_noise**2))
    return zero_point_mag - 2.5 * math.log10(counts)
