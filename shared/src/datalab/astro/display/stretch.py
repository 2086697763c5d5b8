"""Turning pixel values into grey levels for display: where black and white lie, and the curve between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from datalab.astro.pixels.geometry import bands

#: About how many pixels the display limits are taken from, however large the image.
SAMPLE_SIZE = 2000

#: Slope of the sorted samples, in fitted rises over the whole sample, that the display limits reach: the contrast of
#: pictures that users of the archive know.
RISES_SHOWN = 5.0

#: Exponent of the display curve: grey = 256 (level / 256) ** (1 / gamma).
DISPLAY_GAMMA = 2.5

#: Rows rendered at once: what fits a processor's cache takes half the time.
_BAND_ROWS = 64


@dataclass(frozen=True, slots=True)
class Stretch:
    """Pixel values shown as black and as white (in the image's units), and the gamma of the curve between them.

    Raises:
        ValueError: white lies below black, a limit is not finite, or gamma is not positive.
    """

    black: float
    white: float
    gamma: float = DISPLAY_GAMMA

    def __post_init__(self) -> None:
        if not (math.isfinite(self.black) and math.isfinite(self.white) and self.black <= self.white):
            raise ValueError(f"black {self.black} and white {self.white} are not display limits in rising order")
        if not 0 < self.gamma < math.inf:
            raise ValueError(f"gamma {self.gamma} is not a positive number")


def sample(pixels: np.ndarray) -> np.ndarray:
    """Return about 2000 finite pixel values as sorted float64: every s-th pixel, s = int(pixels / 2000), at least 1.

    The first s pixels are skipped, as the display limits of existing pictures were found that way. An image with no
    finite value among those pixels is sampled completely; the result is empty only if it has no finite value at all.

    Args:
        pixels: any shape and real type, in any units; not modified.
    """
    step = max(1, pixels.size // SAMPLE_SIZE)
    values = _finite(pixels.flat[step::step])
    if values.size == 0:
        values = _finite(pixels.flat[:])
    values.sort()
    return values


def zscale_limits(samples: np.ndarray) -> tuple[float, float]:
    """Return the lowest and highest value worth showing, in the units of the samples.

    A straight line is fitted to the sorted values against their index; the limits are the line's start minus and plus
    five times its rise over all samples, but never outside the samples. The method is a one-step relative of IRAF's
    zscale, which centres the line on the median instead.

    Args:
        samples: sorted finite values, 1-D, at least one; as `sample` returns them.

    Raises:
        ValueError: there are no samples.
    """
    count = samples.size
    if count == 0:
        raise ValueError("no finite pixels, so no display limits")
    lowest, highest = float(samples[0]), float(samples[-1])
    from_middle = np.arange(count) - (count - 1) / 2
    # Scaled to at most 1, so that sums of values near the largest float stay finite.
    scale = max(abs(lowest), abs(highest)) or 1.0
    levels = samples / scale
    slope = float(from_middle @ levels / max(1.0, float(from_middle @ from_middle)))
    start = float(levels.mean()) - slope * (count - 1) / 2
    reach = RISES_SHOWN * slope * count
    # Compared before scaling back: the line may leave the range of floats, the samples do not.
    low = lowest if start - reach <= levels[0] else (start - reach) * scale
    high = highest if start + reach >= levels[-1] else (start + reach) * scale
    return low, high


def auto_stretch(pixels: np.ndarray) -> Stretch:
    """Return the automatic display stretch of an image: black at the median, white at the upper zscale limit.

    Args:
        pixels: any shape and real type; not modified. Without a single finite value the stretch is from 0 to 1.
    """
    samples = sample(pixels)
    if samples.size == 0:
        return Stretch(black=0.0, white=1.0)
    middle = samples.size // 2
    # Halved before they are added: the sum of two values near the largest float is infinite.
    black = float(samples[middle] / 2 + samples[middle if samples.size % 2 else middle - 1] / 2)
    _, white = zscale_limits(samples)
    # The line lies above the median of any sorted values; only rounding can bring it below.
    return Stretch(black=black, white=max(black, white))


def to_8bit(pixels: np.ndarray, stretch: Stretch) -> np.ndarray:
    """Return the grey levels of an image as a picture: uint8, same shape, top row first.

    FITS counts rows from the bottom, so the last row of `pixels` comes first. An image may be done in bands of rows;
    then the pictures of the bands follow each other in reverse order. Values outside black and white are clipped, NaN
    is black. With black and white equal, that value is grey.

    Args:
        pixels: shape (rows, columns), any real type, in the units of `stretch`; not modified.
        stretch: limits and curve.
    """
    black, white = stretch.black, stretch.white
    if white == black:
        # Large values need more than one unit to differ in float32, which has 24 bits.
        margin = max(1.0, abs(black) * 2.0**-20)
        black, white = black - margin, white + margin
    working_type = np.result_type(pixels.dtype, np.float32)
    # Limits beyond the range of the pixels' type, or further apart than the largest float: such levels become black.
    with np.errstate(over="ignore", invalid="ignore"):
        levels = np.clip(pixels[::-1], black, white, dtype=working_type)
        levels -= black
        levels *= 255.0 / (white - black)
        np.rint(levels, out=levels)
        linear = levels.astype(np.uint8)
    defined = np.isfinite(levels)
    if not defined.all():
        linear[~defined] = 0
    # Three times as fast as `numpy.take`.
    return np.frombuffer(linear.tobytes().translate(_curve(stretch.gamma)), np.uint8).reshape(linear.shape)


def rendered(pixels: np.ndarray, stretch: Stretch) -> np.ndarray:
    """Return the picture of an image, uint8, same shape, top row first: `to_8bit`, band by band."""
    rows, columns = pixels.shape
    picture = np.empty((rows, columns), np.uint8)
    for start, stop in bands(rows, _BAND_ROWS):
        picture[rows - stop : rows - start] = to_8bit(pixels[start:stop], stretch)
    return picture


@cache
def _curve(gamma: float) -> bytes:
    """Return the grey level of each of the 256 linear levels."""
    return bytes(int(256 * (level / 256) ** (1 / gamma)) for level in range(256))


def _finite(values: np.ndarray) -> np.ndarray:
    as_float = values.astype(np.float64)
    return as_float[np.isfinite(as_float)]
