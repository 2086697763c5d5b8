"""The source catalogue of an image (its CAT extension), kept true when the image is cut, moved or scaled.

Positions count from 1, as in FITS: the centre of pixel [0, 0] is x = 1, y = 1. The columns are those of the catalogues
of Las Cumbres Observatory; a table with fewer columns is as good, what is not there is not touched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import numpy as np
import sep
from astropy.table import Table
from astropy.wcs import WCS

from datalab.astro.catalogues.columns import floats, has_numbers, without_numbers
from datalab.astro.types import FloatArray, Pixels

__all__ = [
    "CatalogueError",
    "PositionMapping",
    "carried",
    "counted_from_one",
    "flux_ratio",
    "moved",
    "require_columns",
    "with_sky_positions",
]

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

#: The brightest sources whose fluxes are compared, and the least that make a ratio. With 5 % scatter each, a hundred
#: give the median to 0.6 %.
_RATIO_SOURCES = 100
_RATIO_LEAST_SOURCES = 3
#: Radius of the aperture for a ratio in units of the width of the stars (98 % of the light of a Moffat profile with
#: beta 3.5), its value when no width is known, and the sky ring around it in units of the radius.
_RATIO_RADIUS_FWHM = 2.0
_RATIO_RADIUS_PX = 6.0
_RATIO_SKY_RING = (1.5, 2.5)


class CatalogueError(ValueError):
    """A catalogue cannot be used; the text says why."""


def require_columns(table: Table, names: Iterable[str]) -> None:
    """Raise `CatalogueError` that names the columns `table` does not have, or not as numbers."""
    if missing := without_numbers(table, names):
        raise CatalogueError(f"its source catalogue has no column {', '.join(missing)}")


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
    """Return the catalogue with ra, dec (degrees, in the system of the WCS) of every source.

    They are those of xwin, ywin, else x, y. A table that has ra and dec keeps them unless `replace`.

    Raises:
        CatalogueError: there are no positions.
    """
    if has_numbers(table, ("ra", "dec")) and not replace:
        return table
    names = ("xwin", "ywin") if has_numbers(table, ("xwin", "ywin")) else ("x", "y")
    require_columns(table, names)
    result = table.copy()
    for name, values in zip(("ra", "dec"), wcs.all_pix2world(*(floats(table, name) for name in names), 1), strict=True):
        result[name] = np.asarray(values, np.float64)
        result[name].unit = "deg"
    return result


def flux_ratio(
    pixels: Pixels,
    reference: Pixels,
    table: Table,
    *,
    mapping: PositionMapping | None = None,
    radius_px: float | None = None,
) -> float | None:
    """Return how many times brighter stars are in one image than in another.

    The median of the ratios of aperture sums, each above its own sky, of the brightest unflagged stars that are
    complete in both images; None if there are fewer than 3.

    Args:
        pixels: shape (rows, columns), NaN where undefined.
        reference: likewise, on the grid of `table`.
        table: needs x, y; uses flux, flag and fwhm where it has them.
        mapping: from the grid of `reference` to that of `pixels`; None if it is the same.
        radius_px: of the aperture, on both grids; by default twice the median width of the stars.

    Raises:
        CatalogueError: there are no columns x, y.
    """
    require_columns(table, _POSITIONS[0])
    stars = _brightest(table)
    x, y = floats(stars, "x"), floats(stars, "y")
    radius = radius_px or _aperture_radius_px(stars)
    before = _net_sums(reference, x, y, radius)
    after = _net_sums(pixels, *(mapping(x, y) if mapping else (x, y)), radius)
    usable = (before > 0.0) & np.isfinite(after)
    if np.count_nonzero(usable) < _RATIO_LEAST_SOURCES:
        return None
    return float(np.median(after[usable] / before[usable]))


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


def _brightest(table: Table) -> Table:
    usable = np.ones(len(table), dtype=bool)
    if has_numbers(table, ["flag"]):
        usable &= floats(table, "flag") == 0
    if not has_numbers(table, ["flux"]):
        return table[usable][:_RATIO_SOURCES]
    flux = floats(table, "flux")
    usable &= flux > 0.0
    return table[usable][np.argsort(-flux[usable], kind="stable")[:_RATIO_SOURCES]]


def _aperture_radius_px(stars: Table) -> float:
    widths = floats(stars, "fwhm") if "fwhm" in stars.colnames else np.empty(0)
    widths = widths[widths > 0.0]
    return _RATIO_RADIUS_FWHM * float(np.median(widths)) if widths.size else _RATIO_RADIUS_PX


def _net_sums(pixels: Pixels, x: FloatArray, y: FloatArray, radius: float) -> FloatArray:
    """Return sums in circles above the sky around them, NaN where they are cut or have undefined pixels near."""
    image = np.ascontiguousarray(pixels, np.float64 if pixels.dtype.itemsize > 4 else np.float32)
    rows, columns = image.shape
    inside = (x - radius >= 0.5) & (x + radius <= columns + 0.5) & (y - radius >= 0.5) & (y + radius <= rows + 0.5)
    undefined = ~np.isfinite(image)
    if undefined.any():
        image = np.where(undefined, 0.0, image)
        reach = radius * _RATIO_SKY_RING[1]
        nearby, _, _ = sep.sum_circle(undefined.astype(np.float32), x[inside] - 1.0, y[inside] - 1.0, reach, subpix=1)
        inside[inside] = nearby == 0.0
    sums = np.full(x.shape, np.nan)
    sums[inside], _, _ = sep.sum_circle(
        image,
        x[inside] - 1.0,
        y[inside] - 1.0,
        radius,
        bkgann=(radius * _RATIO_SKY_RING[0], radius * _RATIO_SKY_RING[1]),
        subpix=0,
    )
    return sums
