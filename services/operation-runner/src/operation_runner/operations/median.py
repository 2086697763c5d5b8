"""Median: the middle value of each pixel over several images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from datalab.astro.pixels.combine import median_dtype, median_rows
from operation_runner.recipes.catalogues import stacked_catalogue
from operation_runner.recipes.likeness import MUST_BE_ALIKE, distinct_images, likeness_notes, outlier_notes
from operation_runner.recipes.masks import without_masked
from operation_runner.recipes.parameters import InputFiles
from operation_runner.recipes.stack_headers import stack_header
from operation_runner.sdk import (
    ImageProduct,
    Inputs,
    Lane,
    Operation,
    OperationParameters,
    Product,
    Progress,
)


class Median(Operation):
    """Ignores blank (NaN) and masked pixels; a pixel that is blank in every image stays blank.

    The exposure time is the mean of those of the images; DATE-AVG is the mean of the middles of their exposures.
    """

    name = "Median"
    description = (
        "The median operation outputs the middle value of each pixel across all input images. "
        "Objects that move or flicker vanish, so it is commonly used to obtain background images."
    )
    version = 4
    lane = Lane.SLOW

    class Parameters(OperationParameters):
        input_files: Annotated[InputFiles, Field(min_length=2)]

    def compute(self, inputs: Inputs, parameters: Parameters, progress: Progress) -> Iterator[Product]:
        images, repeated = distinct_images([inputs.image(file) for file in parameters.input_files])
        unlike = likeness_notes(images, refused=MUST_BE_ALIKE)
        stack = inputs.stack([without_masked(inputs, image) for image in images])
        pixels = stack.combine(median_rows, dtype=median_dtype(stack.dtype), progress=progress)
        basenames = ", ".join(image.basename for image in stack.images)
        header, left_out = stack_header(images, how="median")
        yield ImageProduct(
            pixels=pixels,
            header=header,
            is_exposure=False,
            comment=f"Datalab Median on {basenames}",
            catalogue=stacked_catalogue(images[0], pixels, expected_scale=1.0),
            notes=[*repeated, *unlike, *left_out, *outlier_notes(len(images))],
        )
