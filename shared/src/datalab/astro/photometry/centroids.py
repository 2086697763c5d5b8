"""The centres of stars.

Positions are counted as in `neighbourhoods`: the centre of pixel [0, 0] is (0.5, 0.5).

References:
    Howell, "Handbook of CCD Astronomy", chapter 5; Collins et al. 2017, AJ 153, 77 (AstroImageJ, whose numbers users
    compare with).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from datalab.astro.photometry.local_sky import Annulus, backgrounds
from datalab.astro.photometry.neighbourhoods import (
    batches,
    boxes,
    positions,
)
from datalab.astro.types import FloatArray, IntArray, Mask, Pixels

#: A smaller box would not hold a star.
_LEAST_CENTROID_RADIUS_PX = 3.0
_MOST_CENTROID_PASSES = 100
_CENTROID_SETTLED_PX = 0.01
_COMPLETED = "Centroid calculation completed."
_NO_PIXELS = "No valid pixels in centroid box."
_NO_WEIGHT = "Centroid calculation has zero weight in both dimensions."
_NO_WEIGHT_X = "Centroid calculation has zero weight in the x dimension."
_NO_WEIGHT_Y = "Centroid calculation has zero weight in the y dimension."
_MOVED_TOO_FAR = "Centroid repositioning exceeded centroid box size."


@dataclass(frozen=True, slots=True, kw_only=True)
class Centroids:
    """Centres of stars, arrays of shape (n,); the position asked for where there is no success.

    `background` and `peak` (the brightest pixel of the box above the sky; NaN if it has none) are in the units of the
    image. `messages` say in words what came out.
    """

    x: FloatArray
    y: FloatArray
    success: Mask
    messages: tuple[str, ...]
    background: FloatArray
    n_background_px: IntArray
    peak: FloatArray


def centroids(pixels: Pixels, x: ArrayLike, y: ArrayLike, *, radius_px: float, annulus: Annulus) -> Centroids:
    """Find the centres of stars near given positions.

    The light of a box of about twice the radius, less the sky, is summed along its columns and its rows; what the sums
    exceed their mean by weighs their positions. The box follows the star until both shifts are below 0.01 px.

    The box is set to whole pixels, which biases the centre by some hundredths of a pixel; clients compare with numbers
    found this way, and sums in apertures of several pixels do not notice.

    Args:
        pixels: shape (rows, columns); blank (NaN) pixels are left out.
        x: columns of the positions to begin with, shape (n,).
        y: rows, likewise.
        radius_px: of the star's aperture; at least 3 is used.
        annulus: where its sky is.
    """
    asked_for = np.stack(positions(x, y), axis=1)
    radius = max(radius_px, _LEAST_CENTROID_RADIUS_PX)
    found = [
        _follow_boxes(pixels, asked_for[part], radius, annulus)
        for part in batches(len(asked_for), (int(2 * radius) + 1) ** 2)
    ]
    return Centroids(
        messages=tuple(message for part in found for message in part.messages),
        **{
            name: np.concatenate([getattr(part, name) for part in found])
            for name in ("x", "y", "success", "background", "n_background_px", "peak")
        },
    )


def _follow_boxes(pixels: Pixels, asked_for: FloatArray, radius: float, annulus: Annulus) -> Centroids:
    """Find the centres near positions of shape (n, 2): x, y."""
    width = int(2 * radius)
    centre, first = asked_for.copy(), np.floor(asked_for - radius).astype(np.int64)
    peak, message = np.full(len(centre), np.nan), np.full(len(centre), _COMPLETED, dtype=object)
    sky = backgrounds(pixels, centre[:, 0], centre[:, 1], annulus)
    moving = np.arange(len(centre))
    for _ in range(_MOST_CENTROID_PASSES):
        values, dx, dy = boxes(pixels, first[moving], width, centre[moving])
        valid = np.isfinite(values)
        has_pixels = valid.any(axis=(1, 2))
        light = values - _level(sky.plane[moving], dx, dy)
        peak[moving] = np.where(has_pixels, np.where(valid, light, -np.inf).max(axis=(1, 2)), np.nan)
        shift, has_weight = _centre_of_light(np.where(valid, light, 0.0), dx, dy)
        centre[moving] += shift
        too_far = (np.abs(centre[moving] - asked_for[moving]) > width).any(axis=1)
        message[moving] = np.select(
            [~has_pixels, ~has_weight.any(axis=1), ~has_weight[:, 0], ~has_weight[:, 1], too_far],
            [_NO_PIXELS, _NO_WEIGHT, _NO_WEIGHT_X, _NO_WEIGHT_Y, _MOVED_TOO_FAR],
            default=_COMPLETED,
        )
        arrived = (np.abs(shift) < _CENTROID_SETTLED_PX).all(axis=1)
        good = message[moving] == _COMPLETED
        seen, moving = moving[good], moving[good & ~arrived]
        now = backgrounds(pixels, centre[seen, 0], centre[seen, 1], annulus)
        sky.mean[seen], sky.n_pixels[seen], sky.plane[seen] = now.mean, now.n_pixels, now.plane
        first[moving] = np.floor(centre[moving]).astype(np.int64) - width // 2
        if not moving.size:
            break
    success = message == _COMPLETED
    x, y = np.where(success[:, None], centre, asked_for).T
    return Centroids(
        x=x,
        y=y,
        success=success,
        messages=tuple(message),
        background=sky.mean,
        n_background_px=sky.n_pixels,
        peak=peak,
    )


def _centre_of_light(light: FloatArray, dx: FloatArray, dy: FloatArray) -> tuple[FloatArray, Mask]:
    """Return the centres, shape (n, 2), in the coordinates of the pixels, and whether there is light to find each by.

    Args:
        light: of boxes as wide as high, sky subtracted, shape (n, side, side).
        dx: of the pixels, shape (n, 1, side).
        dy: of the pixels, shape (n, side, 1).
    """
    side = light.shape[1]
    mean = light.sum(axis=(1, 2))[:, None] / side
    centres, found = np.zeros((len(light), 2)), np.zeros((len(light), 2), dtype=np.bool_)
    for axis, offsets in ((0, dx[:, 0, :]), (1, dy[:, :, 0])):
        excess = np.maximum(light.sum(axis=1 + axis) - mean, 0.0)
        weight = excess.sum(axis=1)
        found[:, axis] = weight > 0.0
        np.divide((excess * offsets).sum(axis=1), weight, out=centres[:, axis], where=found[:, axis])
    return centres, found


def _level(plane: FloatArray, dx: FloatArray, dy: FloatArray) -> FloatArray:
    level, along_x, along_y = plane.T[:, :, None, None]
    levels: FloatArray = level + along_x * dx + along_y * dy
    return levels
