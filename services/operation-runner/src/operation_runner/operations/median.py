"""Median: the middle value of each pixel over several images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from datalab.astro.pixels.combine import median_dtype, median_rows
from operation_runner.recipes.catalogues import stacked_catalogue
from operation_runner.recipes.combined_filters import with_filters
from operation_runner.recipes.parameters import InputFiles
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
    """Ignores blank (NaN) pixels; a pixel that is blank in every image stays blank."""

    name = "Median"
    description = (
        "The median operation outputs the middle value of each pixel across all input images. "
        "Objects that move or flicker vanish, so it is commonly used to obtain background images."
    )
    version = 3
    lane = Lane.SLOW

    class Parameters(OperationParameters):
        input_files: Annotated[InputFiles, Field(min_length=2)]

    def compute(self, inputs: Inputs, parameters: Parameters, progress: Progress) -> Iterator[Product]:
        stack = inputs.stack(parameters.input_files)
        pixels = stack.combine(median_rows, dtype=median_dtype(stack.dtype), progress=progress)
        basenames = ", ".join(image.basename for image in stack.images)
        first = stack.images[0]
        yield ImageProduct(
            pixels=pixels,
            header=with_filters(first.header, stack.images),
            is_exposure=False,
            comment=f"Datalab Median on {basenames}",
            catalogue=stacked_catalogue(first, pixels, expected_scale=1.0),
        )
