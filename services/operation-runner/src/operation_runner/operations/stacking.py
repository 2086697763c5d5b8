"""Stacking: several images of the same field made into one that shows fainter things."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from datalab.astro.headers.likeness import Trait
from datalab.astro.mosaics.overlap import SharedGrid
from datalab.astro.pixels.combine import (
    RunningSum,
    average_rows,
    median_dtype,
    median_rows,
    sigma_clipped_rows,
    sum_dtype,
    sum_rows,
)
from datalab.astro.pixels.noise import pixel_noise
from datalab.astro.pixels.stacked_header import How
from datalab.astro.sky.wcs_header import resampled_header
from datalab.astro.types import FloatArray, Pixels
from operation_runner.recipes.catalogues import stacked_catalogue
from operation_runner.recipes.likeness import MUST_BE_ALIKE, distinct_images, likeness_notes, outlier_notes
from operation_runner.recipes.masks import without_masked
from operation_runner.recipes.mosaic import add_up, combine_all, mosaic_grid
from operation_runner.recipes.parameters import InputFiles
from operation_runner.recipes.stack_headers import stack_header
from operation_runner.sdk import (
    Combine,
    Image,
    ImageProduct,
    Inputs,
    Lane,
    Operation,
    OperationParameters,
    Product,
    Progress,
    UsageError,
    WizardKeys,
)


class Stacking(Operation):
    """Blank (NaN) and masked pixels do not count, so where some images are blank a plain sum lacks their light.

    A weighted sum is the weighted average times the number of images: on the same scale, but lacking nothing.
    The exposure time of a sum is that of all images together, of anything else their mean; DATE-AVG is the mean of the
    middles of their exposures, with the weights of the images, and light curves have the stack at that time.
    """

    name = "Stacking"
    description = (
        "The stacking operation adds images of the same field pixel by pixel, which brings out faint objects. "
        "In the mode simple the images must show the same sky on the same pixels; "
        "in the mode reproject each is first moved to a common grid by the world coordinates in its header, and the "
        "result is the part of the sky that all images cover."
    )
    version = 3
    lane = Lane.SLOW

    class Parameters(OperationParameters):
        input_files: Annotated[InputFiles, Field(min_length=2)]
        stacking_mode: Annotated[
            Literal["simple", "reproject"],
            Field(title="Stacking Mode", description="Whether to align the images by their world coordinates"),
        ] = "simple"
        combine: Annotated[
            Literal["sum", "average", "median", "sigma-clipped"],
            Field(
                title="Combine",
                description="What each pixel of the result is; sigma-clipped is the average without outliers such as "
                "cosmic rays and satellites",
            ),
        ] = "sum"
        weighting: Annotated[
            Literal["none", "exposure time", "inverse variance"],
            Field(
                title="Weighting",
                description="Which images count more: those exposed longer, or those whose sky is less noisy. For "
                "images of equal level, such as normalized ones; not with the median",
            ),
            WizardKeys({"shown_when": {"combine": ["sum", "average", "sigma-clipped"]}}),
        ] = "none"
        sigma: Annotated[
            float,
            Field(
                title="Clipping Limit",
                description="Standard deviations from the median beyond which sigma-clipped leaves values out",
                ge=1.0,
                allow_inf_nan=False,
            ),
            WizardKeys({"shown_when": {"combine": ["sigma-clipped"]}}),
        ] = 3.0

    def compute(self, inputs: Inputs, parameters: Parameters, progress: Progress) -> Iterator[Product]:
        if parameters.combine == "median" and parameters.weighting != "none":
            raise UsageError(
                f"A median cannot be weighted by {parameters.weighting}: choose the weighting none, "
                "or combine by sum, average or sigma-clipped."
            )
        images, notes = distinct_images([inputs.image(file) for file in parameters.input_files])
        notes += likeness_of(images, parameters)
        first, images = images[0], [without_masked(inputs, image) for image in images]
        weights = image_weights(parameters.weighting, inputs, images, progress=progress.part(0.0, 0.1))
        combining = progress.part(0.1, 0.9)
        is_sum = parameters.combine == "sum"
        if parameters.stacking_mode == "reproject":
            grid = mosaic_grid(images)
            pixels = reprojected(inputs, images, grid, parameters, weights, progress=combining)
            placed, mapping = resampled_header(images[0].header, grid.wcs, grid.shape), grid.mapping_from(0)
        else:
            stack = inputs.stack(images)
            dtype = sum_dtype(stack.dtype, len(images)) if is_sum else median_dtype(stack.dtype)
            pixels = stack.combine(combination(parameters, weights), dtype=dtype, progress=combining)
            placed, mapping = images[0].header, None
        basenames = ", ".join(image.basename for image in images)
        header, left_out = stack_header(images, how=how_of(parameters), weights=weights, header=placed)
        yield ImageProduct(
            pixels=pixels,
            header=header,
            is_exposure=False,
            comment=f"Datalab Stacking on {basenames}",
            catalogue=stacked_catalogue(first, pixels, mapping, expected_scale=len(images) if is_sum else 1.0),
            notes=[*notes, *left_out],
        )


def likeness_of(images: Sequence[Image], parameters: Stacking.Parameters) -> list[str]:
    """Return notes on how images differ. Raises `UsageError` where their sum would mean nothing."""
    notes = [] if parameters.combine in {"sum", "average"} else outlier_notes(len(images))
    if parameters.stacking_mode == "reproject":
        return (
            likeness_notes(
                images, refused=MUST_BE_ALIKE - {Trait.BINNING}, ignored={Trait.SKY, Trait.REGION, Trait.SIZE}
            )
            + notes
        )
    return likeness_notes(images, refused=MUST_BE_ALIKE, refused_if_gross={Trait.SKY}) + notes


def how_of(parameters: Stacking.Parameters) -> How:
    """Return what the header of the stack is to say of its pixels."""
    return parameters.combine if parameters.combine in {"sum", "median"} else "average"


def combination(parameters: Stacking.Parameters, weights: FloatArray | None) -> Combine:
    """Return the function that combines a band of all images."""
    match parameters.combine:
        case "sum":
            return partial(sum_rows, weights=weights)
        case "average":
            return partial(average_rows, weights=weights)
        case "median":
            return median_rows
        case "sigma-clipped":
            return partial(sigma_clipped_rows, sigma=parameters.sigma, weights=weights)


def reprojected(
    inputs: Inputs,
    images: Sequence[Image],
    grid: SharedGrid,
    parameters: Stacking.Parameters,
    weights: FloatArray | None,
    *,
    progress: Progress,
) -> Pixels:
    """Return the images combined on a common grid. What can be done image by image needs no room for all of them."""
    if parameters.combine in {"median", "sigma-clipped"}:
        dtype = median_dtype(np.result_type(*(image.dtype for image in images)))
        using = combination(parameters, weights)
        return combine_all(inputs, images, grid, using=using, dtype=dtype, progress=progress)

    def finish(running: RunningSum) -> Pixels:
        if parameters.combine == "average":
            return running.average()
        return running.sum() if weights is None else running.average() * len(images)

    factors = np.ones(len(images)) if weights is None else weights
    return add_up(inputs, images, grid, weights=factors, finish=finish, progress=progress)


def image_weights(weighting: str, inputs: Inputs, images: Sequence[Image], *, progress: Progress) -> FloatArray | None:
    """Return the weight of each image, None if all count the same. Raises `UsageError` naming an image without one."""
    if weighting == "none":
        return None
    if weighting == "exposure time":
        times_s = [image.description.exposure_time_s for image in images]
        for image, time_s in zip(images, times_s, strict=True):
            if not time_s:
                raise UsageError(
                    f"{image.basename} does not tell an exposure time above zero (EXPTIME) to weight it by."
                )
        return np.array(times_s, np.float64)
    noises = np.array(list(inputs.parallel(pixel_noise, images, progress=progress)))
    for image, noise in zip(images, noises, strict=True):
        if not (np.isfinite(noise) and noise > 0):
            raise UsageError(f"{image.basename} has no noise that could be measured to weight it by.")
    return 1.0 / noises**2
