"""Handing the sources of an image on to images made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datalab.astro.catalogues.columns import CatalogueError, has_numbers
from datalab.astro.catalogues.flux_ratio import flux_ratio
from datalab.astro.catalogues.transformed import carried, counted_from_one, moved
from datalab.astro.sky.wcs import PixelMapping
from datalab.astro.types import Pixels
from operation_runner.sdk import Image

if TYPE_CHECKING:
    from astropy.table import Table


def carried_catalogue(
    image: Image, *, shape: tuple[int, int], scale: float = 1.0, offset_px: tuple[float, float] = (0.0, 0.0)
) -> Table | None:
    """Return the catalogue of `image` for an image cut from it and multiplied; None without sources or positions.

    The arguments are those of `datalab.astro.catalogues.transformed.carried`.
    """
    catalogue = image.catalogue()
    if catalogue is None:
        return None
    try:
        return carried(catalogue, shape=shape, scale=scale, offset_px=offset_px)
    except CatalogueError:  # of no use to anybody, and no reason to fail
        return None


def stacked_catalogue(
    first: Image, pixels: Pixels, mapping: PixelMapping | None = None, *, expected_scale: float
) -> Table | None:
    """Return the catalogue of the first image for the stack: its sources where they are now, as bright as they are now.

    How much brighter is measured on the stars; `expected_scale` counts if there are too few.
    """
    table = first.catalogue()
    if table is None or not has_numbers(table, ("x", "y")):
        return None
    to_stack = None if mapping is None else counted_from_one(mapping)
    scale = flux_ratio(pixels, first.pixels(), table, mapping=to_stack) or expected_scale
    if to_stack is None:
        return carried(table, shape=pixels.shape, scale=scale)
    return moved(table, to_stack, shape=pixels.shape, scale=scale)
