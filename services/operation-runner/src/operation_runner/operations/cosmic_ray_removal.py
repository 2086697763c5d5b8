"""Cosmic Ray Removal: images mended where cosmic rays hit them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import numpy as np
from pydantic import Field

from datalab.astro.headers.detector import Detector
from datalab.astro.pixels.cosmic_rays import CosmicRayError, CosmicRaySettings, remove_cosmic_rays
from datalab.astro.sources.extraction import star_width_px
from operation_runner.recipes.catalogues import carried_catalogue
from operation_runner.recipes.each_image import each_image
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


class CosmicRayRemoval(Operation):
    """Only pixels that were hit change; the extension CRMASK is 1 there. Saturated and blank pixels stay.

    Where stars are hardly wider than a pixel, what has their shape stays as well.
    """

    name = "Cosmic Ray Removal"
    description = (
        "The cosmic ray removal operation finds pixels that cosmic rays hit, by their edges, which are sharper than "
        "those of stars, and replaces them by the mean of their neighbours. Best used on single exposures."
    )
    version = 3
    lane = Lane.SLOW

    class Parameters(OperationParameters):
        input_files: InputFiles
        sigma_clip: Annotated[
            float,
            Field(
                title="Detection Limit",
                description="How far above the noise a cosmic ray stands (sigma)",
                ge=1.0,
                le=100.0,
                allow_inf_nan=False,
            ),
        ] = 4.5
        sigfrac: Annotated[
            float,
            Field(
                title="Neighbour Fraction",
                description="Fraction of that limit for pixels next to a hit one",
                gt=0.0,
                le=1.0,
                allow_inf_nan=False,
            ),
        ] = 0.3
        objlim: Annotated[
            float,
            Field(
                title="Contrast Limit",
                description="How much sharper than a star; raise it if the cores of stars are hit",
                ge=0.0,
                le=100.0,
                allow_inf_nan=False,
            ),
        ] = 5.0
        iterations: Annotated[
            int, Field(title="Iterations", description="How often to look again after mending", ge=1, le=10)
        ] = 4

    def compute(self, inputs: Inputs, parameters: Parameters, progress: Progress) -> Iterator[Product]:
        settings = CosmicRaySettings(
            sigma_clip=parameters.sigma_clip,
            neighbour_fraction=parameters.sigfrac,
            object_contrast=parameters.objlim,
            iterations=parameters.iterations,
        )
        clean = partial(cleaned, settings=settings)
        yield from each_image(inputs, clean, parameters.input_files, progress=progress)


def cleaned(image: Image, *, settings: CosmicRaySettings) -> ImageProduct:
    """Return an image without cosmic rays. Raises `UsageError` if what is in it cannot be told from them."""
    pixels, detector = image.pixels(), Detector.of(image.header)
    try:
        result = remove_cosmic_rays(
            pixels, detector=detector, settings=settings, star_fwhm_px=star_width_px(pixels, detector=detector)
        )
    except CosmicRayError as error:
        raise UsageError(f"Cosmic rays cannot be removed from {image.basename}: {error}.") from error
    header = image.header.copy()
    header["NCOSMIC"] = (int(np.count_nonzero(result.hit)), "pixels hit by cosmic rays and mended")
    return ImageProduct(
        pixels=result.pixels,
        header=header,
        comment=f"Datalab Cosmic Ray Removal on {image.basename}",
        inputs=[image],
        catalogue=carried_catalogue(image, shape=image.shape),
        extensions={"CRMASK": result.hit.astype(np.uint8)},
        notes=result.notes,
    )
