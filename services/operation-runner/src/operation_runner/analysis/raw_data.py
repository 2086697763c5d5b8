from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datalab.astro.display.levels import level_histogram, level_step, step_digits
from datalab.astro.display.stretch import zscale_limits
from datalab.astro.pixels.noise import array_noise
from operation_runner.sdk.analysis import AnalysedImage, Analysis, AnalysisParameters

#: Beyond, float32 has no more digits to round.
_MOST_DIGITS = 12
_LARGEST_WHOLE = 2**31
#: Beyond, not every whole number is a float; JSON readers have no others.
_LARGEST_EXACT = 2**53


class RawData(Analysis):
    name = "raw-data"
    description = (
        "The image resized to a square of max_size pixels, top row first, rounded to its noise, with a histogram and "
        "the step to choose limits by."
    )

    class Parameters(AnalysisParameters):
        max_size: Annotated[int, Field(ge=1, le=2048, description="side of the square, in pixels")] = 500

    def analyse(self, image: AnalysedImage, parameters: Parameters) -> dict[str, Any]:
        side = parameters.max_size
        samples = image.sample()
        _, highest_shown = zscale_limits(samples)
        data = image.resized((side, side))
        bits = abs(int(image.number("BITPIX") or 0))
        step = level_step(samples)
        histogram = level_histogram(data, samples, bits=bits, saturation=image.number("SATURATE"), step=step)
        return {
            "data": shown_levels(data[::-1]).ravel(),
            "height": side,
            "width": side,
            "histogram": histogram.log_counts,
            "bins": histogram.middles,
            "zmin": _level(round(_middle(samples) / step), step),
            "zmax": _level(math.ceil(highest_shown / step), step),
            "step": step,
            "bitdepth": bits,
        }


def shown_levels(data: NDArray[np.floating]) -> NDArray[np.generic]:
    """Return levels with the digits that their noise leaves to be told apart: half as much to send.

    They are rounded to a power of ten of no more than the noise, and no more than 1, which adds 4 % to it at most
    (the square root of 1 + 1/12). Levels without noise are left as float32 has them.
    """
    noise = array_noise(data)
    with np.errstate(over="ignore"):  # what no display can show becomes null
        levels = np.ascontiguousarray(data, np.float32)
    if not (math.isfinite(noise) and noise > 0):
        return levels
    digits = max(0, math.ceil(-math.log10(noise)))
    if digits > _MOST_DIGITS:
        return levels
    if digits == 0 and np.isfinite(levels).all() and np.abs(levels).max() < _LARGEST_WHOLE:
        return np.rint(levels).astype(np.int32)
    return np.round(levels, digits)


def _middle(ordered: NDArray[np.float64]) -> float:
    """Return the median of values in rising order; halved before they are added, which may be too much for a float."""
    return float(ordered[(ordered.size - 1) // 2]) / 2 + float(ordered[ordered.size // 2]) / 2


def _level(steps: int, step: float) -> float:
    """Return a whole number of steps in units of the image: itself a whole number if the step is one."""
    if abs(steps) > _LARGEST_EXACT:
        return float(steps) * step
    return steps if step == 1.0 else round(steps * step, step_digits(step))
