"""Alignment: images put on the pixel grid of a reference image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from datalab.astro.mosaics.alignment import (
    align_by_stars,
    align_by_wcs,
    aligned_catalogue,
    aligned_header,
    aligned_pixels,
    unmoved,
)
from datalab.astro.mosaics.placement import AlignmentError, Frame, Placement
from datalab.astro.mosaics.star_alignment import LEAST_COMMON_STARS
from operation_runner.recipes.each_image import Refusal, delivered, none_left
from operation_runner.recipes.parameters import InputFiles
from operation_runner.recipes.star_lists import frame_of
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

Method = Literal["stars", "wcs"]


class Alignment(Operation):
    """Pixels of the grid that an image does not cover are blank (NaN). The light of each star is conserved.

    Images may be turned, mirrored, binned, of another scale, of pixels that are not square, and distorted. By whichever
    method, stars and world coordinates are compared, and what is in doubt is noted.
    """

    name = "Alignment"
    description = (
        "The alignment operation shifts, rotates, scales and, where needed, mirrors and straightens images so that "
        "each star lies on the same pixel as in the reference image. Images that are aligned already stay as they are."
    )
    version = 3
    lane = Lane.SLOW

    class Parameters(OperationParameters):
        input_files: Annotated[InputFiles, Field(description="The input files to align", min_length=2)]
        reference_file: Annotated[
            list[FitsFile] | None,
            Field(
                title="Reference File",
                description="The file whose pixel grid the others are put on; if none is given, the input file whose "
                "name comes first in the alphabet, of those that others can be aligned to",
                max_length=1,
            ),
        ] = None
        method: Annotated[
            Method,
            Field(
                title="Method",
                description="What tells how images lie: the stars in them, or the world coordinates in their headers",
            ),
        ] = "stars"

    def compute(self, inputs: Inputs, parameters: Parameters, progress: Progress) -> Iterator[Product]:
        reference = found_reference(inputs, parameters)
        progress(0.1)
        answers = inputs.parallel_images(
            partial(onto_grid, reference=reference),
            parameters.input_files,
            progress=progress.part(0.1, 1.0),
            refused=Refusal.of,
        )
        is_reference = [file == reference.file for file in parameters.input_files]
        yield from delivered(if_any_is_aligned(answers, is_reference))


@dataclass(frozen=True)
class Reference:
    """The file and the image that others are aligned to, what is known of it, and what tells how the others lie."""

    file: FitsFile
    image: Image
    frame: Frame
    method: Method
    #: Whether no other input has the name of the file.
    is_alone: bool = True

    @property
    def is_usable(self) -> bool:
        """Whether others can be aligned to it at all."""
        if self.method == "wcs":
            return self.frame.wcs is not None
        return len(self.frame.stars) >= LEAST_COMMON_STARS


def found_reference(inputs: Inputs, parameters: Alignment.Parameters) -> Reference:
    """Return the chosen reference, else the first file that others can be aligned to, else the first there is.

    Raises `UsageError` if no file has an image.
    """
    first: Reference | None = None
    refusals = []
    for file in parameters.reference_file or parameters.input_files:
        try:
            image = inputs.image(file)
            is_alone = all(other == file for other in parameters.input_files if other.basename == file.basename)
            reference = Reference(file, image, frame_of(image), parameters.method, is_alone=is_alone)
        except UsageError as error:
            refusals.append(Refusal.of(file, error))
            continue
        if reference.is_usable:
            return reference
        first = first or reference
    if first is None:
        raise none_left(refusals)
    return first


def if_any_is_aligned(answers: Iterator[Any], is_reference: Sequence[bool]) -> Iterator[Any]:
    """Yield answers, the reference not before another image was aligned to it; only refusals if none is."""
    waiting: list[Any] = []
    is_aligned = all(is_reference)
    for answer, of_reference in zip(answers, is_reference, strict=True):
        waiting.append(answer)
        is_aligned = is_aligned or not (of_reference or isinstance(answer, Refusal))
        if is_aligned:
            yield from waiting
            waiting.clear()
    yield from (answer for answer in waiting if isinstance(answer, Refusal))


def onto_grid(image: Image, *, reference: Reference) -> ImageProduct:
    """Return an image on the grid of the reference, with its catalogue. Raises `UsageError`."""
    if reference.is_alone and image.basename == reference.file.basename:
        frame, placement = reference.frame, unmoved(image.shape)
    else:
        frame = frame_of(image)
        placement = found_placement(image, frame, reference)
    pixels = aligned_pixels(image, placement)
    if placement.to_image is not None and not np.isfinite(pixels).any():
        raise UsageError(
            f"{image.basename} cannot be aligned to {reference.image.basename}: by its {placement.found_by}, none of "
            "its pixels that have a value lies there."
        )
    catalogue = image.catalogue()
    return ImageProduct(
        pixels=pixels,
        header=aligned_header(image.header, frame, reference.frame, placement),
        comment=(
            f"Datalab Alignment of {image.basename} to {reference.image.basename}, known from {placement.found_by}"
        ),
        inputs=[image, reference.image],
        catalogue=None if catalogue is None else aligned_catalogue(catalogue, placement),
        notes=placement.notes,
    )


def found_placement(image: Image, frame: Frame, reference: Reference) -> Placement:
    """Return how an image lies on the grid of the reference by the chosen method. Raises `UsageError`."""
    try:
        if reference.method == "wcs":
            return align_by_wcs(frame, reference.frame)
        return align_by_stars(frame, reference.frame)
    except AlignmentError as error:
        advice = f" {about_wcs(frame, reference.frame)}" if reference.method == "stars" else ""
        raise UsageError(
            f"{image.basename} cannot be aligned to {reference.image.basename}: {error}.{advice}".rstrip()
        ) from None


def about_wcs(frame: Frame, reference: Frame) -> str:
    """Return whether world coordinates help where stars do not, as a sentence; nothing if there are none."""
    if frame.wcs is None or reference.wcs is None:
        return ""
    try:
        align_by_wcs(frame, reference)
    except AlignmentError as error:
        return f'Nor does the method "wcs" help: {error}.'
    return 'Their headers have world coordinates: the method "wcs" uses those.'
