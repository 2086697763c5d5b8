"""Source Extraction: the stars and other sources of images, found and measured."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Annotated

import numpy as np
from astropy.io import fits
from pydantic import Field

from datalab.astro.catalogues.star_selection import FLAG_SHARP
from datalab.astro.catalogues.zero_point import ZeroPoint, with_magnitudes, zero_point
from datalab.astro.headers.card_reader import CardReader
from datalab.astro.headers.detector import Detector
from datalab.astro.sky.wcs import celestial_wcs, pixel_scale_arcsec
from datalab.astro.sources.detection import ExtractionError
from datalab.astro.sources.extraction import Extraction, ExtractionSettings, extract_sources
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


class SourceExtraction(Operation):
    """The pixels stay as they are; a catalogue the image came with is replaced, after it has lent its zero point.

    Sources sharper than a star, such as cosmic rays and hot pixels, have the bit 256 in their flag.
    """

    name = "Source Extraction"
    description = (
        "The source extraction operation finds the sources of each input image and measures their positions, fluxes "
        "and shapes. The output is the same image with them as its source catalog, which photometric operations use."
    )
    version = 3
    lane = Lane.SLOW

    class Parameters(OperationParameters):
        input_files: InputFiles
        threshold: Annotated[
            float,
            Field(
                title="Detection Threshold",
                description="How far above the noise of the sky a source stands (sigma)",
                ge=1.0,
                le=1000.0,
                allow_inf_nan=False,
            ),
        ] = 5.0
        minimum_area: Annotated[
            int,
            Field(
                title="Minimum Area",
                description="The least number of connected pixels above the threshold",
                ge=1,
                le=10_000,
            ),
        ] = 5
        deblend_contrast: Annotated[
            float,
            Field(
                title="Deblending Contrast",
                description="The least share of the light that makes a part of a blend a source; 1 for no deblending",
                ge=0.0,
                le=1.0,
                allow_inf_nan=False,
            ),
        ] = 0.005
        # Forms insist on a number, so that one of them has to mean none.
        aperture_radius: Annotated[
            float,
            Field(
                title="Aperture Radius",
                description="Sum fluxes in circles of this radius (arcsec); 0 for ones that fit each source",
                ge=0.0,
                le=600.0,
                allow_inf_nan=False,
            ),
        ] = 0.0

    def compute(self, inputs: Inputs, parameters: Parameters, progress: Progress) -> Iterator[Product]:
        extract = partial(with_sources, parameters=parameters)
        yield from each_image(inputs, extract, parameters.input_files, progress=progress)


def with_sources(image: Image, *, parameters: SourceExtraction.Parameters) -> ImageProduct:
    """Return an image with the sources found in it. Raises `UsageError` if none can be looked for."""
    wcs = celestial_wcs(image.header, image.shape)
    scale = stated_scale_arcsec(image.header) if wcs is None else pixel_scale_arcsec(wcs)
    settings = ExtractionSettings(
        threshold_sigma=parameters.threshold,
        min_area_px=parameters.minimum_area,
        deblend_contrast=parameters.deblend_contrast,
        aperture_radius_px=aperture_px(image, parameters.aperture_radius or None, scale),
    )
    pixels = image.pixels()
    try:
        found = extract_sources(
            pixels, detector=Detector.of(image.header), settings=settings, wcs=wcs, pixel_scale_arcsec=scale
        )
    except ExtractionError as error:
        raise UsageError(f"No sources can be extracted from {image.basename}: {error}.") from error
    zero = zero_point(found.sources, catalogue=image.catalogue(), header=image.header)
    return ImageProduct(
        pixels=pixels,
        header=described_header(image.header, found, zero, scale),
        comment=f"Datalab Source Extraction on {image.basename}",
        inputs=[image],
        catalogue=found.sources if zero is None else with_magnitudes(found.sources, zero),
        notes=extraction_notes(found, zero),
    )


def extraction_notes(found: Extraction, zero: ZeroPoint | None) -> list[str]:
    """Return what is doubtful about the sources of an image."""
    notes = []
    if not len(found.sources):
        notes.append("No source stands out of the sky")
    elif not math.isfinite(found.fwhm_px):
        notes.append(
            "No source shows how wide a star is: apertures are those of stars 3 px wide, and none is flagged sharp"
        )
    sharp = int(np.count_nonzero(np.asarray(found.sources["flag"]) & FLAG_SHARP))
    if sharp:
        notes.append(
            f"{sharp} of {len(found.sources)} sources are sharper than stars, as cosmic rays and hot pixels are "
            f"(flag {FLAG_SHARP})"
        )
    if len(found.sources) and zero is None:
        notes.append("Sources have no magnitudes: neither catalogue nor header tell a zero point")
    return notes


def aperture_px(image: Image, radius_arcsec: float | None, scale_arcsec: float | None) -> float | None:
    """Return a radius in pixels. Raises `UsageError` if the image has no pixel scale."""
    if radius_arcsec is None:
        return None
    if scale_arcsec is None:
        raise UsageError(
            f"{image.basename} states no pixel scale (no WCS, no PIXSCALE), so there is no aperture in arcsec: set the "
            "aperture radius to 0."
        )
    return radius_arcsec / scale_arcsec


def stated_scale_arcsec(header: fits.Header) -> float | None:
    """Return the pixel scale a header without WCS states."""
    return CardReader.of(header).number("PIXSCALE", lowest=1e-3) or None


def described_header(
    header: fits.Header, found: Extraction, zero: ZeroPoint | None, scale_arcsec: float | None
) -> fits.Header:
    """Return the header with what was found, in the cards observatories write."""
    result = header.copy()
    result["NSTARS"] = (len(found.sources), "sources in the catalogue")
    result["SEPSKY"] = (found.background, "[count] sky level")
    result["SKYNOISE"] = (found.background_rms, "[count] noise of the sky in a pixel")
    if math.isfinite(found.fwhm_px):
        result["FWHMPIX"] = (found.fwhm_px, "[pix] width of the stars")
        if scale_arcsec is not None:
            result["FWHMASEC"] = (found.fwhm_px * scale_arcsec, "[arcsec] width of the stars")
    if zero is not None:
        result["ZPMAG"] = (zero.mag, "[mag] magnitude of 1 count")
        if math.isfinite(zero.error_mag):
            result["ZPMAGERR"] = (zero.error_mag, "[mag] its error")
        result["HISTORY"] = f"The zero point of the magnitudes is from {zero.origin}."
    return result
