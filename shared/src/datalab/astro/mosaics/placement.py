"""What alignment needs to know of an image, and what it finds out."""

from __future__ import annotations

from dataclasses import dataclass

from astropy.wcs import WCS

from datalab.astro.sky.wcs import PixelMapping
from datalab.astro.types import FloatArray


class AlignmentError(ValueError):
    """An image cannot be put on the grid of another; the text says why, as the end of a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What alignment needs to know of an image.

    `shape` is (rows, columns); `wcs` None if the header has no celestial one; `stars` are x and y, 0-based, shape
    (n, 2), brightest first.
    """

    shape: tuple[int, int]
    wcs: WCS | None
    stars: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How an image lies on the grid of the reference.

    `to_image` leads from pixels of the reference to those of the image, `to_reference` back; None for both means that
    the pixels are the same. `found_by` says in words what this is known from; `notes` are sentences that say what is
    in doubt.
    """

    to_image: PixelMapping | None
    to_reference: PixelMapping | None
    shape: tuple[int, int]
    found_by: str
    notes: tuple[str, ...] = ()
