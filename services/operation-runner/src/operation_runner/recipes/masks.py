"""Masks of images: what they call bad does not count, and what is made of one image carries its mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from datalab.astro.pixels.arithmetic import exact_dtype
from datalab.astro.pixels.geometry import bands
from datalab.astro.types import Mask, Pixels
from operation_runner.sdk import Image, Inputs

#: The extension of a product that is 1 where pixels are bad; readers know it as a mask.
EXTENSION = "MASK"
_BAND_ROWS = 256


def without_masked(inputs: Inputs, image: Image) -> Image:
    """Return an image that is blank where its mask says so; the same one if it has none."""
    mask = image.mask()
    if mask is None:
        return image
    pixels = inputs.new_pixels(image.shape, exact_dtype(image.dtype))
    for start, stop in bands(image.shape[0], _BAND_ROWS):
        rows = image.rows(start, stop).astype(pixels.dtype.newbyteorder("="))
        rows[mask[start:stop]] = np.nan
        pixels[start:stop] = rows
    return inputs.derived(image, pixels)


def mask_on_disk(inputs: Inputs, image: Image) -> Pixels | None:
    """Return the mask of an image, 1 where pixels are bad, shared with other processes and not in memory."""
    mask = image.mask()
    if mask is None:
        return None
    kept = inputs.new_pixels(image.shape, np.uint8)
    kept[:] = mask
    return kept


def carried_mask(images: Sequence[Image], shape: tuple[int, ...]) -> Mapping[str, Pixels]:
    """Return the extension of what is made of images pixel by pixel, cropped from the corner [0, 0].

    A pixel is bad that is so in any of them; without masks there is no extension.
    """
    rows, columns = shape[:2]
    bad: Mask | None = None
    for image in images:
        mask = image.mask()
        if mask is not None:
            part = mask[:rows, :columns]
            bad = part.copy() if bad is None else bad | part
    return {} if bad is None else {EXTENSION: bad.astype(np.uint8)}
