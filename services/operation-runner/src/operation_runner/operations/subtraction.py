"""Subtraction: one image taken from each of the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
from pydantic import Field

from datalab.astro.headers.likeness import Trait
from datalab.astro.pixels.arithmetic import exact_dtype
from datalab.astro.pixels.geometry import common_shape
from datalab.astro.types import FloatArray, Pixels
from operation_runner.recipes.changed_counts import affine_counts
from operation_runner.recipes.combined_filters import with_filters
from operation_runner.recipes.each_image import each_image
from operation_runner.recipes.likeness import pair_notes
from operation_runner.recipes.masks import carried_mask
from operation_runner.recipes.parameters import InputFiles
from operation_runner.sdk import (
    FitsFile,
    Image,
    ImageProduct,
    Inputs,
    Lane,
    Operation,
    OperationParameters,
    Product,
    Progress,
    UsageError,
)


class Subtraction(Operation):
    """Images of different size are cropped from pixel [0, 0] to what both cover; blank (NaN) pixels stay blank."""

    name = "Subtraction"
    description = (
        "The subtraction operation takes the pixels of one image away from each input image, for instance to remove a "
        "background, or to show what has changed."
    )
    version = 3
    lane = Lane.SLOW

    class Parameters(OperationParameters):
        input_files: InputFiles
        subtraction_file: Annotated[
            list[FitsFile],
            Field(
                title="Subtraction File",
                description="This file will be subtracted from the input images",
                min_length=1,
                max_length=1,
            ),
        ]

    def compute(self, inputs: Inputs, parameters: Parameters, progress: Progress) -> Iterator[Product]:
        subtracted = inputs.image(parameters.subtraction_file[0])
        # Read once: every process has it as it is now.
        subtract = partial(difference, subtracted=Subtracted(image=subtracted, pixels=subtracted.pixels()))
        yield from each_image(inputs, subtract, parameters.input_files, progress=progress)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subtracted:
    """The image that is taken from the others."""

    image: Image
    pixels: Pixels


def difference(image: Image, *, subtracted: Subtracted) -> ImageProduct:
    """Return `image` minus `subtracted`, in a type that holds every difference.

    Raises `UsageError` if no pixel has a value in both.
    """
    rows, columns = common_shape([image.shape, subtracted.pixels.shape])
    pixels = np.subtract(
        image.rows(0, rows)[:, :columns],
        subtracted.pixels[:rows, :columns],
        dtype=exact_dtype(image.dtype, subtracted.pixels.dtype),
    )
    if np.isnan(pixels[0, 0]) and np.isnan(pixels).all():
        raise UsageError(f"{not_subtracted(image, subtracted)}: no pixel has a value in both.")
    notes = pair_notes(
        [image, subtracted.image], refused={Trait.UNIT, Trait.BINNING}, refusal=not_subtracted(image, subtracted)
    )

    def outcome(value: float, start: int, stop: int) -> FloatArray:
        return value - np.asarray(subtracted.pixels[start:stop, :columns], np.float64)

    counts = affine_counts(image, pixels, outcome)
    return ImageProduct(
        pixels=pixels,
        header=with_filters(counts.header, [image, subtracted.image]),
        is_exposure=False,
        comment=f"Datalab Subtraction of {subtracted.image.basename} subtracted from {image.basename}",
        inputs=[image, subtracted.image],
        catalogue=counts.catalogue,
        extensions=carried_mask([image, subtracted.image], pixels.shape),
        notes=[*notes, *counts.notes],
    )


def not_subtracted(image: Image, subtracted: Subtracted) -> str:
    """Return how a refusal begins."""
    return f"{subtracted.image.basename} cannot be subtracted from {image.basename}"
