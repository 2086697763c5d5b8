"""Pixel values as 16-bit levels, for programs that edit pictures.

The two scalings are those of the pictures observatories with the Photon Ranch API know, made right for pixels without
a value, for flat images, and for values 16 bits cannot hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datalab.astro.pixels.geometry import bands
from datalab.astro.types import Pixels

HIGHEST_LEVEL = 65_535
#: Rows scaled at once: what fits a processor's cache takes half the time.
_BAND_ROWS = 64


@dataclass(frozen=True, slots=True)
class Levels:
    """Levels of an image, uint16, in the order of its rows.

    On the scale of the stretch a pixel has the value `zero + step * level`. Pixels without a finite value are 0.
    """

    pixels: NDArray[np.uint16]
    zero: float
    step: float


def linear_levels(pixels: Pixels) -> Levels:
    """Return pixel values as they are if they are whole numbers that 16 bits can hold, else scaled to use all levels.

    Scaled, the lowest finite value is 0 and the highest 65535, rounded. A flat image is 0.

    Args:
        pixels: shape (rows, columns), any real type; not modified.
    """
    lowest, highest = _limits(pixels)
    if pixels.dtype.kind in "iub" and lowest >= 0 and highest <= HIGHEST_LEVEL:
        return Levels(pixels.astype(np.uint16), zero=0.0, step=1.0)
    step = (highest / HIGHEST_LEVEL - lowest / HIGHEST_LEVEL) or 1.0

    def levels(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.rint(values / step - lowest / step)

    return Levels(_banded(pixels, levels), zero=lowest, step=step)


def arcsinh_levels(pixels: Pixels) -> Levels:
    """Return the inverse hyperbolic sine of pixel values, less its minimum, scaled to 0..65535 and cut off.

    A flat image is 0; negative values lie below zero as far as positive ones above.

    Args:
        pixels: shape (rows, columns), any real type; not modified.
    """
    lowest, highest = (math.asinh(limit) for limit in _limits(pixels))
    step = (highest - lowest) / HIGHEST_LEVEL or 1.0

    def levels(values: NDArray[np.float64]) -> NDArray[np.float64]:
        # Multiplied first and divided last, so that the highest value gives the highest level and not one less.
        return np.floor((np.arcsinh(values) - lowest) * HIGHEST_LEVEL / ((highest - lowest) or 1.0))

    return Levels(_banded(pixels, levels), zero=lowest, step=step)


def _limits(pixels: Pixels) -> tuple[float, float]:
    """Return the lowest and highest finite value; 0 and 0 if there is none."""
    lowest, highest = math.inf, -math.inf
    for start, stop in bands(len(pixels), _BAND_ROWS):
        band = pixels[start:stop]
        finite = band if pixels.dtype.kind in "iub" else band[np.isfinite(band)]
        if finite.size:
            lowest, highest = min(lowest, float(finite.min())), max(highest, float(finite.max()))
    return (lowest, highest) if lowest <= highest else (0.0, 0.0)


def _banded(pixels: Pixels, levels: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.uint16]:
    made = np.zeros(pixels.shape, np.uint16)
    with np.errstate(over="ignore", invalid="ignore"):
        for start, stop in bands(len(pixels), _BAND_ROWS):
            values = pixels[start:stop].astype(np.float64)
            scaled = np.clip(levels(values), 0, HIGHEST_LEVEL)
            made[start:stop] = np.where(np.isfinite(values), scaled, 0).astype(np.uint16)
    return made
