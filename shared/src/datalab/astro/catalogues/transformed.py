"""The source catalogue of an image (its CAT extension), kept true when the image is cut, moved or scaled.

Positions count from 1, as in FITS: the centre of pixel [0, 0] is x = 1, y = 1. The columns are those of the catalogues
of Las Cumbres Observatory; a table with fewer columns is as good, what is not there is not touched.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from astropy.table import Table
from astropy.wcs import WCS

from datalab.astro.catalogues.columns import floats, has_numbers, require_columns
from datalab.astro.sky.positions import sky_positions
from datalab.astro.types import FloatArray

#: Leads from positions (x, y) on one grid to those on another, both counted from 1.
PositionMapping = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
#: The first pair decides whether a source is inside an image.
_POSITIONS = (("x", "y"), ("xwin", "ywin"), ("xpeak", "ypeak"))
#: Numbers that are proportional to the light of an image; `fluxrad..` is a length.
_COUNTS = re.compile(r"peak|background|flux(?:err)?\d*|fluxaper\d+")
_LENGTHS = re.compile(r"fwhm|fwtm|fluxrad\d+")
_MOMENTS = ("x2", "y2", "xy")
_AXES = ("a", "b", "theta")
#: Half the distance (pixels) over which the change of a mapping is measured at a source: about the size of a star.
_JACOBIAN_STEP_PX = 2.0


def carried(
    table: Table, *, shape: tuple[int, int], scale: float = 1.0, offset_px: tuple[float, float] = (0.0, 0.0)
) -> Table:
    """Return the catalogue for an image that was shifted by whole or part pixels, cut and multiplied.

    Args:
        table: needs x, y.
        shape: (rows, columns) of the new image; sources outside are left out.
        scale: what the counts of the image were multiplied by.
        offset_px: (x, y), added to positions; an image cut from [row, column] on has (-column, -row).

    Raises:
        CatalogueError: there are no columns x, y.
    """
    require_columns(table, _POSITIONS[0])
    result = table.copy()
    for names in _POSITIONS:
        for name, offset in zip(names, offset_px, strict=True):
            if has_numbers(table, [name]):
                _replace(result, name, floats(table, name) + offset)
    return _scaled(_inside(result, shape), scale)


def counted_from_one(mapping: PositionMapping) -> PositionMapping:
    """Return a mapping of pixels that are counted from 0 for positions of catalogues, which are counted from 1."""

    def from_one(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        new_x, new_y = mapping(x - 1.0, y - 1.0)
        return new_x + 1.0, new_y + 1.0

    return from_one


def moved(table: Table, mapping: PositionMapping, *, shape: tuple[int, int], scale: float = 1.0) -> Table:
    """Return the catalogue for an image that was resampled onto another grid and multiplied.

    Positions go through the mapping; sizes, angles and second moments follow its linear part at each source.

    Args:
        table: needs x, y.
        mapping: from the old grid to the new one; NaN for positions that are not on it.
        shape: (rows, columns) of the new image; sources outside are left out.
        scale: what the flux of a source was multiplied by.

    Raises:
        CatalogueError: there are no columns x, y.
    """
    require_columns(table, _POSITIONS[0])
    result = table.copy()
    for x_name, y_name in _POSITIONS:
        if has_numbers(table, (x_name, y_name)):
            x, y = mapping(floats(table, x_name), floats(table, y_name))
            _replace(result, x_name, x)
            _replace(result, y_name, y)
    _transform_shapes(result, _jacobians(mapping, floats(table, "x"), floats(table, "y")))
    return _scaled(_inside(result, shape), scale)


def with_sky_positions(table: Table, wcs: WCS, *, replace: bool = False) -> Table:
    """Return the catalogue with ra, dec (ICRS degrees) of every source.

    They are those of xwin, ywin, else x, y. A table that has ra and dec keeps them unless `replace`.

    Raises:
        CatalogueError: there are no positions.
    """
    if has_numbers(table, ("ra", "dec")) and not replace:
        return table
    names = ("xwin", "ywin") if has_numbers(table, ("xwin", "ywin")) else ("x", "y")
    require_columns(table, names)
    result = table.copy()
    x, y = (floats(table, name) - 1.0 for name in names)
    for name, values in zip(("ra", "dec"), sky_positions(wcs, x, y), strict=True):
        result[name] = values
        result[name].unit = "deg"
    return result


def _numeric(table: Table, kind: re.Pattern[str]) -> list[str]:
    return [name for name in table.colnames if kind.fullmatch(name) and has_numbers(table, [name])]


def _replace(table: Table, name: str, values: FloatArray) -> None:
    """Replace the numbers of a column; one of integers stays so, rounded, and has 0 for what is undefined."""
    column = table[name]
    if column.dtype.kind in "iu":
        values = np.rint(np.nan_to_num(values, nan=0.0))
    table[name] = values.astype(column.dtype.newbyteorder("="))
    table[name].unit, table[name].description = column.unit, column.description


def _inside(table: Table, shape: tuple[int, int]) -> Table:
    x, y = floats(table, "x"), floats(table, "y")
    rows, columns = shape
    return table[(x >= 0.5) & (x < columns + 0.5) & (y >= 0.5) & (y < rows + 0.5)]


def _scaled(table: Table, scale: float) -> Table:
    if scale != 1.0:
        for name in _numeric(table, _COUNTS):
            # A catalogue of integer counts must not lose the fractions a factor gives them.
            unit, description = table[name].unit, table[name].description
            table[name] = floats(table, name) * (abs(scale) if "err" in name else scale)
            table[name].unit, table[name].description = unit, description
    return table


def _jacobians(mapping: PositionMapping, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the linear part of a mapping at each position, shape (n, 2, 2)."""
    step = _JACOBIAN_STEP_PX
    by_x = np.subtract(mapping(x + step, y), mapping(x - step, y))
    by_y = np.subtract(mapping(x, y + step), mapping(x, y - step))
    return np.stack([by_x.T, by_y.T], axis=2) / (2.0 * step)


def _transform_shapes(table: Table, jacobians: FloatArray) -> None:
    with np.errstate(invalid="ignore"):  # where the mapping ends, sizes are unknown
        length = np.sqrt(np.abs(np.linalg.det(jacobians)))
    for name in _numeric(table, _LENGTHS):
        _replace(table, name, floats(table, name) * length)
    if has_numbers(table, _MOMENTS):
        xx, yy, xy = _propagated(jacobians, *(floats(table, name) for name in _MOMENTS))
        for name, values in zip(_MOMENTS, (xx, yy, xy), strict=True):
            _replace(table, name, values)
    if has_numbers(table, _AXES):
        for name, values in zip(_AXES, _propagated_axes(jacobians, *(floats(table, n) for n in _AXES)), strict=True):
            _replace(table, name, values)


def _propagated(
    jacobians: FloatArray, xx: FloatArray, yy: FloatArray, xy: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    covariance = np.stack([np.stack([xx, xy], axis=1), np.stack([xy, yy], axis=1)], axis=1)
    result = jacobians @ covariance @ np.swapaxes(jacobians, 1, 2)
    return result[:, 0, 0], result[:, 1, 1], result[:, 0, 1]


def _propagated_axes(
    jacobians: FloatArray, a: FloatArray, b: FloatArray, theta_deg: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the axes and the angle (degrees) of the ellipses that the mapping makes of ellipses."""
    cosine, sine = np.cos(np.radians(theta_deg)), np.sin(np.radians(theta_deg))
    xx, yy, xy = _propagated(
        jacobians,
        (a * cosine) ** 2 + (b * sine) ** 2,
        (a * sine) ** 2 + (b * cosine) ** 2,
        (a**2 - b**2) * sine * cosine,
    )
    middle, spread = (xx + yy) / 2.0, np.hypot((xx - yy) / 2.0, xy)
    angle = np.degrees(0.5 * np.arctan2(2.0 * xy, xx - yy))
    return np.sqrt(middle + spread), np.sqrt(np.maximum(middle - spread, 0.0)), angle
