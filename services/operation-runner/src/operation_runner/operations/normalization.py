"""Normalization: each image divided by its own median."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from datalab.astro.pixels.arithmetic import exact_dtype, image_median
from datalab.astro.pixels.count_cards import affine_header, saturation_of
from datalab.astro.pixels.noise import array_noise
from operation_runner.recipes.catalogues import carried_catalogue
from operation_runner.recipes.each_image import each_image
from operation_runner.recipes.masks import carried_mask
from operation_runner.recipes.parameters import InputFiles
from operation_runner.sdk import (
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


class Normalization(Operation):
    """Blank (NaN) and masked pixels do not count for the median, and stay as they are."""

    name = "Normalization"
    description = (
        "The normalization operation divides each input image by its own median, so that images of different exposure "
        "or sky brightness can be compared or combined."
    )
    version = 3
    lane = Lane.SLOW

    class Parameters(OperationParameters):
        input_files: InputFiles

    def compute(self, inputs: Inputs, parameters: Parameters, progress: Progress) -> Iterator[Product]:
        yield from each_image(inputs, normalized, parameters.input_files, progress=progress)


def normalized(image: Image) -> ImageProduct:
    """Return an image divided by its median. Raises `UsageError` if that is not positive or there is none."""
    pixels = image.pixels()
    mask = image.mask()
    median = image_median(pixels if mask is None else pixels[~mask])
    if not (math.isfinite(median) and median > 0):
        raise UsageError(
            f"{image.basename} cannot be normalized: {unusable(median)}, and pixels are to be divided by the median."
        )
    return ImageProduct(
        pixels=np.divide(pixels, median, dtype=exact_dtype(image.dtype)),
        header=affine_header(
            image.header, scale=1 / median, saturation=saturation_of(image.header, image.dtype) / median
        ),
        is_exposure=False,
        comment=f"Datalab Normalization on file {image.basename}",
        inputs=[image],
        catalogue=carried_catalogue(image, shape=image.shape, scale=1 / median),
        extensions=carried_mask([image], image.shape),
        notes=doubts(median, array_noise(pixels)),
    )


def unusable(median: float) -> str:
    """Return what is wrong with a median nothing can be divided by."""
    if math.isnan(median):
        return "it has no defined pixel"
    if math.isinf(median):
        return "half of its pixels are infinite"
    return f"its median is {median:g}, which would turn its signs" if median < 0 else "its median is 0"


def doubts(median: float, noise: float) -> list[str]:
    """Return a note if a median is that of noise, such as that of an image without its sky."""
    if not noise > median:
        return []
    return [f"The median {median:g} is less than the noise of a pixel, {noise:.3g}: it is chance, and so is the scale"]
