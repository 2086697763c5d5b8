"""Calibration: images freed from bias, dark current and uneven sensitivity."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Literal

from pydantic import Field

from operation_runner.recipes.corrected_image import CorrectedImage, Masters
from operation_runner.recipes.each_image import each_image
from operation_runner.recipes.masks import carried_mask
from operation_runner.recipes.masters import prepared_masters
from operation_runner.recipes.parameters import InputFiles, OptionalFile
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


class Calibration(Operation):
    """(image - bias - dark) / flat; blank (NaN) where the flat has less than a tenth of its median.

    Pixels that are saturated or masked in a calibration frame are blank, too. What is still in the calibration frames
    is taken out of them first: the bias out of the dark, bias and dark out of a flat in counts, unless their headers
    say that it was done. Nothing is taken off twice, and nothing of another camera, gain, read mode, binning or region;
    a dark must not be ten degrees warmer or colder.
    """

    name = "Calibration"
    description = (
        "The calibration operation subtracts the bias and the dark current of the camera from each input image and "
        "divides it by a flat field. The frames can be single ones, or those the operation Master Frame makes."
    )
    version = 3
    lane = Lane.SLOW

    class Parameters(OperationParameters):
        input_files: Annotated[InputFiles, Field(description="The raw images")]
        bias_file: Annotated[OptionalFile, Field(title="Bias Frame", description="To be subtracted")]
        dark_file: Annotated[OptionalFile, Field(title="Dark Frame", description="To be subtracted")]
        flat_file: Annotated[
            OptionalFile,
            Field(title="Flat Frame", description="To be divided by, of the same filter as the images"),
        ]
        scale_dark: Annotated[
            Literal["yes", "no"],
            Field(title="Scale Dark", description="Scale the dark to the exposure time of each image"),
        ] = "yes"

    def compute(self, inputs: Inputs, parameters: Parameters, progress: Progress) -> Iterator[Product]:
        if not (parameters.bias_file or parameters.dark_file or parameters.flat_file):
            raise UsageError("Operation Calibration requires a bias, a dark or a flat frame.")
        masters = prepared_masters(
            inputs, bias=parameters.bias_file, dark=parameters.dark_file, flat=parameters.flat_file
        )
        calibrate = partial(calibrated, masters=masters, scale_dark=parameters.scale_dark == "yes")
        yield from each_image(inputs, calibrate, parameters.input_files, progress=progress)


def calibrated(raw: Image, *, masters: Masters, scale_dark: bool) -> ImageProduct:
    """Return a corrected image as a product. Raises `UsageError` if it does not fit the calibration frames."""
    image = CorrectedImage(raw, masters, scale_dark=scale_dark)
    used = [frame for frame in (masters.bias, masters.dark, masters.flat) if frame is not None]
    return ImageProduct(
        pixels=image.pixels(),
        header=image.header,
        comment=f"Datalab Calibration on {image.basename} with {', '.join(frame.basename for frame in used)}",
        inputs=[image, *used],
        catalogue=image.catalogue(),
        extensions=carried_mask([image], image.shape),
        notes=[*masters.notes, *image.doubts],
    )
