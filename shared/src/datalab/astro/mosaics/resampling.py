"""Putting an image onto another grid of pixels, keeping the light of every star and its place.

Pixels are interpolated by cubic splines and multiplied by the area of a target pixel in source pixels, so that sums
over a star stay what they were. Why cubic splines: at the sampling of real cameras (FWHM of two pixels and more) they
move no star by more than 0.01 px and lose no light, where bilinear interpolation blurs by an amount that changes from
pixel to pixel; Lanczos kernels do as well at twice the price and ring further. The price: noise of neighbouring pixels
becomes correlated, its standard deviation per pixel falls to between 0.76 (half a pixel off both ways) and 1 of what it
was, and single hot pixels leave ripples of alternating sign that fade by 0.27 per pixel.

References:
    M. Unser, "Splines: a perfect fit for signal and image processing", IEEE Signal Processing Magazine 16, 22 (1999).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import ndimage

from datalab.astro.pixels.combine import median_dtype
from datalab.astro.pixels.geometry import bands
from datalab.astro.sky.wcs import PixelMapping
from datalab.astro.types import FloatArray, Mask, PixelRows, Pixels

#: How far interpolated coordinates may be from exact ones, in source pixels: a fifth of what star positions may err.
MAPPING_TOLERANCE_PX = 0.01
#: Distance of the points where a mapping is evaluated: SIP and TAN bend by less than the tolerance in between.
_FIRST_STEP_PX = 64
_LEAST_STEP_PX = 4
#: Where a mapping has no value: so far outside that nothing near it counts as covered.
_NOWHERE_PX = -1e9

#: Pixels of one band of target rows: its coordinates take 4 MB. Fewer would read the source rows around it more often.
_BAND_PIXELS = 256 * 1024
#: Source pixels around those looked at: what lies beyond has a share below 0.27 ** 12 = 1e-7 in the coefficients.
_MARGIN_PX = 12
#: Share of blank pixels among the four nearest from which on a target pixel is blank: what the tolerance amounts to.
_BLANK_SHARE = 2 * MAPPING_TOLERANCE_PX
#: Target pixels wider than this many source pixels are averages of several samples, or stars fall between them.
_WIDEST_SAMPLE_PX = 1.25
#: Samples along each side of a target pixel, at most: its time grows with their square.
_MOST_SAMPLES = 16


@dataclass(frozen=True, slots=True)
class ArrayRows:
    """An image in memory, shape (rows, columns)."""

    pixels: Pixels

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.pixels.shape
        return rows, columns

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.pixels.dtype

    def rows(self, start: int, stop: int) -> Pixels:
        return self.pixels[start:stop]


@dataclass(frozen=True, slots=True)
class PixelGrid:
    """Where the pixels of a target image lie in a source image, and how large they are there.

    A mapping is evaluated at nodes and interpolated linearly in between, as evaluating it takes longer than resampling.
    """

    shape: tuple[int, int]
    _node_rows: FloatArray
    _node_columns: FloatArray
    #: Each of shape (node rows, node columns), in source pixels.
    _x: FloatArray
    _y: FloatArray
    _area: FloatArray

    @classmethod
    def of(cls, mapping: PixelMapping, shape: tuple[int, int]) -> PixelGrid:
        """Evaluate a mapping for a target image of the given shape, densely enough for `MAPPING_TOLERANCE_PX`."""
        step = _FIRST_STEP_PX
        while True:
            grid, error_px = cls._with_step(mapping, shape, step)
            if error_px <= MAPPING_TOLERANCE_PX or step <= _LEAST_STEP_PX:
                return grid
            step //= 2

    @classmethod
    def _with_step(cls, mapping: PixelMapping, shape: tuple[int, int], step: int) -> tuple[PixelGrid, float]:
        """Return a grid and the largest error found half-way between its nodes."""
        rows, columns = (_nodes(length, step) for length in shape)
        x, y = np.meshgrid(columns, rows)
        here, left, right, below, above, between_columns, between_rows = _evaluate(
            mapping,
            [
                (x, y),
                (x - 0.5, y),
                (x + 0.5, y),
                (x, y - 0.5),
                (x, y + 0.5),
                ((x[:, :-1] + x[:, 1:]) / 2, y[:, 1:]),
                (x[1:], (y[:-1] + y[1:]) / 2),
            ],
        )
        (left_x, left_y), (right_x, right_y) = left, right
        (below_x, below_y), (above_x, above_y) = below, above
        area = np.abs((right_x - left_x) * (above_y - below_y) - (right_y - left_y) * (above_x - below_x))
        error_px = max(
            _largest(between_columns - (here[:, :, 1:] + here[:, :, :-1]) / 2),
            _largest(between_rows - (here[:, 1:] + here[:, :-1]) / 2),
        )
        has_value = np.isfinite(here).all(axis=0) & np.isfinite(area)
        source_x, source_y = np.where(has_value, here, _NOWHERE_PX)
        return cls(shape, rows, columns, source_x, source_y, np.where(has_value, area, 1.0)), error_px

    def coordinates(self, rows: FloatArray, columns: FloatArray) -> FloatArray:
        """Return y and x in the source of the target pixels in some rows and columns, shape (2, rows, columns)."""
        result = np.empty((2, rows.size, columns.size))
        self._interpolate(self._y, rows, columns, out=result[0])
        self._interpolate(self._x, rows, columns, out=result[1])
        return result

    def areas(self, rows: FloatArray, columns: FloatArray) -> FloatArray:
        """Return the areas of target pixels in source pixels, shape (rows, columns)."""
        return self._interpolate(self._area, rows, columns)

    def cut(self, *, y_start: int, x_start: int, shape: tuple[int, int]) -> PixelGrid:
        """Return the grid of a part of the target image, which begins at row `y_start`, column `x_start`."""
        return replace(
            self, shape=shape, _node_rows=self._node_rows - y_start, _node_columns=self._node_columns - x_start
        )

    @property
    def widest_px(self) -> float:
        """The width of the largest target pixel, in source pixels."""
        return math.sqrt(float(self._area.max()))

    def _interpolate(
        self, nodes: FloatArray, rows: FloatArray, columns: FloatArray, out: FloatArray | None = None
    ) -> FloatArray:
        by_row = _linear_weights(self._node_rows, rows)
        by_column = _linear_weights(self._node_columns, columns)
        return np.matmul(by_row @ nodes, by_column.T, out=out)


def affine_mapping(matrix: FloatArray, offset: tuple[float, float]) -> PixelMapping:
    """Return the mapping (x', y') = matrix (x, y) + offset; `matrix` has the shape (2, 2)."""

    def mapping(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        return (
            matrix[0, 0] * x + matrix[0, 1] * y + offset[0],
            matrix[1, 0] * x + matrix[1, 1] * y + offset[1],
        )

    return mapping


def covered(coordinates: FloatArray, source_shape: tuple[int, int]) -> Mask:
    """Tell which coordinates (as `PixelGrid.coordinates` gives them) lie among the pixel centres of the source.

    Beyond the outermost centres nothing can be interpolated; the tolerance of the coordinates counts as inside.
    """
    y, x = coordinates
    last_y, last_x = (length - 1 + MAPPING_TOLERANCE_PX for length in source_shape)
    inside: Mask = (y >= -MAPPING_TOLERANCE_PX) & (y <= last_y)
    inside &= (x >= -MAPPING_TOLERANCE_PX) & (x <= last_x)
    return inside


def resample(source: PixelRows, mapping: PixelMapping, shape: tuple[int, int]) -> Pixels:
    """Return an image on another grid; see `resample_rows` for what its pixels are.

    Reads the source in bands: memory is that of the result and of a few bands.

    Args:
        source: `ArrayRows(pixels)` or anything else that is read by rows.
        mapping: from pixels of the result to those of the source.
        shape: (rows, columns) of the result.
    """
    grid = PixelGrid.of(mapping, shape)
    result = np.empty(shape, median_dtype(source.dtype))
    for start, stop in resampling_bands(shape):
        result[start:stop] = resample_rows(source, grid, start, stop)
    return result


def resampling_bands(shape: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Return (start, stop) of the bands of rows in which an image is best resampled."""
    rows, columns = shape
    return bands(rows, max(1, _BAND_PIXELS // columns))


def resample_rows(source: PixelRows, grid: PixelGrid, start: int, stop: int) -> Pixels:
    """Return rows `start` to `stop` of a resampled image, shape (stop - start, columns of the grid).

    Interpolated values times the area of the target pixel in source pixels: light per pixel, as counts are. NaN where
    the source does not cover the pixel's centre or is blank (not finite) there. float32 for sources of up to 16-bit
    integers and float32, else float64.

    Args:
        source: only the rows needed are read.
        grid: of the whole target image.
        start: first row.
        stop: row after the last.
    """
    dtype = median_dtype(source.dtype)
    samples = min(_MOST_SAMPLES, math.ceil(grid.widest_px / _WIDEST_SAMPLE_PX))
    offsets = (np.arange(samples) + 0.5) / samples - 0.5
    rows, columns = np.arange(start, stop, dtype=np.float64), np.arange(grid.shape[1], dtype=np.float64)
    total = np.zeros((rows.size, columns.size), dtype)
    for row_offset in offsets:
        for column_offset in offsets:
            total += _interpolated(source, grid.coordinates(rows + row_offset, columns + column_offset), dtype)
    total *= grid.areas(rows, columns) / samples**2
    return total


def _interpolated(source: PixelRows, coordinates: FloatArray, dtype: np.dtype[Any]) -> Pixels:
    """Return the values of a source at coordinates, shape (2, rows, columns), which are changed on the way."""
    is_covered = covered(coordinates, source.shape)
    result = np.full(is_covered.shape, np.nan, dtype)
    if not is_covered.any():
        return result
    (first_row, stop_row), (first_column, stop_column) = (
        _window(axis[is_covered], length) for axis, length in zip(coordinates, source.shape, strict=True)
    )
    window = source.rows(first_row, stop_row)[:, first_column:stop_column].astype(dtype)
    coordinates -= np.array([first_row, first_column])[:, np.newaxis, np.newaxis]

    is_blank = ~np.isfinite(window)
    if is_blank.all():
        return result
    if is_blank.any():
        nearest = ndimage.distance_transform_edt(is_blank, return_distances=False, return_indices=True)
        window = window[tuple(nearest)]
    coefficients = ndimage.spline_filter(window, output=dtype, mode="mirror")
    ndimage.map_coordinates(coefficients, coordinates, output=result, prefilter=False, mode="mirror")
    if is_blank.any():
        share = ndimage.map_coordinates(is_blank.astype(np.float32), coordinates, order=1, mode="nearest")
        is_covered &= share <= _BLANK_SHARE
    result[~is_covered] = np.nan
    return result


def _window(coordinates: FloatArray, length: int) -> tuple[int, int]:
    """Return (first, stop) of the source pixels along an axis that splines at the coordinates depend on."""
    first = math.floor(float(coordinates.min())) - _MARGIN_PX
    stop = math.ceil(float(coordinates.max())) + _MARGIN_PX + 1
    return max(0, first), min(length, stop)


def _nodes(length: int, step: int) -> FloatArray:
    """Return the places of nodes along an axis: its ends, and between them at most `step` apart."""
    return np.linspace(-0.5, length - 0.5, 1 + math.ceil(length / step))


def _evaluate(mapping: PixelMapping, asked: list[tuple[FloatArray, FloatArray]]) -> list[FloatArray]:
    """Evaluate a mapping at several sets of points, in one call as a call costs more than its points.

    Returns x and y of each set, shape (2, ...) followed by that of the set.
    """
    found = np.stack(
        mapping(np.concatenate([x.ravel() for x, _ in asked]), np.concatenate([y.ravel() for _, y in asked]))
    )
    ends = np.cumsum([x.size for x, _ in asked])[:-1]
    return [
        part.reshape(2, *points.shape) for part, (points, _) in zip(np.split(found, ends, axis=1), asked, strict=True)
    ]


def _largest(errors: FloatArray) -> float:
    """Return the largest error, 0 where there is none to tell."""
    return float(np.nanmax(np.abs(errors), initial=0.0))


def _linear_weights(nodes: FloatArray, places: FloatArray) -> FloatArray:
    """Return the weights of linear interpolation between nodes, shape (places, nodes)."""
    step = nodes[1] - nodes[0]
    weights: FloatArray = np.maximum(0.0, 1.0 - np.abs(places[:, np.newaxis] - nodes) / step)
    return weights
