"""Where the pixels of one image lie in another."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from datalab.astro.sky.wcs import PixelMapping
from datalab.astro.types import FloatArray, Mask

#: How far interpolated coordinates may be from exact ones, in source pixels: a fifth of what star positions may err.
MAPPING_TOLERANCE_PX = 0.01
#: Distance of the points where a mapping is evaluated: SIP and TAN bend by less than the tolerance in between.
_FIRST_STEP_PX = 64
_LEAST_STEP_PX = 4
#: Where a mapping has no value: so far outside that nothing near it counts as covered.
_NOWHERE_PX = -1e9


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


def covered(coordinates: FloatArray, source_shape: tuple[int, int]) -> Mask:
    """Tell which coordinates (as `PixelGrid.coordinates` gives them) lie among the pixel centres of the source.

    Beyond the outermost centres nothing can be interpolated; the tolerance of the coordinates counts as inside.
    """
    y, x = coordinates
    last_y, last_x = (length - 1 + MAPPING_TOLERANCE_PX for length in source_shape)
    inside: Mask = (y >= -MAPPING_TOLERANCE_PX) & (y <= last_y)
    inside &= (x >= -MAPPING_TOLERANCE_PX) & (x <= last_x)
    return inside


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
