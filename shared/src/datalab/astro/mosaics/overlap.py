"""The part of the sky that every one of several images shows, as a grid of pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS

from datalab.astro.mosaics.common_wcs import WcsError, common_wcs, moved_origin
from datalab.astro.mosaics.pixel_grid import PixelGrid, covered
from datalab.astro.sky.wcs import PixelMapping, between, outline, position_angle_deg
from datalab.astro.types import FloatArray, Mask

#: Points per axis where coverage is looked at first; the box found among them then grows to the last covered pixel.
_LATTICE_POINTS = 256

_NOTHING_SHARED = "the images have no part of the sky in common"


@dataclass(frozen=True, slots=True)
class Box:
    """Pixels of rows `y_start` to `y_stop`, columns `x_start` to `x_stop`, counted from 0, ends not included."""

    y_start: int
    y_stop: int
    x_start: int
    x_stop: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.y_stop - self.y_start, self.x_stop - self.x_start


@dataclass(frozen=True, slots=True)
class SharedGrid:
    """Pixels that several images cover completely, and where they lie in each image."""

    wcs: WCS
    shape: tuple[int, int]
    #: Both in the order of the images.
    image_wcses: tuple[WCS, ...]
    grids: tuple[PixelGrid, ...]

    def mapping_from(self, index: int) -> PixelMapping:
        """Return the mapping from the pixels of an image to those of this grid."""
        return between(self.image_wcses[index], self.wcs)


def shared_grid(wcses: Sequence[WCS], shapes: Sequence[tuple[int, int]]) -> SharedGrid:
    """Return the largest box that all images cover on the smallest TAN grid around them (see `common_wcs`).

    Its rows grow in the direction in which those of the first image do: turned to the north, a box within images of a
    turned camera could lose half of their area.

    Args:
        wcses: of the images, at least one.
        shapes: (rows, columns) of each.

    Raises:
        WcsError: the images have no part of the sky in common; the text is for users.
    """
    mosaic, _ = common_wcs(wcses, shapes, rotation_deg=position_angle_deg(wcses[0], shapes[0]))
    edges = [mosaic.world_to_pixel(outline(wcs, shape)) for wcs, shape in zip(wcses, shapes, strict=True)]
    # Only where the rectangles around all images meet, grids are worth their memory.
    x_start, y_start = (max(math.ceil(edge[axis].min()) for edge in edges) for axis in (0, 1))
    x_stop, y_stop = (min(math.floor(edge[axis].max()) + 1 for edge in edges) for axis in (0, 1))
    if x_stop <= x_start or y_stop <= y_start:
        raise WcsError(_NOTHING_SHARED)
    around = moved_origin(mosaic, x_start=x_start, y_start=y_start, shape=(y_stop - y_start, x_stop - x_start))
    grids = [PixelGrid.of(between(around, wcs), around.array_shape) for wcs in wcses]
    box = common_box(grids, shapes)
    if box is None:
        raise WcsError(_NOTHING_SHARED)
    return SharedGrid(
        moved_origin(around, x_start=box.x_start, y_start=box.y_start, shape=box.shape),
        box.shape,
        tuple(wcses),
        tuple(grid.cut(x_start=box.x_start, y_start=box.y_start, shape=box.shape) for grid in grids),
    )


def common_box(grids: Sequence[PixelGrid], source_shapes: Sequence[tuple[int, int]]) -> Box | None:
    """Return the largest box of target pixels that all sources cover, or None if they have no part in common.

    "Largest" among the boxes with corners on a lattice of 256 x 256 points, each side then moved outwards to the last
    line of pixels that is covered all along.

    Args:
        grids: of each source, all for the same target shape.
        source_shapes: (rows, columns) of each.
    """
    rows, columns = (_lattice(length) for length in grids[0].shape)

    def is_covered(some_rows: FloatArray, some_columns: FloatArray) -> Mask:
        inside = np.ones((some_rows.size, some_columns.size), bool)
        for grid, shape in zip(grids, source_shapes, strict=True):
            inside &= covered(grid.coordinates(some_rows, some_columns), shape)
        return inside

    found = _largest_rectangle(is_covered(rows, columns))
    if found is None:
        return None
    top, bottom, left, right = found
    y_first, y_last = int(rows[top]), int(rows[bottom])
    x_first, x_last = int(columns[left]), int(columns[right])

    def row_is_covered(y: int) -> bool:
        return bool(is_covered(np.array([y], float), np.arange(x_first, x_last + 1, dtype=float)).all())

    def column_is_covered(x: int) -> bool:
        return bool(is_covered(np.arange(y_first, y_last + 1, dtype=float), np.array([x], float)).all())

    y_first = _outermost(y_first, _next_point(rows, top, -1), row_is_covered)
    y_last = _outermost(y_last, _next_point(rows, bottom, 1), row_is_covered)
    x_first = _outermost(x_first, _next_point(columns, left, -1), column_is_covered)
    x_last = _outermost(x_last, _next_point(columns, right, 1), column_is_covered)
    return Box(y_first, y_last + 1, x_first, x_last + 1)


def _lattice(length: int) -> FloatArray:
    """Return pixels along an axis, both ends among them."""
    step = math.ceil(length / _LATTICE_POINTS)
    return np.unique(np.append(np.arange(0, length, step), length - 1)).astype(np.float64)


def _next_point(points: FloatArray, index: int, direction: int) -> int:
    return int(points[min(max(index + direction, 0), points.size - 1)])


def _outermost(inside: int, outside: int, is_covered: Callable[[int], bool]) -> int:
    """Return the covered line nearest to `outside`, by bisection: a box in a convex figure is covered up to a line."""
    if inside == outside or is_covered(outside):
        return outside
    while abs(outside - inside) > 1:
        middle = (inside + outside) // 2
        if is_covered(middle):
            inside = middle
        else:
            outside = middle
    return inside


def _largest_rectangle(is_inside: Mask) -> tuple[int, int, int, int] | None:
    """Return (first row, last row, first column, last column) of the largest rectangle of true points, or None.

    For each row, the columns are bars as high as there are true points from that row up, and the largest rectangle
    under the bars is found with a stack of bars that still may grow to the right.
    """
    best_area, best = 0, None
    heights = np.zeros(is_inside.shape[1], int)
    for row, line in enumerate(is_inside):
        heights = np.where(line, heights + 1, 0)
        growing: list[tuple[int, int]] = []
        for column, height in enumerate([*heights.tolist(), 0]):
            start = column
            while growing and growing[-1][1] >= height:
                start, grown = growing.pop()
                area = grown * (column - start)
                if area > best_area:
                    best_area, best = area, (row - grown + 1, row, start, column - 1)
            growing.append((start, height))
    return best
