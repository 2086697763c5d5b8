"""Aperture photometry of stars in one image: where they are, the sky around them, their light and how certain it is.

Positions are in pixels, x along columns and y along rows: pixel i covers [i, i + 1), so its centre is i + 0.5 and a
0-based WCS position lies 0.5 lower. All stars of an image are done at once; no loop goes over pixels.

References:
    Howell, "Handbook of CCD Astronomy", chapter 5 (centroid, aperture sum); Merline & Howell 1995, Experimental
    Astronomy 6, 163 (uncertainty); Collins et al. 2017, AJ 153, 77 (AstroImageJ, whose numbers users compare with).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from datalab.astro.types import FloatArray, IntArray, Mask, Pixels

__all__ = [
    "Annulus",
    "ApertureSums",
    "Backgrounds",
    "Centroids",
    "PixelNoise",
    "backgrounds",
    "centroids",
    "measure",
    "net_uncertainty",
    "overlap_fractions",
    "plane_fit",
]


#: A smaller box would not hold a star.
_LEAST_CENTROID_RADIUS_PX = 3.0
_MOST_CENTROID_PASSES = 100
_CENTROID_SETTLED_PX = 0.01
_CLIP_SIGMA = 2.0
_MOST_CLIP_PASSES = 9
#: In the units of the image. AstroImageJ's value, made for images whose unit is one count.
_CLIP_SETTLED = 0.1
#: Clipping takes more of the longer upper tail of photon noise than of the lower one: the mean of what is left is too
#: low by this times skewness times standard deviation, if that is taken from the pixels left. Measured on simulated
#: skies of 20 to 2000 electrons with 0 to 10 of read noise; third moment and a single pass explain half of it.
_CLIPPED_TAIL = 0.35
#: Relative; what limits of equal values may be off by.
_ROUNDING = 1e-12
#: Pixels at the rim of an aperture count by the share of a grid of 5 x 5 points that lies inside.
_SUBPIXELS = 5
#: The variance of rounding to whole counts, 0.289**2, as Merline & Howell have it.
_ROUNDING_VARIANCE = 0.083521
#: No point of a pixel is further than this from its centre.
_HALF_DIAGONAL_PX = np.sqrt(0.5)
#: Stars are done in batches with at most this many pixels, so that a rich field does not fill the memory.
_BATCH_PIXELS = 500_000

_COMPLETED = "Centroid calculation completed."
_NO_PIXELS = "No valid pixels in centroid box."
_NO_WEIGHT = "Centroid calculation has zero weight in both dimensions."
_NO_WEIGHT_X = "Centroid calculation has zero weight in the x dimension."
_NO_WEIGHT_Y = "Centroid calculation has zero weight in the y dimension."
_MOVED_TOO_FAR = "Centroid repositioning exceeded centroid box size."


@dataclass(frozen=True, slots=True, kw_only=True)
class Annulus:
    """Where the sky is measured: pixels whose centres are from `inner_px` to `outer_px` away, rims included.

    An annulus that is not wider than nothing means: no sky. `clipped` leaves out stars by 2-sigma clipping; `plane`
    fits a tilted plane instead of a constant level (used to find centroids, never for sums).
    """

    inner_px: float
    outer_px: float
    clipped: bool = True
    plane: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelNoise:
    """What a detector adds to the light: gain in electrons per count, read noise and dark in electrons per pixel.

    Raises:
        ValueError: the gain is not positive.
    """

    gain_e: float = 1.0
    read_noise_e: float = 0.0
    dark_e: float = 0.0

    def __post_init__(self) -> None:
        if not self.gain_e > 0:
            raise ValueError(f"a gain of {self.gain_e} electrons per count is not positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backgrounds:
    """The sky around stars, arrays of shape (n,) in the units of the image.

    `mean` is 0 where no pixel was left; `n_pixels` are those it is the mean of, `scatter` their standard deviation.
    `plane`, shape (n, 3): the level at (dx, dy) from the star is c0 + c1 dx + c2 dy; flat unless a plane was asked for
    and could be fitted.
    """

    mean: FloatArray
    scatter: FloatArray
    n_pixels: IntArray
    plane: FloatArray


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ApertureSums:
    """Light in circular apertures, arrays of shape (n,).

    `net` and `sigma` in counts, sky subtracted; NaN where a pixel of the aperture is blank or off the image, or where
    there is no sky to subtract. `area_px` is the number of pixels summed; `peak` the brightest that counts fully or in
    part.
    """

    net: FloatArray
    sigma: FloatArray
    area_px: FloatArray
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
    asked_for = np.stack(_positions(x, y), axis=1)
    radius = max(radius_px, _LEAST_CENTROID_RADIUS_PX)
    found = [
        _follow_boxes(pixels, asked_for[part], radius, annulus)
        for part in _batches(len(asked_for), (int(2 * radius) + 1) ** 2)
    ]
    return Centroids(
        messages=tuple(message for part in found for message in part.messages),
        **{
            name: np.concatenate([getattr(part, name) for part in found])
            for name in ("x", "y", "success", "background", "n_background_px", "peak")
        },
    )


def backgrounds(pixels: Pixels, x: ArrayLike, y: ArrayLike, annulus: Annulus) -> Backgrounds:
    """Measure the sky around positions (each of shape (n,)): the mean of the annulus, clipped at 2 sigma.

    Clipping begins with all pixels and ends when the mean changes by less than 0.1, after 9 passes at the latest; the
    pixels within the last limits count.
    """
    x, y = _positions(x, y)
    mean, scatter, n_pixels = np.zeros(x.size), np.zeros(x.size), np.zeros(x.size, np.int64)
    plane = np.zeros((x.size, 3))
    if annulus.outer_px > annulus.inner_px:
        near = _offsets(annulus.inner_px - _HALF_DIAGONAL_PX, annulus.outer_px + _HALF_DIAGONAL_PX)
        for part in _batches(x.size, near[0].size):
            values, dx, dy = _pixels_around(pixels, x[part], y[part], near)
            squared = dx**2 + dy**2
            kept = (squared >= annulus.inner_px**2) & (squared <= annulus.outer_px**2) & np.isfinite(values)
            mean[part], scatter[part], kept = _level_of(values, kept, passes=_MOST_CLIP_PASSES * annulus.clipped)
            n_pixels[part] = kept.sum(axis=1)
            plane[part, 0] = mean[part]
            if annulus.plane:
                plane[part] = _planes(dx, dy, values, kept, flat=plane[part])
    return Backgrounds(mean=mean, scatter=scatter, n_pixels=n_pixels, plane=plane)


def measure(
    pixels: Pixels, x: ArrayLike, y: ArrayLike, *, radius_px: float, annulus: Annulus, noise: PixelNoise
) -> ApertureSums:
    """Sum the light of stars in circles around their positions, less the sky of their annuli.

    The mean of a clipped sky is too low, as photon noise has its longer tail above; this is corrected for.

    A sky below zero (of images whose sky was subtracted) is subtracted as it is: taken for zero, as AstroImageJ does,
    it would make every star there too faint. It adds no photon noise.

    Args:
        pixels: shape (rows, columns), counts.
        x: columns of the centres, shape (n,).
        y: rows, likewise.
        radius_px: of the aperture, above 0.
        annulus: where the sky is.
        noise: of the detector.
    """
    x, y = _positions(x, y)
    sky = backgrounds(pixels, x, y, annulus)
    level = _without_clipping_bias(sky, noise) if annulus.clipped else sky.mean
    total, area, peak = np.empty(x.size), np.empty(x.size), np.empty(x.size)
    near = _offsets(0.0, radius_px + 2 * _HALF_DIAGONAL_PX)
    for part in _batches(x.size, near[0].size):
        values, dx, dy = _pixels_around(pixels, x[part], y[part], near)
        share = overlap_fractions(dx, dy, radius_px)
        light = np.where(share > 0.0, values, 0.0)  # a blank pixel outside must not count as NaN x 0
        total[part] = (light * share).sum(axis=1)
        area[part] = share.sum(axis=1)
        peak[part] = np.where(share > 0.0, values, -np.inf).max(axis=1)
    has_sky = (sky.n_pixels > 0) | (annulus.outer_px <= annulus.inner_px)
    net = np.where(has_sky, total - level * area, np.nan)
    return ApertureSums(
        net=net,
        sigma=net_uncertainty(net, background=level, area_px=area, n_background_px=sky.n_pixels, noise=noise),
        area_px=area,
        background=level,
        n_background_px=sky.n_pixels,
        peak=peak,
    )


def net_uncertainty(
    net: ArrayLike, *, background: ArrayLike, area_px: ArrayLike, n_background_px: ArrayLike, noise: PixelNoise
) -> FloatArray:
    """Return the standard deviation, in counts, of aperture sums with the sky subtracted.

    Photon noise of star, sky and dark, read noise, rounding to counts, and the uncertainty of the sky's mean.

    Args:
        net: the sums, counts; shot noise of negative ones is 0.
        background: sky level, counts per pixel.
        area_px: of the aperture.
        n_background_px: how many pixels the sky is the mean of; at least 1 is used.
        noise: of the detector.

    References:
        Merline & Howell 1995, equation 25.
    """
    area = np.asarray(area_px, np.float64)
    pixels_of_noise = area * (1.0 + area / np.maximum(n_background_px, 1))
    variance_e2 = np.maximum(net, 0.0) * noise.gain_e + pixels_of_noise * _pixel_variance_e2(background, noise)
    sigma: FloatArray = np.sqrt(variance_e2) / noise.gain_e
    return sigma


def overlap_fractions(dx: FloatArray, dy: FloatArray, radius_px: float) -> FloatArray:
    """Return how much of each pixel lies in a circle, by 5 x 5 points in the pixels its rim may cross.

    Args:
        dx: from the circle's centre to the pixels' centres, any shape.
        dy: likewise.
        radius_px: of the circle.
    """
    distance = np.hypot(dx, dy)
    fractions = (distance < radius_px).astype(np.float64)
    rim = np.abs(distance - radius_px) < _HALF_DIAGONAL_PX
    points = (np.arange(_SUBPIXELS) + 0.5) / _SUBPIXELS - 0.5
    squared = (dx[rim][:, None, None] + points) ** 2 + (dy[rim][:, None, None] + points[:, None]) ** 2
    # hypot before comparing would cost more; a point on the rim counts, also after rounding.
    fractions[rim] = (squared <= radius_px**2 * (1.0 + 4 * np.finfo(np.float64).eps)).mean(axis=(1, 2))
    return fractions


def plane_fit(dx: ArrayLike, dy: ArrayLike, values: ArrayLike) -> FloatArray | None:
    """Fit values = c0 + c1 dx + c2 dy by least squares; None if fewer than 4 points or all on one line."""
    dx, dy, values = (np.asarray(given, np.float64) for given in (dx, dy, values))
    if values.size < 4:
        return None
    design = np.stack([np.ones_like(dx), dx, dy], axis=1)
    coefficients, _, rank, _ = np.linalg.lstsq(design, values, rcond=None)
    return coefficients.astype(np.float64) if rank == design.shape[1] else None


def _follow_boxes(pixels: Pixels, asked_for: FloatArray, radius: float, annulus: Annulus) -> Centroids:
    """Find the centres near positions of shape (n, 2): x, y."""
    width = int(2 * radius)
    centre, first = asked_for.copy(), np.floor(asked_for - radius).astype(np.int64)
    peak, message = np.full(len(centre), np.nan), np.full(len(centre), _COMPLETED, dtype=object)
    sky = backgrounds(pixels, centre[:, 0], centre[:, 1], annulus)
    moving = np.arange(len(centre))
    for _ in range(_MOST_CENTROID_PASSES):
        values, dx, dy = _boxes(pixels, first[moving], width, centre[moving])
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


def _pixel_variance_e2(background: ArrayLike, noise: PixelNoise) -> FloatArray:
    sky_e = np.maximum(background, 0.0) * noise.gain_e
    variance: FloatArray = sky_e + noise.dark_e + noise.read_noise_e**2 + noise.gain_e**2 * _ROUNDING_VARIANCE
    return variance


def _without_clipping_bias(sky: Backgrounds, noise: PixelNoise) -> FloatArray:
    """Return the level of the sky, given its clipped mean.

    In the mean of n images, third moment over variance is n times smaller, as the variance is; so what scatters less
    than one exposure is corrected less.
    """
    variance_e2 = _pixel_variance_e2(sky.mean, noise)
    # Third moment over variance, in counts: that of Poisson noise over that of all noise.
    asymmetry = np.maximum(sky.mean, 0.0) / variance_e2
    smoothed = np.minimum(1.0, sky.scatter**2 * noise.gain_e**2 / variance_e2)
    level: FloatArray = sky.mean + _CLIPPED_TAIL * asymmetry * smoothed
    return level


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


def _level_of(values: FloatArray, kept: Mask, *, passes: int) -> tuple[FloatArray, FloatArray, Mask]:
    """Return mean and standard deviation of each row's kept values, (n, m), after clipping, and which are left.

    Mean and deviation are 0 where nothing is kept.
    """
    first_mean = _means(kept, np.where(kept, values, 0.0))[0]
    # From the mean, so that squares of small differences do not drown in the squares of the level.
    above = np.where(kept, values - first_mean[:, None], 0.0)
    squared = above * above
    rounding = _ROUNDING * np.abs(first_mean)
    inside, last_mean = kept.copy(), np.full(len(values), np.inf)
    unsettled: Any = slice(None)  # at first all, without copies of everything
    for _ in range(passes):
        above_now = above[unsettled]
        mean, mean_square = _means(inside[unsettled], above_now, squared[unsettled])
        reach = _CLIP_SIGMA * np.sqrt(np.maximum(mean_square - mean**2, 0.0)) + rounding[unsettled]
        inside[unsettled] = kept[unsettled] & (np.abs(above_now - mean[:, None]) <= reach[:, None])
        changed = np.abs(mean - last_mean[unsettled]) >= _CLIP_SETTLED
        last_mean[unsettled] = mean
        if not changed.all():
            unsettled = np.arange(len(values))[unsettled][changed]
            if not unsettled.size:
                break
    mean, mean_square = _means(inside, above, squared)
    return first_mean + mean, np.sqrt(np.maximum(mean_square - mean**2, 0.0)), inside


def _means(kept: Mask, *tables: FloatArray) -> list[FloatArray]:
    """Return the mean of each row's kept values of each table, 0 where there is none."""
    weights = kept.astype(np.float64)
    counts = np.maximum(np.count_nonzero(kept, axis=1), 1)
    return [np.einsum("nm,nm->n", table, weights) / counts for table in tables]


def _planes(dx: FloatArray, dy: FloatArray, values: FloatArray, kept: Mask, *, flat: FloatArray) -> FloatArray:
    """Return the coefficients (n, 3) of planes through the kept values, those of `flat` where none can be fitted."""
    planes = flat.copy()
    for row, use in enumerate(kept):
        fitted = plane_fit(dx[row, use], dy[row, use], values[row, use])
        if fitted is not None:
            planes[row] = fitted
    return planes


def _level(plane: FloatArray, dx: FloatArray, dy: FloatArray) -> FloatArray:
    level, along_x, along_y = plane.T[:, :, None, None]
    levels: FloatArray = level + along_x * dx + along_y * dy
    return levels


def _positions(x: ArrayLike, y: ArrayLike) -> tuple[FloatArray, FloatArray]:
    return np.atleast_1d(np.asarray(x, np.float64)), np.atleast_1d(np.asarray(y, np.float64))


def _offsets(nearest_px: float, furthest_px: float) -> tuple[IntArray, IntArray]:
    """Return the columns and rows, from the pixel with a position in it, of all pixels that far away or nearly so."""
    reach = int(np.ceil(furthest_px)) + 1
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    distance = np.hypot(columns, rows)
    wanted = (distance >= nearest_px) & (distance <= furthest_px)
    return columns[wanted], rows[wanted]


def _pixels_around(
    pixels: Pixels, x: FloatArray, y: FloatArray, offsets: tuple[IntArray, IntArray]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the values of pixels around positions, and their centres' distances dx, dy from them, each (n, m)."""
    column, row = (np.floor(place).astype(np.int64)[:, None] for place in (x, y))
    dx = offsets[0] + (column + 0.5 - x[:, None])
    dy = offsets[1] + (row + 0.5 - y[:, None])
    return _values(pixels, (row, column), (offsets[1], offsets[0])), dx, dy


def _boxes(
    pixels: Pixels, first: IntArray, width: int, centre: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the values of boxes (n, width + 1, width + 1) from `first` (n, 2) on, and dx, dy from `centre` (n, 2)."""
    steps = np.arange(width + 1)
    column, row = first[:, 0, None, None], first[:, 1, None, None]
    dx = steps + (column + 0.5 - centre[:, 0, None, None])
    dy = steps[:, None] + (row + 0.5 - centre[:, 1, None, None])
    return _values(pixels, (row, column), (steps[:, None], steps)), dx, dy


def _values(pixels: Pixels, start: tuple[IntArray, IntArray], steps: tuple[IntArray, IntArray]) -> FloatArray:
    """Return the pixels at start + steps (rows, columns each), NaN outside the image."""
    on_image = all(
        here.size == 0 or (here.min() + step.min() >= 0 and here.max() + step.max() < side)
        for here, step, side in zip(start, steps, pixels.shape, strict=True)
    )
    if on_image:  # by far the most; one index is faster than two
        side = pixels.shape[1]
        flat = (start[0] * side + start[1]) + (steps[0] * side + steps[1])
        found: FloatArray = np.take(pixels, flat).astype(np.float64)
        return found
    rows, columns = start[0] + steps[0], start[1] + steps[1]
    last_row, last_column = pixels.shape[0] - 1, pixels.shape[1] - 1
    values: FloatArray = pixels[rows.clip(0, last_row), columns.clip(0, last_column)].astype(np.float64)
    values[(rows < 0) | (rows > last_row) | (columns < 0) | (columns > last_column)] = np.nan
    return values


def _batches(count: int, pixels_each: int) -> Iterator[slice]:
    """Cut `count` stars into parts, at least one, that fit in memory."""
    size = max(1, _BATCH_PIXELS // pixels_each)
    for start in range(0, max(count, 1), size):
        yield slice(start, start + size)
