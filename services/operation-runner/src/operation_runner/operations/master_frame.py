"""Master Frame: many calibration frames combined into one with little noise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, Literal

import numpy as np
from astropy.io import fits
from pydantic import Field

from datalab.astro.headers.likeness import KIND_WORDS, FrameKind, Trait
from datalab.astro.pixels.arithmetic import image_median
from datalab.astro.pixels.calibration import relative_sensitivity
from datalab.astro.pixels.combine import median_dtype, median_rows, sigma_clipped_rows
from datalab.astro.pixels.count_cards import ELECTRONS_PER_COUNT, GAIN, READ_NOISES, remove, without_counts
from datalab.astro.types import Pixels
from operation_runner.recipes.calibration_checks import are_same_exposures, check_kind, check_same_camera, exposure_s
from operation_runner.recipes.corrected_image import CorrectedImage
from operation_runner.recipes.likeness import distinct_images, likeness_notes, outlier_notes
from operation_runner.recipes.masks import mask_on_disk
from operation_runner.recipes.masters import prepared_masters
from operation_runner.recipes.parameters import InputFiles, OptionalFile
from operation_runner.recipes.stack_headers import stack_header
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
    WizardKeys,
)

#: In what frames of one kind must be alike. Temperatures matter for darks; flats are of one camera and one telescope.
_MUST_BE_ALIKE = frozenset(
    {
        Trait.CAMERA,
        Trait.GAIN,
        Trait.OFFSET,
        Trait.READ_MODE,
        Trait.BINNING,
        Trait.REGION,
        Trait.UNIT,
        Trait.CORRECTION,
        Trait.OVERSCAN,
    }
)
#: Where a telescope points while its camera is calibrated is of no matter, nor through what.
_MAY_DIFFER = frozenset({Trait.SKY, Trait.TARGET, Trait.EXPOSURE, Trait.FILTER})
CLIP_SIGMA = 3.0
#: Of the pixels of flats, to be scaled by.
LEAST_USABLE_SHARE = 0.1
#: A flat with more is of no use.
MOST_SATURATED_SHARE = 0.5
#: Of the time: the levels of flats need all of them read once before they are combined.
FLAT_LEVELS_SHARE = 0.4


class MasterFrame(Operation):
    """Flats are divided by their own medians before they are combined, so that twilight may fade between them.

    Saturated pixels (SATURATE, else the highest number of the type) and masked ones do not count. Frames must be of one
    camera, gain, read mode, binning and region; bias frames must not be exposed, darks alike and of one temperature.
    """

    name = "Master Frame"
    description = (
        "The master frame operation combines bias, dark or flat frames into one with little noise, to be used by the "
        "operation Calibration. Bias and dark frames given below are first subtracted."
    )
    version = 3
    lane = Lane.SLOW

    class Parameters(OperationParameters):
        input_files: Annotated[InputFiles, Field(description="Frames of one kind", min_length=2)]
        kind: Annotated[
            Literal["bias", "dark", "flat"], Field(title="Kind", description="What the input files are")
        ] = "bias"
        bias_file: Annotated[
            OptionalFile,
            Field(title="Bias Frame", description="To be subtracted from darks or flats"),
            WizardKeys({"shown_when": {"kind": ["dark", "flat"]}}),
        ]
        dark_file: Annotated[
            OptionalFile,
            Field(title="Dark Frame", description="To be subtracted from flats"),
            WizardKeys({"shown_when": {"kind": ["flat"]}}),
        ]
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
        raw, notes = distinct_images([inputs.image(file) for file in parameters.input_files])
        notes += check_alike(raw, kind) + outlier_notes(len(raw))
        masters = prepared_masters(inputs, bias=parameters.bias_file, dark=parameters.dark_file)
        frames = [
            CorrectedImage(image, masters, blanks_saturated=True, bad=mask_on_disk(inputs, image)) for image in raw
        ]
        notes += [*masters.notes, *dict.fromkeys(doubt for frame in frames for doubt in frame.doubts)]
        if kind == "flat":
            levels = flat_levels(inputs, frames, progress=progress.part(0.0, FLAT_LEVELS_SHARE))
            frames = [frame.divided_by(level) for frame, level in zip(frames, levels, strict=True)]
        stack = inputs.stack(frames)
        pixels = stack.combine(
            median_rows if parameters.combine == "median" else partial(sigma_clipped_rows, sigma=CLIP_SIGMA),
            dtype=median_dtype(stack.dtype),
            progress=progress.part(FLAT_LEVELS_SHARE if kind == "flat" else 0.0, 1.0),
        )
        if kind == "flat":
            pixels = relative_sensitivity(pixels)
        header, left_out = master_header(frames, kind)
        names = ", ".join(frame.basename for frame in frames)
        yield ImageProduct(
            pixels=pixels,
            header=header,
            is_exposure=False,
            comment=f"Datalab Master Frame ({kind}) on {names}",
            notes=[*notes, *left_out, *blank_notes(pixels)],
        )


def check_alike(images: Sequence[Image], kind: FrameKind) -> list[str]:
    """Return notes on how frames of one kind differ. Raises `UsageError` if they cannot be, or not of one camera."""
    first = images[0]
    for image in images:
        check_kind(image, kind)
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
    return likeness_notes(
        images,
        refused=_MUST_BE_ALIKE,
        refused_if_gross={Trait.TEMPERATURE} if kind == "dark" else (),
        ignored=_MAY_DIFFER if kind == "flat" else _MAY_DIFFER | {Trait.TELESCOPE},
        refusal=f"These {kind} frames cannot be combined",
    )


def flat_levels(inputs: Inputs, frames: Sequence[CorrectedImage], *, progress: Progress) -> list[float]:
    """Return the median of each flat, over the pixels that have a value in all of them.

    Were it that of each flat's own pixels, one in which the brightest are saturated would seem too dim, and the others
    would come out too bright. Raises `UsageError` as `flat_level` does.
    """
    blank = inputs.new_pixels(frames[0].shape, np.uint8)
    first, second = progress.part(0.0, 0.5), progress.part(0.5, 1.0)
    levels = list(inputs.parallel(partial(flat_level, blank=blank), frames, progress=first))
    usable = np.asarray(blank) == 0
    if usable.all():
        progress(1.0)
        return levels
    if np.count_nonzero(usable) < LEAST_USABLE_SHARE * usable.size:
        raise UsageError("The flats cannot be combined: too few of their pixels are unsaturated in all of them.")

    def level_where_usable(frame: CorrectedImage) -> float:
        return image_median(frame.pixels()[usable])

    return list(inputs.parallel(level_where_usable, frames, progress=second))


def flat_level(flat: CorrectedImage, *, blank: Pixels) -> float:
    """Return the median of a flat, and write into `blank` where it has no value.

    Raises `UsageError` if it shows no light, too much, or the bias as well.
    """
    if not flat.is_free_of_bias:
        raise UsageError(
            f"The flat {flat.basename} still contains the bias, which is no light: choose a bias frame to subtract."
        )
    pixels = flat.pixels()
    is_blank = np.isnan(pixels)
    if is_blank.mean() >= MOST_SATURATED_SHARE <= flat.saturated_share():
        raise UsageError(
            f"The flat {flat.basename} is saturated: half of its pixels are at the level SATURATE of its header, or at "
            "the highest number their type has."
        )
    level = image_median(pixels)
    if not math.isfinite(level):
        raise UsageError(f"The flat {flat.basename} cannot be used: too few of its pixels have a value.")
    if not level > 0.0:
        raise UsageError(f"The flat {flat.basename} shows no light: its median without bias and dark is {level:g}.")
    blank[is_blank] = 1  # never 0: other processes write here
    return level


def blank_notes(pixels: Pixels) -> list[str]:
    """Return a note if some pixels of a master have no value."""
    count = int(np.count_nonzero(np.isnan(pixels)))
    return [f"{count} of {pixels.size} pixels are saturated or blank in every frame, or insensitive"] if count else []


def master_header(frames: Sequence[CorrectedImage], kind: FrameKind) -> tuple[fits.Header, list[str]]:
    """Return the header of a master, and notes on what it cannot say.

    Its gain and read noise are those of the camera, by which it is seen whether it fits other frames.
    """
    header, notes = stack_header(frames, how="average")
    first = frames[0].header
    for keyword in (GAIN, *ELECTRONS_PER_COUNT, *READ_NOISES):
        if keyword in header:
            header[keyword] = (first[keyword], first.comments[keyword])
    if kind != "flat" and header.get("FILTER") != first.get("FILTER"):
        remove(header, "FILTER")  # no light came through it
    header["OBSTYPE"] = (KIND_WORDS[kind][0], "type of the frames combined")
    # A flat has counts no more.
    return without_counts(header) if kind == "flat" else header, notes
