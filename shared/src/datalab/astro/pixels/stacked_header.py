"""What the header of a stack says about its noise, saturation and exposure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from astropy.io import fits

from datalab.astro.pixels.arithmetic import multiply_cards
from datalab.astro.types import FloatArray

#: Cards in electrons per count, in electrons per pixel, and in counts.
_GAINS = ("GAIN", "EGAIN")
_READ_NOISES = ("RDNOISE", "READNOIS", "READNOISE")
_LEVELS = ("SATURATE", "MAXLIN")
_EXPOSURE_TIMES = ("EXPTIME", "EXPOSURE")

#: Variance of a mean in units of that of a median, of many normally distributed values; of three values it is 0.74.
_MEDIAN_EFFICIENCY = 2 / math.pi


def effective_images(count: int, *, weights: FloatArray | None = None, is_median: bool = False) -> float:
    """Return how many images of equal noise have a plain mean as precise as the combination of `count` of them.

    Args:
        count: of images.
        weights: of a weighted mean; None if all count the same.
        is_median: whether the images are combined by their median.
    """
    if is_median and count > 2:
        return count * _MEDIAN_EFFICIENCY
    if weights is None:
        return float(count)
    shares = weights / weights.max()  # whose squares no float is too small or too large for
    return float(shares.sum() ** 2 / (shares**2).sum())


def stacked_header(
    header: fits.Header, *, exposure_times_s: Sequence[float | None], effective: float, is_sum: bool
) -> fits.Header:
    """Return the header of a stack of images that are like the one `header` describes.

    With it, the usual noise model (counts times gain, plus read noise squared) holds for the stack as for its images.

    Args:
        header: of one image, not modified.
        exposure_times_s: of each image, None if unknown. The total is written only if all are known.
        effective: `effective_images` of the combination.
        is_sum: whether counts are those of all images together, rather than of one.
    """
    count = len(exposure_times_s)
    stacked = header.copy()
    stacked["NCOMBINE"] = (count, "number of images combined")
    factors = dict.fromkeys(_GAINS, effective / count if is_sum else effective)
    factors |= dict.fromkeys(_READ_NOISES, math.sqrt(effective))
    if is_sum:
        factors |= dict.fromkeys(_LEVELS, float(count))
    multiply_cards(stacked, factors)
    if is_sum:
        known = [time for time in exposure_times_s if time is not None]
        if len(known) == count:
            for keyword in _EXPOSURE_TIMES:
                if keyword in stacked:
                    stacked[keyword] = sum(known)
    return stacked
