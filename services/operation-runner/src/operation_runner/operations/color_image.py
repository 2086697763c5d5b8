"""Color Image: images through different filters, aligned and added up in their colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from datalab.astro.display.colour import ColourLayer, colour_picture, display_limits, shows_nothing
from datalab.astro.mosaics.alignment import (
    align,
    aligned_levels,
    aligned_type,
    reference_frame,
    unmoved,
)
from datalab.astro.mosaics.placement import AlignmentError, Placement
from datalab.astro.types import FloatArray, Pixels
from operation_runner.recipes.combined_filters import with_filters
from operation_runner.recipes.star_lists import frame_of
from operation_runner.sdk import (
    FitsFile,
    Image,
    Inputs,
    Lane,
    Operation,
    OperationParameters,
    PictureProduct,
    Product,
    Progress,
    Refusals,
    UsageError,
    WizardKeys,
)

Part = Annotated[float, Field(ge=0, le=255, allow_inf_nan=False)]
Limit = Annotated[float | None, Field(allow_inf_nan=False)]


class Color(BaseModel):
    """The colour a channel is shown in; clients also send its opacity, which has no meaning here."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    r: Part
    g: Part
    b: Part


class ColorChannel(FitsFile):
    """An image, its colour, and the pixel values shown as dark (zmin) and as full colour (zmax)."""

    color: Color
    zmin: Limit = None
    zmax: Limit = None


class ColorImage(Operation):
    """Channels are put on the grid of the one with most stars, so that all find enough stars in common with it.

    What aligns them is their stars, else their world coordinates; if neither does, the operation refuses rather than
    show each star several times, in one colour each. A channel that is the same everywhere adds nothing, and is noted.
    """

    name = "Color Image"
    description = (
        "The color image operation combines images of the same field taken in different filters into a color picture. "
        "The images are aligned first; every image is shown in the color and between the limits chosen for it."
    )
    version = 3
    lane = Lane.SLOW

    class Parameters(OperationParameters):
        color_channels: Annotated[
            list[ColorChannel],
            WizardKeys({"include_custom_scale": True, "color_picker": True}),
            Refusals({"noFile": "Channel {number} has no image: choose one or remove the channel."}),
            Field(
                title="Color Channel",
                description="The images to combine, each with its color",
                min_length=1,
                max_length=6,
            ),
        ]

    def compute(self, inputs: Inputs, parameters: Parameters, progress: Progress) -> Iterator[Product]:
        channels = parameters.color_channels
        for channel in channels:
            check_limits(channel)
        opened = {(channel.source, channel.basename, channel.plane): inputs.image(channel) for channel in channels}
        images = [opened[channel.source, channel.basename, channel.plane] for channel in channels]
        reference, placements = found_placements(inputs, images, progress=progress.part(0.0, 0.4))
        planes = aligned_planes(inputs, images, placements, progress=progress.part(0.4, 0.6))
        layers = [color_layer(plane, channel) for plane, channel in zip(planes, channels, strict=True)]
        names = [plane_name(image, channel) for image, channel in zip(images, channels, strict=True)]
        yield PictureProduct(
            pixels=colour_picture(layers, progress=progress.part(0.6, 0.9)),
            planes=dict(zip(names, planes, strict=True)),
            header=with_filters(reference.header, images),
            notes=picture_notes(images, placements, planes),
            comment=f"Datalab Color Image on {', '.join(image.basename for image in images)}",
        )


def check_limits(channel: ColorChannel) -> None:
    if channel.zmin is not None and channel.zmax is not None and channel.zmax < channel.zmin:
        raise UsageError(
            f"The limits of {channel.basename} are in the wrong order: zmax {channel.zmax:g} is below "
            f"zmin {channel.zmin:g}."
        )


def found_placements(inputs: Inputs, images: Sequence[Image], *, progress: Progress) -> tuple[Image, list[Placement]]:
    """Return the reference, and how each image lies on its grid. Raises `UsageError` if one cannot be aligned."""
    different = list(dict.fromkeys(images))
    if len(different) == 1:
        return images[0], [unmoved(images[0].shape)] * len(images)
    frames = dict(zip(different, inputs.parallel(frame_of, different, progress=progress), strict=True))
    reference = different[reference_frame(list(frames.values()))]
    placements = {reference: unmoved(reference.shape)}
    for image in different:
        if image is reference:
            continue
        try:
            placements[image] = align(frames[image], frames[reference])
        except AlignmentError as error:
            if shows_nothing(image.pixels()):  # it does not matter where
                placements[image] = replace(unmoved(reference.shape), to_image=same_pixels, to_reference=same_pixels)
                continue
            raise UsageError(f"{image.basename} cannot be aligned to {reference.basename}: {error}.") from None
    return reference, [placements[image] for image in images]


def same_pixels(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    return x, y


def picture_notes(images: Sequence[Image], placements: Sequence[Placement], planes: Sequence[Pixels]) -> list[str]:
    """Return what is in doubt about each channel, once for each image."""
    notes = []
    for image, placement, plane in zip(images, placements, planes, strict=True):
        notes += [f"{image.basename}: {note}" for note in placement.notes]
        if shows_nothing(plane):
            notes.append(f"{image.basename}: all its pixels are the same or blank, so it adds nothing to the picture.")
    return list(dict.fromkeys(notes))


def aligned_planes(
    inputs: Inputs, images: Sequence[Image], placements: Sequence[Placement], *, progress: Progress
) -> list[Pixels]:
    """Return every image on the grid of the reference."""
    dtype = np.result_type(*(aligned_type(*pair) for pair in zip(images, placements, strict=True)))
    planes = [inputs.new_pixels(placement.shape, dtype) for placement in placements]
    fill = partial(fill_plane, planes=planes, images=images, placements=placements)
    for _ in inputs.parallel(fill, range(len(images)), progress=progress):
        pass
    return planes


def fill_plane(
    number: int, *, planes: Sequence[Pixels], images: Sequence[Image], placements: Sequence[Placement]
) -> None:
    planes[number][:] = aligned_levels(images[number], placements[number])


def color_layer(plane: Pixels, channel: ColorChannel) -> ColourLayer:
    """Return an aligned image with the colour and the limits it is shown with."""
    black, white = display_limits(plane, black=channel.zmin, white=channel.zmax)
    color = channel.color
    return ColourLayer(pixels=plane, red=color.r, green=color.g, blue=color.b, black=black, white=white)


def plane_name(image: Image, channel: ColorChannel) -> str:
    return " ".join(part for part in (image.description.filter_name, image.basename, channel.plane) if part)
