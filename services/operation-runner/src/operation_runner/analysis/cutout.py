from __future__ import annotations

import io
import math
from typing import Annotated, Any, Literal

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs import NoConvergence
from PIL import Image as Picture
from pydantic import Field

import datalab
from datalab.astro.display.stretch import auto_stretch, rendered
from datalab.astro.products.plain_header import plain_file, plain_header
from datalab.astro.products.provenance import provenance_cards
from datalab.astro.sky.wcs import pixel_sides_arcsec
from datalab.astro.sky.wcs_header import cutout_header
from operation_runner.sdk.analysis import AnalysisParameters, Cutting, ImageInParts, Part, UsageError

#: A cutout is looked at as a whole; whoever wants more of an image downloads it.
_LONGEST_SIDE_PX = 2048
_VERSION = "2"
#: As that of pictures of whole images.
_QUALITY = 95

_Side = Annotated[int, Field(ge=1, le=_LONGEST_SIDE_PX, description="pixels")]
_Pixel = Annotated[int, Field(ge=-(10**9), le=10**9)]


class Cutout(Cutting):
    name = "cutout"
    description = (
        "A rectangle of the image as a FITS file or JPEG: size degrees around ra and dec, or width times height pixels "
        "from column x and row y on, which count from 1. Beyond the edge of the image it is NaN."
    )

    class Parameters(AnalysisParameters):
        ra: Annotated[float, Field(ge=-360, le=360, allow_inf_nan=False, description="degrees")] | None = None
        dec: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False, description="degrees")] | None = None
        size: Annotated[float, Field(gt=0, le=180, allow_inf_nan=False, description="of a side, degrees")] | None = None
        x: Annotated[_Pixel, Field(description="first column, from 1 at the left")] | None = None
        y: Annotated[_Pixel, Field(description="first row, from 1 at the bottom")] | None = None
        width: _Side | None = None
        height: _Side | None = None
        format: Literal["fits", "jpg"] = "fits"

    def cut(self, image: ImageInParts, parameters: Parameters) -> Part:
        rows, columns = rectangle(image, parameters)
        pixels = filled(image, rows, columns)
        if parameters.format == "jpg":
            return Part(_jpeg(pixels), "image/jpeg")
        return Part(_fits(image, pixels, x=columns[0], y=rows[0], parameters=parameters), "image/fits")


def rectangle(image: ImageInParts, parameters: Cutout.Parameters) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the rows and columns asked for, from 0 on, each the first and that after the last.

    They may leave the image. Raises `UsageError` if it is not clear which they are.
    """
    on_sky = (parameters.ra, parameters.dec, parameters.size)
    in_pixels = (parameters.x, parameters.y, parameters.width, parameters.height)
    if None not in in_pixels and on_sky == (None, None, None):
        x, y, width, height = (number or 0 for number in in_pixels)
        return (y - 1, y - 1 + height), (x - 1, x - 1 + width)
    if None in on_sky or in_pixels != (None, None, None, None):
        raise UsageError("Give ra, dec and size in degrees, or x, y, width and height in pixels.")
    ra, dec, size = (number or 0.0 for number in on_sky)
    wcs = image.wcs()
    if wcs is None:
        raise UsageError(
            f"{image.basename} has no valid celestial WCS in its header: give x, y, width and height in pixels."
        )
    width, height = (max(1, round(size * 3600 / side_arcsec)) for side_arcsec in pixel_sides_arcsec(wcs))
    if max(width, height) > _LONGEST_SIDE_PX:
        raise UsageError(
            f"A cutout has at most {_LONGEST_SIDE_PX} pixels in a row or column; {size:g} degrees are "
            f"{max(width, height)}."
        )
    try:
        place = [float(number) for number in wcs.world_to_pixel(SkyCoord(ra, dec, unit="deg"))]
    except NoConvergence:  # distortions hold near the image only
        raise _outside(image) from None
    if not all(math.isfinite(number) and abs(number) < 10**9 for number in place):
        raise _outside(image)
    x, y = (round(number - (side - 1) / 2) for number, side in zip(place, (width, height), strict=True))
    return (y, y + height), (x, x + width)


def filled(image: ImageInParts, rows: tuple[int, int], columns: tuple[int, int]) -> np.ndarray:
    """Return the pixels of a rectangle; one that leaves the image is of floats, NaN beyond the edge.

    Raises `UsageError` if all of it lies outside.
    """
    height, width = image.shape
    inside_rows = max(rows[0], 0), min(rows[1], height)
    inside_columns = max(columns[0], 0), min(columns[1], width)
    if inside_rows[0] >= inside_rows[1] or inside_columns[0] >= inside_columns[1]:
        raise _outside(image)
    pixels = image.box(inside_rows, inside_columns)
    if (inside_rows, inside_columns) == (rows, columns):
        return pixels
    made = np.full((rows[1] - rows[0], columns[1] - columns[0]), np.nan, np.result_type(pixels.dtype, np.float32))
    y, x = inside_rows[0] - rows[0], inside_columns[0] - columns[0]
    made[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels
    return made


def _outside(image: ImageInParts) -> UsageError:
    height, width = image.shape
    return UsageError(
        f"The cutout lies outside {image.basename}, which has {width} columns and {height} rows: nothing to show."
    )


def _fits(image: ImageInParts, pixels: np.ndarray, *, x: int, y: int, parameters: Cutout.Parameters) -> bytes:
    header = cutout_header(image.cards(), x_start=x, y_start=y, shape=_shape(pixels))
    made = plain_header(header, _shape(pixels), pixels.dtype)
    given: dict[str, Any] = parameters.model_dump(mode="json", exclude_none=True)
    provenance = provenance_cards(
        software_version=datalab.__version__,
        operation=Cutout.name,
        operation_version=_VERSION,
        parameters=given,
        inputs=[(image.basename, image.sha256)],
        result_key="",
        comment=f"Datalab cutout of file {image.basename}, from column {x + 1} and row {y + 1} on",
    )
    made.extend(provenance[1:], end=True)  # it is stored nowhere, so has no key
    return plain_file(made, pixels)


def _jpeg(pixels: np.ndarray) -> bytes:
    jpeg = io.BytesIO()
    Picture.fromarray(rendered(pixels, auto_stretch(pixels))).save(jpeg, "JPEG", quality=_QUALITY)
    return jpeg.getvalue()


def _shape(pixels: np.ndarray) -> tuple[int, int]:
    return int(pixels.shape[0]), int(pixels.shape[1])
