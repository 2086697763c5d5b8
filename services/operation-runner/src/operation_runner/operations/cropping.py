"""Cropping: a rectangle cut out of each image."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Literal

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS, NoConvergence
from pydantic import Field

from datalab.astro.mosaics.overlap import Box
from datalab.astro.sky.wcs import celestial_wcs, pixel_sides_arcsec
from datalab.astro.sky.wcs_header import cutout_header
from operation_runner.recipes.catalogues import carried_catalogue
from operation_runner.recipes.each_image import each_image
from operation_runner.recipes.parameters import InputFiles
from operation_runner.sdk import (
    Hidden,
    Image,
    ImageProduct,
    Inputs,
    Lane,
    Operation,
    OperationParameters,
    Product,
    Progress,
    SkyPosition,
    UsageError,
)


class Cropping(Operation):
    """Keeps the pixels as they are. Requests may name a `source` instead of the first column and row."""

    name = "Cropping"
    description = (
        "The cropping operation cuts the same rectangle out of each input image. Its pixels, world coordinates and "
        "source catalog stay what they were."
    )
    version = 3
    lane = Lane.SLOW

    class Parameters(OperationParameters):
        input_files: InputFiles
        x_start: Annotated[
            int, Field(title="First Column", description="Counted from 1 at the left, as in FITS", ge=1)
        ] = 1
        y_start: Annotated[
            int, Field(title="First Row", description="Counted from 1 at the bottom, as in FITS", ge=1)
        ] = 1
        width: Annotated[
            float, Field(title="Width", description="Of the rectangle, along the rows", gt=0, allow_inf_nan=False)
        ] = 512.0
        height: Annotated[
            float, Field(title="Height", description="Of the rectangle, along the columns", gt=0, allow_inf_nan=False)
        ] = 512.0
        units: Annotated[
            Literal["pixels", "arcsec"], Field(title="Units", description="What width and height are measured in")
        ] = "pixels"
        source: Annotated[
            SkyPosition | None,
            Field(title="Center", description="Put the rectangle around this place in each image"),
            Hidden(),  # the form of existing clients would insist on a source
        ] = None

    def compute(self, inputs: Inputs, parameters: Parameters, progress: Progress) -> Iterator[Product]:
        yield from each_image(inputs, partial(cropped, parameters), parameters.input_files, progress=progress)


def cropped(parameters: Cropping.Parameters, image: Image) -> ImageProduct:
    """Return the rectangle of one image. Raises `UsageError` if it is not completely on it."""
    box = rectangle(parameters, image)
    rows, columns = image.shape
    if box.x_start < 0 or box.y_start < 0 or box.x_stop > columns or box.y_stop > rows:
        raise UsageError(
            f"The rectangle of columns {box.x_start + 1} to {box.x_stop} and rows {box.y_start + 1} to {box.y_stop} "
            f"reaches beyond {image.basename}, which has {columns} columns and {rows} rows."
        )
    return ImageProduct(
        pixels=image.rows(box.y_start, box.y_stop)[:, box.x_start : box.x_stop],
        header=cutout_header(image.header, x_start=box.x_start, y_start=box.y_start, shape=box.shape),
        comment=f"Datalab Cropping on file {image.basename}",
        inputs=[image],
        catalogue=carried_catalogue(image, shape=box.shape, offset_px=(-box.x_start, -box.y_start)),
    )


def rectangle(parameters: Cropping.Parameters, image: Image) -> Box:
    """Return the rectangle in the pixels of an image, which it may leave."""
    width, height = parameters.width, parameters.height
    if parameters.units == "arcsec":
        pixel_width_arcsec, pixel_height_arcsec = pixel_sides_arcsec(solved(image))
        width, height = width / pixel_width_arcsec, height / pixel_height_arcsec
    columns, rows = max(1, round(width)), max(1, round(height))
    if parameters.source is None:
        x_start, y_start = parameters.x_start - 1, parameters.y_start - 1
    else:
        x, y = place(parameters.source, image)
        x_start, y_start = round(x - (columns - 1) / 2), round(y - (rows - 1) / 2)
    return Box(y_start, y_start + rows, x_start, x_start + columns)


def place(source: SkyPosition, image: Image) -> tuple[float, float]:
    """Return the pixel (x, y), counted from 0, in which an image shows a source. Raises `UsageError` if in none."""
    try:
        x, y = solved(image).world_to_pixel(SkyCoord(source.ra, source.dec, unit="deg"))
    except NoConvergence:  # distortions hold near the image only
        x, y = np.nan, np.nan
    rows, columns = image.shape
    if not (np.isfinite(x) and np.isfinite(y) and -0.5 <= x < columns - 0.5 and -0.5 <= y < rows - 0.5):
        raise UsageError(
            f"{image.basename} does not show {source.name or 'the source'} at RA {source.ra:.5f}, Dec {source.dec:.5f}."
        )
    return float(x), float(y)


def solved(image: Image) -> WCS:
    """Return the WCS of an image. Raises `UsageError` if it has none."""
    wcs = celestial_wcs(image.header, image.shape)
    if wcs is None:
        raise UsageError(
            f"{image.basename} has no valid celestial WCS in its header: give the rectangle as columns and rows."
        )
    return wcs
