"""The stars of an image: those of its catalogue, or found in its pixels."""

from __future__ import annotations

from astropy.table import Table

from datalab.astro.catalogues.star_selection import star_positions
from datalab.astro.headers.detector import Detector
from datalab.astro.mosaics.placement import Frame
from datalab.astro.sky.star_matching import LEAST_COMMON_STARS
from datalab.astro.sky.wcs import celestial_wcs
from datalab.astro.sources.detection import ExtractionError
from datalab.astro.sources.extraction import extract_sources
from operation_runner.sdk import Image


def frame_of(image: Image) -> Frame:
    """Return what the alignment of an image needs."""
    return Frame(
        shape=image.shape,
        wcs=celestial_wcs(image.header, image.shape),
        stars=star_positions(star_table(image)),
    )


def star_table(image: Image) -> Table | None:
    """Return the CAT table of an image if positions of enough stars are in it, else one made from the pixels.

    None if nothing can be measured in the pixels, as in a blank image.
    """
    catalogue = image.catalogue()
    if len(star_positions(catalogue)) >= LEAST_COMMON_STARS:
        return catalogue
    try:
        return extract_sources(image.pixels(), detector=Detector.of(image.header)).sources
    except ExtractionError:
        return None
