"""Master Frame: many calibration frames combined into one with little noise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, Literal

from astropy.io import fits
from pydantic import Field

from datalab.astro.pixels.arithmetic import image_median
from datalab.astro.pixels.calibration import relative_sensitivity
from datalab.astro.pixels.combine import median_dtype, median_rows, sigma_clipped_rows
from operation_runner.recipes.corrected_image import CorrectedImage, are_same_exposures, check_same_camera, exposure_s
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

Kind = Literal["bias", "dark", "flat"]

#: What observatories call frames of a kind in OBSTYPE; the first is what a master is called.
OBSERVATION_TYPES: dict[str, tuple[str, ...]] = {
    "bias": ("BIAS", "ZERO", "ZEROS"),
    "dark": ("DARK",),
    "flat": (
        "FLAT",
        "SKYFLAT",
        "DOMEFLAT",
        "LAMPFLAT",
        "SCREENFLAT",
        "SKY FLAT",
        "DOME FLAT",
        "FLAT FIELD",
        "FLATFIELD",
    ),
    "sky": ("EXPOSE", "EXPERIMENTAL", "STANDARD", "TARGET", "OBJECT", "LIGHT", "SPECTRUM", "SCIENCE"),
}
CLIP_SIGMA = 3.0
#: Of the time: the levels of flats need all of them read once before they are combined.
FLAT_LEVELS_SHARE = 0.4


class MasterFrame(Operation):
    """Flats are divided by their own medians before they are combined, so that twilight may fade between them."""

    name = "Master Frame"
    description = (
        "The master frame operation combines bias, dark or flat frames into one with little noise, to be used by the "
        "operation Calibration. Bias and dark frames given below are first subtracted."
    )
    version = 2
    lane = Lane.SLOW

    class Parameters(OperationParameters):
        input_files: Annotated[InputFiles, Field(description="Frames of one kind", min_length=2)]
        kind: Annotated[Kind, Field(title="Kind", description="What the input files are")] = "bias"
        bias_file: Annotated[
            OptionalFile, Field(title="Bias Frame", description="To be subtracted from darks or flats")
        ]
        dark_file: Annotated[OptionalFile, Field(title="Dark Frame", description="To be subtracted from flats")]
        combine: Annotated[
            Literal["sigma-clipped", "median"],
            Field(title="Combine", description="The average without outliers, or the middle value, of each pixel"),
        ] = "sigma-clipped"

    def compute(self, inputs: Inputs, parameters: Parameters, progress: Progress) -> Iterator[Product]:
        kind = parameters.kind
        if parameters.dark_file and kind != "flat":
            raise UsageError(f"A dark frame is subtracted from flats only, not from {kind} frames.")
        if parameters.bias_file and kind == "bias":
            raise UsageError("A bias frame is subtracted from darks and flats, not from bias frames.")
        raw = [inputs.image(file) for file in parameters.input_files]
        check_alike(raw, kind)
        masters = prepared_masters(inputs, bias=parameters.bias_file, dark=parameters.dark_file)
        frames = [CorrectedImage(image, masters) for image in raw]
        if kind == "flat":
            levels = inputs.parallel(flat_level, frames, progress=progress.part(0.0, FLAT_LEVELS_SHARE))
            frames = [frame.divided_by(level) for frame, level in zip(frames, levels, strict=True)]
        stack = inputs.stack(frames)
        pixels = stack.combine(
            median_rows if parameters.combine == "median" else partial(sigma_clipped_rows, sigma=CLIP_SIGMA),
            dtype=median_dtype(stack.dtype),
            progress=progress.part(FLAT_LEVELS_SHARE if kind == "flat" else 0.0, 1.0),
        )
        names = ", ".join(frame.basename for frame in frames)
        yield ImageProduct(
            pixels=relative_sensitivity(pixels) if kind == "flat" else pixels,
            header=master_header(frames, kind),
            is_exposure=False,
            comment=f"Datalab Master Frame ({kind}) on {names}",
        )


def check_alike(images: Sequence[Image], kind: Kind) -> None:
    """Raise `UsageError` unless the images can be frames of one kind, of one camera, and alike where it matters."""
    first = images[0]
    for image in images:
        check_type(image, kind)
        check_same_camera(first, image, kind=kind)
    if kind == "dark":
        times = sorted({exposure_s(image, needed_to="combine darks") for image in images})
        if not are_same_exposures(times):
            raise UsageError(
                f"The darks were exposed for {', '.join(f'{time:g}' for time in times)} s: darks of one exposure time "
                "can be combined; the operation Calibration scales the result to others."
            )
    if kind == "flat":
        filters = sorted({image.description.filter_name or "an unknown filter" for image in images})
        if len(filters) > 1:
            raise UsageError(f"The flats were taken in {', '.join(filters)}: flats of one filter can be combined.")


def check_type(image: Image, kind: Kind) -> None:
    """Raise `UsageError` if the header says that an image is of another kind; unknown words say nothing."""
    word = (image.description.configuration_type or "").upper()
    if any(word in words for other, words in OBSERVATION_TYPES.items() if other != kind):
        raise UsageError(f"{image.basename} is not a {kind} frame: its header says {word} (OBSTYPE).")


def flat_level(flat: CorrectedImage) -> float:
    """Return the median of a flat. Raises `UsageError` if it shows no light, too much, or the bias as well."""
    if not flat.is_free_of_bias:
        raise UsageError(
            f"The flat {flat.basename} still contains the bias, which is no light: choose a bias frame to subtract."
        )
    level = image_median(flat.pixels())
    if not math.isfinite(level):
        raise UsageError(f"The flat {flat.basename} cannot be used: too few of its pixels have a value.")
    if not level > 0.0:
        raise UsageError(f"The flat {flat.basename} shows no light: its median without bias and dark is {level:g}.")
    if level >= flat.saturation:
        raise UsageError(f"The flat {flat.basename} is saturated: its median is at the level SATURATE of its header.")
    return level


def master_header(frames: Sequence[CorrectedImage], kind: Kind) -> fits.Header:
    """Return the header of a master: that of the first frame, and what it was made of."""
    header = frames[0].header
    header["OBSTYPE"] = (OBSERVATION_TYPES[kind][0], "type of the frames combined")
    header["NCOMBINE"] = (len(frames), "number of frames combined")
    if kind == "flat":
        for keyword in ("BUNIT", "SATURATE"):  # it has counts no more
            header.remove(keyword, ignore_missing=True)
    return header
