"""Handing the sources of an image on to images made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datalab.astro.catalogue import CatalogueError, carried
from operation_runner.sdk import Image

if TYPE_CHECKING:
    from astropy.table import Table


def carried_catalogue(
    image: Image, *, shape: tuple[int, int], scale: float = 1.0, offset_px: tuple[float, float] = (0.0, 0.0)
) -> Table | None:
    """Return the catalogue of `image` for an image cut from it and multiplied; None without sources or positions.

    The arguments are those of `datalab.astro.catalogue.carried`.
    """
    catalogue = image.catalogue()
    if catalogue is None:
        return None
    try:
        return carried(catalogue, shape=shape, scale=scale, offset_px=offset_px)
    except CatalogueError:  # of no use to anybody, and no reason to fail
        return None
