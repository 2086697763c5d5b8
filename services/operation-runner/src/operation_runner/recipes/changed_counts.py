"""What header and catalogue say of an image whose pixels were made from those of another by arithmetic."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits

from datalab.astro.pixels.count_cards import ZERO_POINTS, affine_header, remove, saturation_of, without_counts
from datalab.astro.types import FloatArray, Mask, Pixels
from operation_runner.recipes.catalogues import carried_catalogue
from operation_runner.sdk import Image

if TYPE_CHECKING:
    from astropy.table import Table

#: Gives what becomes of some rows if every pixel of the image had one value: (value, first row, row after the last).
Outcome = Callable[[float, int, int], FloatArray]

#: Groups of rows, spread over the image, in which scale and offset are looked at, and rows of each.
_GROUPS, _GROUP_ROWS = 16, 32
#: An image divided by a flat is still scaled by one number, nearly; nearer to the middle than this are 98 % of pixels.
_ONE_SCALE = 0.3
#: Per cent of pixels in which a saturated value may come out below the level that is announced.
_BELOW_LEVEL_PERCENT = 0.1
#: Columns of a catalogue that say how bright sources are.
_LIGHT = re.compile(r"peak|background|flux(?:err)?\d*|fluxaper\d+|mag\w*")
#: The brightest pixels, by which it is seen whether another image has the same stars, and what of their light it may
#: add before magnitudes are wrong by more than two hundredths.
_BRIGHT_PERCENT, _MOST_LIGHT_ADDED = 99.9, 0.02
#: A flat dims some stars by a few per cent; an image of the same stars dims them by far more.
_MOST_DIMMED = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedCounts:
    """The header and the catalogue of a product, and notes on what was left out of them."""

    header: fits.Header
    catalogue: Table | None
    notes: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Samples:
    """Of some pixels: their values, what zero, one and the level of saturation would have become."""

    values: FloatArray
    offset: FloatArray
    scale: FloatArray
    saturated: FloatArray


def unknown_counts(image: Image, why: str) -> ChangedCounts:
    """Return what is left to say if pixels have not the meaning of counts any more; `why` ends the note."""
    header = without_counts(image.header)
    lost = [keyword for keyword in image.header if keyword not in header]
    if image.catalogue() is not None:
        lost.append("CAT")
    notes = [f"{', '.join(dict.fromkeys(lost))}: {why}, left out"] if lost else []
    return ChangedCounts(header=header, catalogue=None, notes=notes)


def affine_counts(image: Image, pixels: Pixels, outcome: Outcome) -> ChangedCounts:
    """Return what to say of pixels that are a number times those of an image, plus another, of each pixel its own.

    Args:
        image: that was changed.
        pixels: what it became, cropped from the corner [0, 0] of the image.
        outcome: see `Outcome`.
    """
    level = saturation_of(image.header, image.dtype)
    samples = _samples(image, pixels.shape, outcome, level)
    scale, offset = (_middle(values) for values in (samples.scale, samples.offset))
    if not (math.isfinite(scale) and scale > 0):
        return unknown_counts(image, "counts do not grow with those of the image")
    if _spread(samples.scale) > 2 * _ONE_SCALE * scale or abs(_scale_of_stars(samples) / scale - 1) > _MOST_DIMMED:
        return unknown_counts(image, "not all pixels were multiplied alike")
    saturation = math.inf
    if math.isfinite(level):
        # In the type of the result, so that no saturated pixel is below it by rounding.
        saturation = float(pixels.dtype.type(np.nanpercentile(samples.saturated, _BELOW_LEVEL_PERCENT)))
    header = affine_header(image.header, scale=scale, offset=offset, saturation=saturation)
    catalogue = carried_catalogue(image, shape=(pixels.shape[0], pixels.shape[1]), scale=scale)
    notes: list[str] = []
    if np.nanmin(samples.offset) == np.nanmax(samples.offset):
        if catalogue is not None and offset and "background" in catalogue.colnames:
            catalogue["background"] = catalogue["background"] + offset
    else:
        if catalogue is not None and "background" in catalogue.colnames:
            catalogue.remove_column("background")
        if abs(_light_added(samples, scale)) > _MOST_LIGHT_ADDED:
            catalogue, notes = _without_light(header, catalogue, pixels)
    if saturation <= 0:
        notes.append("SATURATE: saturated pixels are not above the others, left out")
    return ChangedCounts(header=header, catalogue=catalogue, notes=notes)


def _without_light(header: fits.Header, catalogue: Table | None, pixels: Pixels) -> tuple[Table | None, list[str]]:
    """Remove zero points from a header, in place; return the catalogue without fluxes, and what to note."""
    lost = remove(header, *ZERO_POINTS)
    if catalogue is not None:
        has_stars = np.nanmin(pixels) < np.nanmax(pixels)  # not if an image is taken from itself
        catalogue = _places_only(catalogue) if has_stars else None
        lost.append("fluxes and magnitudes of CAT" if has_stars else "CAT")
    return catalogue, [f"{', '.join(lost)}: the other image shows the same stars, left out"] if lost else []


def _places_only(catalogue: Table) -> Table:
    """Return where sources are and of what shape, without how bright they were."""
    return catalogue[[name for name in catalogue.colnames if not _LIGHT.fullmatch(name)]]


def _samples(image: Image, shape: tuple[int, ...], outcome: Outcome, level: float) -> _Samples:
    rows, columns = shape[:2]
    starts = sorted({int(start) for start in np.linspace(0, max(0, rows - _GROUP_ROWS), _GROUPS)})
    parts: list[list[FloatArray]] = [[], [], [], []]
    stop = 0
    for first in starts:
        start, stop = max(first, stop), min(first + _GROUP_ROWS, rows)
        if start >= stop:
            continue
        zero = outcome(0.0, start, stop)
        found = (
            np.asarray(image.rows(start, stop)[:, :columns], np.float64),
            zero,
            outcome(1.0, start, stop) - zero,
            outcome(level, start, stop) if math.isfinite(level) else zero,
        )
        for part, values in zip(parts, found, strict=True):
            part.append(values.ravel())
    values, offset, scale, saturated = (np.concatenate(part) for part in parts)
    return _Samples(values=values, offset=offset, scale=scale, saturated=saturated)


def _middle(values: FloatArray) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else math.nan


def _spread(values: FloatArray) -> float:
    finite = values[np.isfinite(values)]
    return float(np.subtract(*np.percentile(finite, [99, 1]))) if finite.size else 0.0


def _is_bright(values: FloatArray) -> Mask:
    return np.asarray(values >= np.percentile(values, _BRIGHT_PERCENT))


def _scale_of_stars(samples: _Samples) -> float:
    """Return what the brightest pixels were multiplied by."""
    known = np.isfinite(samples.values)
    return _middle(samples.scale[known][_is_bright(samples.values[known])]) if known.any() else math.nan


def _light_added(samples: _Samples, scale: float) -> float:
    """Return how much of the light of the brightest pixels came from elsewhere, as a part of their own."""
    known = np.isfinite(samples.values) & np.isfinite(samples.offset)
    values, offset = samples.values[known], samples.offset[known]
    if not values.size:
        return 0.0
    bright = _is_bright(values)
    own = scale * (float(np.median(values[bright])) - float(np.median(values)))
    added = float(np.median(offset[bright])) - float(np.median(offset))
    return added / own if own > 0 else 0.0
