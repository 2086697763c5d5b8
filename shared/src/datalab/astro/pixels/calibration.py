"""Freeing images from what the camera adds to the light: bias, dark current and uneven sensitivity."""

from __future__ import annotations

import math

import numpy as np

from datalab.astro.pixels.arithmetic import exact_dtype, image_median
from datalab.astro.types import Pixels

#: Pixels of a flat with less of its median are dead, or in the shadow: what is divided by them is noise, tenfold.
LEAST_SENSITIVITY = 0.1
#: A flat in counts has hundreds of them at the least; one that was divided by its mean or median is near 1.
_NORMALISED = (0.2, 5.0)
#: The largest sensitivity, without the few pixels that are no part of it.
_LARGEST_SENSITIVITY_PERCENT = 99.9


def corrected(
    raw: Pixels,
    *,
    bias: Pixels | None = None,
    dark: Pixels | None = None,
    dark_scale: float = 1.0,
    flat: Pixels | None = None,
) -> Pixels:
    """Return (raw - bias - dark_scale dark) / flat, in float32, or float64 if the raw pixels need it.

    Args:
        raw: in counts, any shape.
        bias: in counts, same shape; None is none.
        dark: counts of its own exposure, without bias.
        dark_scale: exposure time of the image in units of that of the dark.
        flat: relative sensitivity, NaN where unknown, which makes the result NaN.
    """
    result = raw.astype(exact_dtype(raw.dtype))
    with np.errstate(over="ignore", invalid="ignore"):  # where frames are infinite there is nothing to be saved
        if bias is not None:
            result -= bias
        if dark is not None:
            result -= np.asarray(dark_scale * dark, result.dtype)
        if flat is not None:
            result /= flat
    return result


def is_normalised(flat_level: float) -> bool:
    """Tell whether a flat of this median is one of relative sensitivities, not of counts."""
    return _NORMALISED[0] < flat_level < _NORMALISED[1]


def relative_sensitivity(flat: Pixels) -> Pixels:
    """Return a flat divided by its median, NaN where it is below `LEAST_SENSITIVITY`.

    Raises:
        ValueError: the median is not positive, or infinite.
    """
    level = image_median(flat)
    if not level > 0.0:
        raise ValueError("it shows no light: its median is not positive")
    if math.isinf(level):
        raise ValueError("half of its pixels are infinite")
    relative = flat.astype(exact_dtype(flat.dtype))
    relative /= level
    relative[~(relative >= LEAST_SENSITIVITY)] = np.nan
    return relative


def largest_sensitivity(flat: Pixels) -> float:
    """Return the largest relative sensitivity, without the few pixels that are no part of it; at least 1."""
    return max(1.0, float(np.nanpercentile(flat, _LARGEST_SENSITIVITY_PERCENT)))


def saturation_after(saturation_adu: float, *, bias_adu: float, dark_adu: float, sensitivity: float) -> float:
    """Return a level that calibrated pixels do not exceed, unless their raw ones were saturated or insensitive.

    In whole counts; infinite for an infinite level. `bias_adu` and `dark_adu` are typical levels, the dark that of the
    exposure time of the image; `sensitivity` is the largest one.
    """
    level = (saturation_adu - bias_adu - dark_adu) / sensitivity
    return math.floor(level) if math.isfinite(level) else level
