"""Pictures that show where the light of a target and of its comparison stars was measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from datalab.astro.display.stretch import auto_stretch, to_8bit
from datalab.astro.types import FloatArray, Picture, Pixels

Position = tuple[float, float]

LONG_SIDE_PX = 1500
TARGET_COLOUR = (255, 149, 0)
COMPARISON_COLOUR = (0, 173, 239)

#: Least sizes in the picture, so that circles are seen on a small screen and in a wide field alike.
_LEAST_LINE_PX, _LINE_SHARE = 3, 0.004
_LEAST_COMPARISON_RADIUS_PX, _COMPARISON_RADIUS_SHARE = 24.0, 0.035
#: In pixels of the image: least surroundings shown around a position, and the least circle around a comparison star: of
#: a small aperture one wants to see the star and its neighbours.
_LEAST_SHOWN_RADIUS_PX = 14.0


@dataclass(frozen=True, slots=True)
class _Crop:
    """The pixels [left, right) x [bottom, top) of an image."""

    left: int
    bottom: int
    right: int
    top: int

    @property
    def size(self) -> tuple[int, int]:
        return self.right - self.left, self.top - self.bottom


def overlay(
    pixels: Pixels,
    *,
    target_xy: Position,
    radii_px: tuple[float, float, float],
    comparison_xy: FloatArray,
) -> Picture:
    """Draw the target's aperture and sky annulus and the comparison stars on the part of an image that holds them.

    Returns RGB, shape (rows, columns, 3), top row first, the long side of 1500 pixels: three orange circles of the
    true radii around the target, a blue one around each comparison star.

    Args:
        pixels: shape (rows, columns), first row at the bottom; not modified. Blank (NaN) pixels are black.
        target_xy: where the target was measured; pixel i covers [i, i + 1). Circles may lie partly or completely off
            the image.
        radii_px: of the aperture, and the inner and outer radius of the annulus, in image pixels.
        comparison_xy: of the comparison stars, shape (stars, 2), as `target_xy`.
    """
    crop = _crop_around(np.vstack([target_xy, comparison_xy]), pixels.shape, _margin_px(radii_px))
    scale = LONG_SIDE_PX / max(crop.size)
    canvas = _resampled(pixels[crop.bottom : crop.top, crop.left : crop.right], scale)
    short_side = min(canvas.size)
    line = max(_LEAST_LINE_PX, round(_LINE_SHARE * short_side))
    shown_radius = max(radii_px[0], _LEAST_SHOWN_RADIUS_PX) * scale
    comparison_radius = max(shown_radius, _COMPARISON_RADIUS_SHARE * short_side, _LEAST_COMPARISON_RADIUS_PX)

    draw = ImageDraw.Draw(canvas)
    for x, y in comparison_xy:
        _circle(draw, _in_picture((x, y), crop, scale), comparison_radius, COMPARISON_COLOUR, line)
    centre = _in_picture(target_xy, crop, scale)
    for radius, width in zip(radii_px, (line, line // 2, line // 2), strict=True):
        _circle(draw, centre, radius * scale, TARGET_COLOUR, width)
    return np.asarray(canvas)


def _margin_px(radii_px: tuple[float, float, float]) -> float:
    aperture, _, outer = radii_px
    return max(2.0 * max(aperture, _LEAST_SHOWN_RADIUS_PX), 1.2 * outer)


def _crop_around(places: FloatArray, shape: tuple[int, ...], margin_px: float) -> _Crop:
    rows, columns = shape
    (first_x, first_y), (last_x, last_y) = places.min(axis=0) - margin_px, places.max(axis=0) + margin_px
    left, right = _span(first_x, last_x, columns)
    bottom, top = _span(first_y, last_y, rows)
    return _Crop(left=left, bottom=bottom, right=right, top=top)


def _span(start: float, stop: float, length: int) -> tuple[int, int]:
    """Return the whole pixels from `start` to `stop` that exist, at least one: the nearest."""
    first = min(max(math.floor(start), 0), length - 1)
    return first, max(min(math.ceil(stop), length), first + 1)


def _resampled(pixels: Pixels, scale: float) -> Image.Image:
    stretch = auto_stretch(pixels)
    # One blank pixel would blank all that Lanczos' kernel reaches.
    filled = np.nan_to_num(pixels.astype(np.float32), nan=stretch.black)
    rows, columns = pixels.shape
    size = max(1, round(columns * scale)), max(1, round(rows * scale))
    enlarged = Image.fromarray(filled).resize(size, Image.Resampling.LANCZOS)
    return Image.fromarray(to_8bit(np.asarray(enlarged), stretch)).convert("RGB")


def _in_picture(place: Position, crop: _Crop, scale: float) -> Position:
    """Return where a place of the image is in the picture, whose rows count from the top."""
    x, y = place
    return (x - crop.left) * scale, (crop.top - y) * scale


def _circle(
    draw: ImageDraw.ImageDraw, centre: Position, radius: float, colour: tuple[int, int, int], width: int
) -> None:
    """Draw a circle whose line, `width` wide, is centred on `radius`."""
    (x, y), reach = centre, radius + width / 2
    draw.ellipse((x - reach, y - reach, x + reach, y + reach), outline=colour, width=width)
