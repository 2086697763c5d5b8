"""Colour pictures from images taken through different filters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from datalab.astro.display.stretch import Stretch, auto_stretch, to_8bit
from datalab.astro.pixels.geometry import bands
from datalab.astro.types import FloatArray, Picture, Pixels

#: The brightest level of a colour part, and of a picture.
FULL = 255.0

#: Of equal limits; a float64 beyond 1e15 does not change by one.
_LEAST_RELATIVE_MARGIN = 2.0**-50

#: Rows done at once, of all layers together; a band of six layers of 8000 columns takes 0.1 GB.
_BAND_ROWS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourLayer:
    """An image and the colour its light is shown in.

    `pixels` has the shape (rows, columns), NaN where it covers nothing. `red`, `green`, `blue` are from 0 to 255.
    Values up to `black` are dark, from `white` on they shine in the full colour.
    """

    pixels: Pixels
    red: float
    green: float
    blue: float
    black: float
    white: float


def display_limits(pixels: Pixels, *, black: float | None, white: float | None) -> tuple[float, float]:
    """Return black and white for an image: as given, else the automatic ones, and never the other way round.

    Equal limits are moved apart by one each way, as users of the archive know it; but upwards only if they are
    automatic, or the image is the same everywhere: what does not stand out is dark.
    """
    if black is None or white is None:
        automatic = auto_stretch(pixels)
        if black is white is None and automatic.black == automatic.white:  # most of the image is the same
            return automatic.black, automatic.white + _margin(automatic.white)
        if white is None:
            white = automatic.white if black is None else max(automatic.white, black)
        if black is None:
            black = min(automatic.black, white)
    if black < white:
        return black, white
    return black if shows_nothing(pixels) else black - _margin(black), white + _margin(black)


def shows_nothing(pixels: Pixels) -> bool:
    """Tell whether an image has no values, or the same everywhere."""
    known: set[float] = set()
    for start, stop in bands(pixels.shape[0], _BAND_ROWS):
        values = pixels[start:stop][np.isfinite(pixels[start:stop])]
        known |= {float(values.min()), float(values.max())} if values.size else set()
        if len(known) > 1:
            return False
    return True


def _margin(level: float) -> float:
    return max(1.0, abs(level) * _LEAST_RELATIVE_MARGIN)


def colour_picture(layers: Sequence[ColourLayer], *, progress: Callable[[float], None]) -> Picture:
    """Return the sum of the layers in their colours as a picture, shape (rows, columns, 3), top row first.

    Each layer is clipped to its limits and scaled to 0..255, its colour parts are added to those of the others, sums
    above 255 are full, and the display curve (gamma 2.5) brightens what is faint. Where a layer covers nothing it adds
    nothing.

    Args:
        layers: at least one, all of one shape.
        progress: called with the share that is done.
    """
    rows, columns = layers[0].pixels.shape
    picture = np.empty((rows, columns, 3), np.uint8)
    for start, stop in bands(rows, _BAND_ROWS):
        levels = np.zeros((3, stop - start, columns))
        for layer in layers:
            light = _scaled(layer, start, stop)
            for number, share in enumerate((layer.red, layer.green, layer.blue)):
                if share > 0:
                    levels[number] += light * (share / FULL)
        for number, part in enumerate(levels):
            # The first row of an image is at the bottom of its picture.
            picture[rows - stop : rows - start, :, number] = to_8bit(part, Stretch(black=0.0, white=FULL))
        progress(stop / rows)
    return picture


def _scaled(layer: ColourLayer, start: int, stop: int) -> FloatArray:
    """Return rows of a layer as levels from 0 (black) to 255 (white)."""
    levels = layer.pixels[start:stop].astype(np.float64)
    np.clip(levels, layer.black, layer.white, out=levels)
    levels -= layer.black
    levels *= FULL / (layer.white - layer.black)
    np.nan_to_num(levels, copy=False, nan=0.0)
    return levels
