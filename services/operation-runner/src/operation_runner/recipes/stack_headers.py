"""The header of an image that was made of several."""

from __future__ import annotations

from collections.abc import Sequence

from astropy.io import fits

from datalab.astro.pixels.count_cards import saturation_of
from datalab.astro.pixels.stacked_header import How, StackedImage, stacked_header
from datalab.astro.types import FloatArray
from operation_runner.recipes.combined_filters import with_filters
from operation_runner.sdk import Image


def stack_header(
    images: Sequence[Image], *, how: How, weights: FloatArray | None = None, header: fits.Header | None = None
) -> tuple[fits.Header, list[str]]:
    """Return the header of a stack of images, and notes on what it cannot say.

    Args:
        images: that were combined.
        how: see `datalab.astro.pixels.stacked_header.stacked_header`, as for `weights`.
        weights: one for each image.
        header: with the world coordinates of the stack, if they are not those of the first image.
    """
    stacked = [
        StackedImage(
            name=image.basename,
            header=image.header,
            description=image.description,
            saturation=saturation_of(image.header, image.dtype),
        )
        for image in images
    ]
    first = images[0].header if header is None else header
    return stacked_header(with_filters(first, images), stacked, how=how, weights=weights)
