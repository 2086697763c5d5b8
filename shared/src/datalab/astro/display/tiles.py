"""Images in tiles, for viewers that zoom: levels of half the size each, and pixels as 16-bit codes.

A viewer stretches the values itself, so that another stretch asks for nothing. Tiles have `TILE_PX` pixels on a side,
less at the upper and right edges; row 0 is the lowest, as in FITS. Each tile of codes has a coding of its own, so that
none has to wait until all of the image was looked at. What is shown before there are tiles is made of a few rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datalab.astro.display.stretch import sample
from datalab.astro.pixels.geometry import bands
from datalab.astro.pixels.noise import array_noise
from datalab.astro.types import FloatArray, Pixels

TILE_PX = 512
#: Of undefined pixels.
UNDEFINED_CODE = 0
_LARGEST_CODE = 65_535
#: Steps of a noise's width: rounding to them adds less than 0.1 % to it (the square root of 1 + 1 / (12 * 8^2)).
_STEPS_PER_NOISE = 8
#: Fewer of them where the image reaches far: rounding then adds 2 %.
_LEAST_STEPS_PER_NOISE = 2
#: Rows of the larger image that are halved at once.
_BAND_ROWS = 256
#: Pixels of each row that limits to begin with are found by, at least: of all rows together 2000 are used.
_SAMPLES_PER_ROW = 512
#: Returns rows of an image from the first on and before the second, shape (rows, columns).
ReadRows = Callable[[int, int], Pixels]


@dataclass(frozen=True, slots=True)
class Coding:
    """What codes mean: `lowest + step * (code - 1)`, in units of the image; `UNDEFINED_CODE` is no value.

    Code 1 also stands for all below, the largest for all above, where the image reaches further (`is_clipped`).
    """

    lowest: float
    step: float
    is_clipped: bool = False

    @property
    def highest(self) -> float:
        """The value of the largest code."""
        return self.lowest + self.step * (_LARGEST_CODE - 1)


def coded(tile: Pixels) -> bytes:
    """Return a tile as three little-endian float64, its coding (lowest, step, 1 if it is clipped), and its codes.

    Args:
        tile: shape (rows, columns), any real type.
    """
    samples = sample(tile)
    middle = float(np.median(samples)) if samples.size else 0.0
    coding = coding_of(tile, noise=array_noise(tile), middle=middle)
    head = np.array([coding.lowest, coding.step, coding.is_clipped], "<f8")
    return head.tobytes() + encoded(tile, coding).tobytes()


def coding_of(pixels: Pixels, *, noise: float, middle: float) -> Coding:
    """Return how the values of a part of an image become codes.

    Whole numbers keep their values where there are codes enough, else values are rounded to an eighth of the noise, or
    to half of it; one that reaches further still is cut off around its middle, at ends no display shows together.

    Args:
        pixels: shape (rows, columns), any real type.
        noise: standard deviation of the sky's pixels; NaN or 0 if it is not known.
        middle: a value of the sky.
    """
    lowest, highest = _extremes(pixels)
    if not lowest <= highest:  # nothing is defined
        return Coding(0.0, 1.0)
    steps = _LARGEST_CODE - 1
    if pixels.dtype.kind in "iu" and highest - lowest <= steps:
        return Coding(lowest, 1.0)
    evenly = highest / steps - lowest / steps
    if not (math.isfinite(noise) and noise > 0):
        return Coding(lowest, evenly or 1.0)
    finest, coarsest = noise / _STEPS_PER_NOISE, noise / _LEAST_STEPS_PER_NOISE
    if evenly <= coarsest:
        return Coding(lowest, max(evenly, finest))
    below = min(max(middle - lowest, 0.0), steps / 4 * coarsest)
    return Coding(middle - below, coarsest, is_clipped=True)


def encoded(values: NDArray[np.floating] | Pixels, coding: Coding) -> NDArray[np.uint16]:
    """Return values as codes of little-endian 16 bits, shape as it was; NaN and infinite ones are `UNDEFINED_CODE`."""
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.rint((values.astype(np.float64) - coding.lowest) / coding.step) + 1
        codes = np.clip(steps, 1, _LARGEST_CODE)
    codes[~np.isfinite(values)] = UNDEFINED_CODE
    made: NDArray[np.uint16] = codes.astype("<u2")
    return made


def level_count(shape: tuple[int, int]) -> int:
    """Return how many levels an image of (rows, columns) has: the last one fits a tile."""
    return 1 + max(0, math.ceil(math.log2(max(shape) / TILE_PX)))


def level_shape(shape: tuple[int, int], level: int) -> tuple[int, int]:
    """Return the (rows, columns) of a level, 0 being the image."""
    return -(-shape[0] >> level) or 1, -(-shape[1] >> level) or 1


def overview(rows: ReadRows, shape: tuple[int, int]) -> NDArray[np.floating]:
    """Return about what the last level is, of one row of the image for each of its own: little has to be read for it.

    Args:
        rows: reads rows of the image, of any real type.
        shape: its rows and columns.

    Returns:
        shape that of the last level; float32, or float64 where that does not hold the values. Undefined pixels are left
        out of the means; NaN where there are no others.
    """
    level = level_count(shape) - 1
    height, width = level_shape(shape, level)
    lines = [_thinned(rows(place, place + 1)[0], 1 << level, width) for place in _rows_seen(shape)]
    made: NDArray[np.floating] = np.stack(lines)
    assert made.shape == (height, width)
    return made


def row_samples(rows: ReadRows, shape: tuple[int, int]) -> FloatArray:
    """Return about 2000 values of those rows that `overview` is made of, sorted; of all rows if these have none.

    None if nothing is defined. Args: as `overview`.
    """
    every = max(1, shape[1] // _SAMPLES_PER_ROW)
    found = sample(np.concatenate([rows(place, place + 1)[0, ::every] for place in _rows_seen(shape)]))
    if found.size:
        return found
    some = (sample(rows(start, stop)) for start, stop in bands(shape[0], _BAND_ROWS))
    return next((each for each in some if each.size), found)


def _rows_seen(shape: tuple[int, int]) -> list[int]:
    """Return the row in the middle of those that each row of the last level stands for."""
    level = level_count(shape) - 1
    return [min((row << level) + (1 << level) // 2, shape[0] - 1) for row in range(level_shape(shape, level)[0])]


def _thinned(line: Pixels, step: int, width: int) -> NDArray[np.floating]:
    """Return the means of `step` pixels each, the last one of those that are left."""
    values = line.astype(np.result_type(line.dtype, np.float32))
    defined = np.isfinite(values)
    starts = np.arange(width) * step
    count = np.add.reduceat(defined, starts, dtype=np.intp)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        total = np.add.reduceat(np.where(defined, values / step, 0), starts)
        return np.where(count > 0, total * (step / count), np.nan).astype(values.dtype)


def halved(pixels: Pixels) -> NDArray[np.floating]:
    """Return an image of half the rows and columns, each pixel the mean of two by two; undefined ones are left out.

    Args:
        pixels: shape (rows, columns), any real type; an odd last row or column stands for two. Read in bands.

    Returns:
        float32, or float64 where that does not hold the values.
    """
    rows, columns = pixels.shape
    made = np.empty((-(-rows // 2), -(-columns // 2)), np.result_type(pixels.dtype, np.float32))
    for start, stop in bands(rows, _BAND_ROWS):
        made[start // 2 : -(-stop // 2)] = _halved(pixels[start:stop].astype(made.dtype))
    return made


def _halved(band: NDArray[np.floating]) -> NDArray[np.floating]:
    if band.shape[0] % 2:
        band = np.concatenate([band, band[-1:]])
    if band.shape[1] % 2:
        band = np.concatenate([band, band[:, -1:]], axis=1)
    quarters = band[0::2, 0::2], band[0::2, 1::2], band[1::2, 0::2], band[1::2, 1::2]
    with np.errstate(over="ignore", invalid="ignore"):
        mean: NDArray[np.floating] = sum(quarter / 4 for quarter in quarters)  # type: ignore[assignment]
    doubtful = ~np.isfinite(mean)
    if doubtful.any():
        four = np.stack([quarter[doubtful] for quarter in quarters])
        defined = np.isfinite(four)
        count = defined.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean[doubtful] = np.where(defined, four / np.maximum(count, 1), 0).sum(axis=0)
        mean[doubtful] = np.where(count > 0, mean[doubtful], np.nan)
    return mean


def _extremes(pixels: Pixels) -> tuple[float, float]:
    """Return the lowest and highest finite pixel, inf and -inf if there is none."""
    lowest, highest = math.inf, -math.inf
    for start, stop in bands(pixels.shape[0], _BAND_ROWS):
        band = pixels[start:stop]
        if band.dtype.kind == "f":
            least, most = float(np.fmin.reduce(band, axis=None)), float(np.fmax.reduce(band, axis=None))
            if not (math.isfinite(least) and math.isfinite(most)):
                finite = band[np.isfinite(band)]
                if not finite.size:
                    continue
                least, most = float(finite.min()), float(finite.max())
        else:
            least, most = float(band.min()), float(band.max())
        lowest, highest = min(lowest, least), max(highest, most)
    return lowest, highest
