"""Plate Solving: world coordinates of images from the stars in them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import groupby
from typing import Annotated

from astropy.table import Table
from pydantic import Field

from datalab.astro.catalogues.star_selection import star_positions
from datalab.astro.catalogues.transformed import with_sky_positions
from datalab.astro.headers.card_reader import CardReader
from datalab.astro.sky.gaia import mean_epoch_yr, positions_at
from datalab.astro.sky.plate_solving import (
    CatalogueStars,
    Hint,
    PlateSolution,
    PlateSolvingError,
    search_region,
    solve_plate,
)
from datalab.astro.sky.wcs import celestial_wcs, pixel_scale_arcsec
from datalab.astro.sky.wcs_header import with_wcs
from operation_runner.recipes.parameters import InputFiles
from operation_runner.recipes.star_lists import star_table
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

#: Pixel scales there are, from the finest interferometer to the widest camera lens.
_LEAST_SCALE_ARCSEC, _MOST_SCALE_ARCSEC = 1e-3, 100.0


class PlateSolving(Operation):
    """Gives each image a TAN projection (ICRS) and its catalogue the positions that follow from it."""

    name = "Plate Solving"
    description = (
        "The plate solving operation finds where on the sky the pixels of each input image are, by comparing its stars "
        "with those of the Gaia catalogue, and writes these world coordinates (WCS) into it. "
        "Needed is a rough position, from the header of the image or as a source."
    )
    version = 2
    lane = Lane.SLOW

    class Parameters(OperationParameters):
        input_files: Annotated[InputFiles, Field(description="The input files to solve")]
        # Forms wait until a source is filled in, and nearly every header has a position.
        source: Annotated[SkyPosition | None, Hidden(), Field(title="Field Centre")] = None
        pixel_scale: Annotated[
            float,
            Field(
                title="Pixel Scale (arcsec)",
                description="The width of a pixel on the sky, right to 5 %; 0 if the header knows it, or nobody does",
                ge=0,
                le=_MOST_SCALE_ARCSEC,
                allow_inf_nan=False,
            ),
        ] = 0.0

    def compute(self, inputs: Inputs, parameters: Parameters, progress: Progress) -> Iterator[Product]:
        images = [inputs.image(file) for file in parameters.input_files]
        hinted = [(image, hint_of(image, parameters)) for image in images]
        solved = 0
        for region, neighbours in groupby(hinted, key=lambda pair: search_region(pair[1], pair[0].shape)):
            stars = inputs.stars(region)
            group = list(neighbours)
            part = progress.part(solved / len(images), (solved + len(group)) / len(images))
            yield from inputs.parallel(partial(solved_image, stars=stars), group, progress=part)
            solved += len(group)


def hint_of(image: Image, parameters: PlateSolving.Parameters) -> Hint:
    """Return where about an image is: as the user says, else its world coordinates, else where its header points.

    Raises `UsageError` if nothing says so, or the user says what cannot be.
    """
    wcs = celestial_wcs(image.header, image.shape)
    scale_arcsec = parameters.pixel_scale or None
    if scale_arcsec is not None and scale_arcsec < _LEAST_SCALE_ARCSEC:
        raise UsageError(
            f"A pixel_scale of {scale_arcsec:g} arcsec is finer than that of any telescope: at least "
            f"{_LEAST_SCALE_ARCSEC:g} can be used, or 0 for one that is not known."
        )
    if scale_arcsec is None:
        reader = CardReader.of(image.header)
        scale_arcsec = (
            pixel_scale_arcsec(wcs)
            if wcs
            else reader.number("PIXSCALE", lowest=_LEAST_SCALE_ARCSEC, highest=_MOST_SCALE_ARCSEC)
        )
    if parameters.source is not None:
        return Hint(ra_deg=parameters.source.ra, dec_deg=parameters.source.dec, pixel_scale_arcsec=scale_arcsec)
    if wcs is not None:
        rows, columns = image.shape
        middle = wcs.pixel_to_world((columns - 1) / 2, (rows - 1) / 2).icrs
        return Hint(ra_deg=float(middle.ra.deg), dec_deg=float(middle.dec.deg), pixel_scale_arcsec=scale_arcsec)
    ra_deg, dec_deg = image.description.right_ascension_deg, image.description.declination_deg
    if ra_deg is None or dec_deg is None:
        raise UsageError(
            f"The header of {image.basename} does not say where on the sky it was taken. "
            "Give the position of the field as source."
        )
    return Hint(ra_deg=ra_deg, dec_deg=dec_deg, pixel_scale_arcsec=scale_arcsec)


def solved_image(hinted: tuple[Image, Hint], *, stars: Table) -> ImageProduct:
    """Return an image with world coordinates found from its stars. Raises `UsageError` if none fit."""
    image, hint = hinted
    sources = star_table(image)
    try:
        solution = solve_plate(star_positions(sources), image.shape, catalogue_stars(stars, image), hint)
    except PlateSolvingError as error:
        raise UsageError(f"No world coordinates were found for {image.basename}: {error}. {advice(hint)}") from None
    header = with_wcs(image.header, solution.wcs, image.shape)
    header["WCSERR"] = (0, "0 if the WCS is solved")
    header["WCSRFCAT"] = ("Gaia DR3", "catalogue the WCS was found with")
    header["WCSMATCH"] = (solution.n_stars, "stars the WCS was found with")
    header["WCSRMS"] = (round(solution.rms_arcsec, 4), "[arcsec] rms distance of these stars")
    return ImageProduct(
        pixels=image.pixels(),
        header=header,
        comment=comment(image, solution),
        inputs=[image],
        catalogue=None if sources is None else with_sky_positions(sources, solution.wcs, replace=True),
    )


def catalogue_stars(stars: Table, image: Image) -> CatalogueStars:
    """Return Gaia stars where they were when the image was taken, or at the epoch of Gaia if nobody knows when."""
    epoch_yr = mean_epoch_yr([image.description.capture_time])
    ra_deg, dec_deg = positions_at(stars, epoch_yr) if epoch_yr is not None else (stars["ra"], stars["dec"])
    return CatalogueStars(ra_deg=ra_deg, dec_deg=dec_deg)


def advice(hint: Hint) -> str:
    """Return what a user can do about an image that was not solved."""
    scale = "not known" if hint.pixel_scale_arcsec is None else f'{hint.pixel_scale_arcsec:.3g}"'
    return (
        f"It was looked for around {hint.ra_deg:.4f} {hint.dec_deg:+.4f} with a pixel scale that is {scale}; "
        "give a better position or scale if these are wrong."
    )


def comment(image: Image, solution: PlateSolution) -> str:
    return (
        f"Datalab Plate Solving on {image.basename}: {solution.n_stars} stars of Gaia DR3, "
        f"rms {solution.rms_arcsec:.3f} arcsec"
    )
