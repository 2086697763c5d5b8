"""Plate Solving: world coordinates of images from the stars in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import Annotated

import numpy as np
from astropy.table import Table
from astropy.wcs import WCS
from pydantic import Field

from datalab.astro.catalogues.star_selection import star_positions
from datalab.astro.catalogues.transformed import with_sky_positions
from datalab.astro.headers.card_reader import CardReader
from datalab.astro.sky.blind_solving import PIXEL_SCALES_ARCSEC, solve_blind
from datalab.astro.sky.cross_match import separations_arcsec
from datalab.astro.sky.gaia import mean_epoch_yr, positions_at
from datalab.astro.sky.plate_solving import (
    CatalogueStars,
    Hint,
    PlateSolution,
    PlateSolvingError,
    is_beyond_chance,
    refined,
    search_region,
    solve_plate,
)
from datalab.astro.sky.sky_index import SkyIndex
from datalab.astro.sky.wcs import celestial_wcs, pixel_scale_arcsec
from datalab.astro.sky.wcs_header import with_wcs
from datalab.astro.types import FloatArray
from operation_runner.recipes.each_image import Refusal, none_left, with_notes
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
    SkyRegion,
    TransientError,
    UsageError,
)

#: Pixel scales there are, from the finest interferometer to the widest camera lens.
_LEAST_SCALE_ARCSEC, _MOST_SCALE_ARCSEC = 1e-3, 100.0
#: What the catalogue is called in products.
_GAIA = "Gaia DR3"
#: How far the scale may be from the user's, and from the header's, which may be that of another binning.
_SCALE_OF_USERS, _SCALE_OF_HEADERS = 1.1, 4.5
#: Nominal scales are wrong by some per cent.
_OTHER_SCALE = 1.3
#: An image is elsewhere if it is so many of its longer sides from where it was said to be.
_FAR_FIELDS = 0.5
#: Half the sky and more is no image.
_WIDEST_RADIUS_DEG = 60.0
#: Pixels may be so many times as wide as those of the header.
_BINNINGS = (2.0, 0.5, 3.0, 4.0)
#: The share of the work that is done once all images with a position were tried there.
_HINTED_SHARE = 0.5


class PlateSolving(Operation):
    """Gives each image world coordinates (TAN or TAN-SIP, ICRS) and its catalogue the positions that follow from them.

    An image without a position, or not found at it, is looked for on the whole sky.
    """

    name = "Plate Solving"
    description = (
        "The plate solving operation finds where on the sky the pixels of each input image are, by comparing its stars "
        "with those of the Gaia catalogue, and writes these world coordinates (WCS) into it, with distortion (SIP) if "
        "there are stars enough to tell it. A rough position, from the header of the image or as a source, makes it "
        "fast; without one, wide fields are found on the whole sky."
    )
    version = 3
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
        if 0.0 < parameters.pixel_scale < _LEAST_SCALE_ARCSEC:
            raise UsageError(
                f"A pixel_scale of {parameters.pixel_scale:g} arcsec is finer than that of any telescope: at least "
                f"{_LEAST_SCALE_ARCSEC:g} can be used, or 0 for one that is not known."
            )
        refusals: list[Refusal] = []
        held: tuple[Product, ...] = ()
        for outcome in outcomes_of(inputs, parameters, progress):
            if isinstance(outcome, Unsolved):
                if outcome.silence is not None:  # tried again later, when Gaia answers
                    raise outcome.silence
                refusals.append(Refusal(outcome.basename, outcome.reason))
            else:
                yield from with_notes(held, refusals)
                held = (outcome,)
        if not held:
            raise none_left(refusals)
        yield from with_notes(held, refusals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """An image to solve: where it may be, its width of pixels if known, and the WCS its header has."""

    image: Image
    hint: Hint | None
    scale_arcsec: float | None
    scale_of_header: bool
    before: WCS | None


@dataclass(frozen=True, slots=True)
class Unsolved:
    """An image that was not solved, why, and whether that was for want of an answer from Gaia."""

    basename: str
    reason: str
    task: Task | None = None
    silence: TransientError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where an image was found on the whole sky, with the index that knows it."""

    task: Task
    hint: Hint
    wcs: WCS
    index: SkyIndex = field(repr=False)


class Gaia:
    """The stars of Gaia; once the archive has not answered, nobody waits for it again in this operation."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs
        self._silence: TransientError | None = None

    def stars(self, region: SkyRegion) -> Table:
        """Return the stars of a region; see `Inputs.stars`."""
        if self._silence is not None:
            raise self._silence
        try:
            return self._inputs.stars(region)
        except TransientError as silence:
            self._silence = silence
            raise


def outcomes_of(
    inputs: Inputs, parameters: PlateSolving.Parameters, progress: Progress
) -> Iterator[Product | Unsolved]:
    """Yield a product of each image, or why there is none: of those first that are where their headers say."""
    tasks: list[Task] = []
    for file in parameters.input_files:
        try:
            tasks.append(task_of(inputs.image(file), parameters))
        except UsageError as error:
            yield Unsolved(file.basename, error.message)
    gaia = Gaia(inputs)
    lost: list[Unsolved] = []
    for outcome in solved_with_hints(inputs, gaia, tasks, progress.part(0.0, _HINTED_SHARE)):
        if isinstance(outcome, Unsolved):
            lost.append(outcome)
        else:
            yield outcome
    yield from solved_blindly(inputs, gaia, lost, progress.part(_HINTED_SHARE, 1.0))
    progress(1.0)


def task_of(image: Image, parameters: PlateSolving.Parameters) -> Task:
    """Return where about an image is: as the user says, else its world coordinates, else where its header points."""
    before = celestial_wcs(image.header, image.shape)
    scale_arcsec = parameters.pixel_scale or None
    scale_of_header = scale_arcsec is None
    if scale_arcsec is None:
        reader = CardReader.of(image.header)
        scale_arcsec = (
            pixel_scale_arcsec(before)
            if before
            else reader.number("PIXSCALE", lowest=_LEAST_SCALE_ARCSEC, highest=_MOST_SCALE_ARCSEC)
        )
    position = position_of(image, parameters, before)
    hint = None if position is None else Hint(ra_deg=position[0], dec_deg=position[1], pixel_scale_arcsec=scale_arcsec)
    return Task(image=image, hint=hint, scale_arcsec=scale_arcsec, scale_of_header=scale_of_header, before=before)


def position_of(image: Image, parameters: PlateSolving.Parameters, before: WCS | None) -> tuple[float, float] | None:
    if parameters.source is not None:
        return parameters.source.ra, parameters.source.dec
    if before is not None:
        rows, columns = image.shape
        middle = before.pixel_to_world((columns - 1) / 2, (rows - 1) / 2).icrs
        return float(middle.ra.deg), float(middle.dec.deg)
    ra_deg, dec_deg = image.description.right_ascension_deg, image.description.declination_deg
    return None if ra_deg is None or dec_deg is None else (ra_deg, dec_deg)


def solved_with_hints(
    inputs: Inputs, gaia: Gaia, tasks: Sequence[Task], progress: Progress
) -> Iterator[Product | Unsolved]:
    """Yield products of the images that are where they may be; neighbours share one question to Gaia."""
    yield from (Unsolved(task.image.basename, no_position(task.image), task) for task in tasks if task.hint is None)
    hinted = [(task, task.hint) for task in tasks if task.hint is not None]
    done = 0
    for region, neighbours in groupby(hinted, key=lambda pair: search_region(pair[1], pair[0].image.shape)):
        group = list(neighbours)
        part = progress.part(done / len(hinted), (done + len(group)) / len(hinted))
        done += len(group)
        try:
            stars = gaia.stars(region)
        except TransientError as silence:
            yield from (Unsolved(task.image.basename, f"{silence}.", task, silence) for task, _ in group)
            continue
        outcomes = inputs.parallel(partial(solved_image, stars=stars), group, progress=part)
        for (task, _), outcome in zip(group, outcomes, strict=True):
            yield outcome_of(outcome, task)


def outcome_of(outcome: Product | str, task: Task) -> Product | Unsolved:
    """Return a product as it is, and why there is none with the image it is about."""
    return Unsolved(task.image.basename, outcome, task) if isinstance(outcome, str) else outcome


def solved_image(hinted: tuple[Task, Hint], *, stars: Table) -> Product | str:
    """Return an image with world coordinates found from its stars, or why none fit."""
    task, hint = hinted
    image = task.image
    try:
        sources = star_table(image)
        solution = solved_with_binnings(star_positions(sources), catalogue_stars(stars, image), task, hint)
    except PlateSolvingError as error:
        return f"No world coordinates were found for {image.basename}: {error}. {advice(hint)}"
    except UsageError as error:
        return str(error)
    return product_of(task, solution, sources, reference=_GAIA)


def solved_blindly(
    inputs: Inputs, gaia: Gaia, unsolved: Sequence[Unsolved], progress: Progress
) -> Iterator[Product | Unsolved]:
    """Yield products of images that were found on the whole sky, by the star indexes of this machine."""
    indexes = inputs.sky_indexes() if unsolved else ()
    if not indexes:
        yield from unsolved
        return
    looking, fitting = progress.part(0.0, 0.8), progress.part(0.8, 1.0)
    found: list[Found] = []
    for one, place in zip(
        unsolved, inputs.parallel(partial(found_on_the_sky, indexes=indexes), unsolved, progress=looking), strict=True
    ):
        if place is None or one.task is None:
            yield replace(one, reason=f"{one.reason} {not_on_the_sky(indexes)}")
            continue
        number, hint, wcs = place
        found.append(Found(task=one.task, hint=hint, wcs=wcs, index=indexes[number]))
    listed = [(at, gaia_stars(gaia, at)) for at in found]
    for at, outcome in zip(found, inputs.parallel(fitted_image, listed, progress=fitting), strict=True):
        yield outcome_of(outcome, at.task)


def gaia_stars(gaia: Gaia, place: Found) -> Table | None:
    """Return the stars around the place where an image was found, None if Gaia does not answer: the index has some."""
    try:
        return gaia.stars(search_region(place.hint, place.task.image.shape))
    except TransientError:
        return None


def found_on_the_sky(one: Unsolved, *, indexes: Sequence[SkyIndex]) -> tuple[int, Hint, WCS] | None:
    """Return which index knows an image, and where it is; None if none does."""
    task = one.task
    if task is None:
        return None
    try:
        stars = star_positions(star_table(task.image))
    except UsageError:
        return None
    least, most = PIXEL_SCALES_ARCSEC
    if task.scale_arcsec is not None:
        freedom = _SCALE_OF_HEADERS if task.scale_of_header else _SCALE_OF_USERS
        least, most = task.scale_arcsec / freedom, task.scale_arcsec * freedom
    rows, columns = task.image.shape
    for number, index in enumerate(indexes):
        solution = solve_blind(stars, task.image.shape, index, scales_arcsec=(least, most))
        if solution is not None:
            middle = solution.wcs.pixel_to_world((columns - 1) / 2, (rows - 1) / 2).icrs
            scale_arcsec = pixel_scale_arcsec(solution.wcs)
            hint = Hint(ra_deg=float(middle.ra.deg), dec_deg=float(middle.dec.deg), pixel_scale_arcsec=scale_arcsec)
            return number, hint, solution.wcs
    return None


def fitted_image(listed: tuple[Found, Table | None]) -> Product | str:
    """Return an image with world coordinates fitted to all stars at the place where it was found."""
    place, stars = listed
    image = place.task.image
    sources = star_table(image)
    catalogue = catalogue_stars(stars, image) if stars is not None else index_stars(place, image)
    solution = refined(star_positions(sources), image.shape, catalogue, place.wcs, place.task.before)
    if solution is None:
        return (
            f"No world coordinates were found for {image.basename}: it is near {place.hint.ra_deg:.4f} "
            f"{place.hint.dec_deg:+.4f}, but too few of its stars are in the catalogue there."
        )
    reference = _GAIA if stars is not None else place.index.reference
    return product_of(place.task, solution, sources, reference=reference, blind=place.index)


def solved_with_binnings(stars: FloatArray, catalogue: CatalogueStars, task: Task, hint: Hint) -> PlateSolution:
    """Solve an image; if its header says how wide the pixels are, those may be the pixels of another binning.

    Raises `PlateSolvingError`.
    """
    try:
        return solve_plate(stars, task.image.shape, catalogue, hint, task.before)
    except PlateSolvingError:
        if hint.pixel_scale_arcsec is None or not task.scale_of_header:
            raise
        for binning in _BINNINGS:
            other = replace(hint, pixel_scale_arcsec=hint.pixel_scale_arcsec * binning)
            with suppress(PlateSolvingError):
                solution = solve_plate(stars, task.image.shape, catalogue, other, task.before, thorough=False)
                if is_beyond_chance(solution, stars, task.image.shape, catalogue):
                    return solution
        raise


def product_of(
    task: Task,
    solution: PlateSolution,
    sources: Table | None,
    *,
    reference: str,
    blind: SkyIndex | None = None,
) -> ImageProduct:
    image = task.image
    # Coordinates that were right already stay as they were written, to the last digit.
    header = image.header.copy() if solution.how == "kept" else with_wcs(image.header, solution.wcs, image.shape)
    header["WCSERR"] = (0, "0 if the WCS is solved")
    if "PLTSOLVD" in header:  # as MaxIm and NINA say it
        header["PLTSOLVD"] = True
    header["WCSRFCAT"] = (reference, "catalogue the WCS was found with")
    header["WCSMATCH"] = (solution.n_stars, "stars the WCS was found with")
    header["WCSRMS"] = (round(solution.rms_arcsec, 4), "[arcsec] rms distance of these stars")
    if solution.rms_before_arcsec is not None:
        header["WCSRMS0"] = (round(solution.rms_before_arcsec, 4), "[arcsec] rms by the WCS it had before")
    return ImageProduct(
        pixels=image.pixels(),
        header=header,
        comment=comment(image, solution, reference, blind),
        notes=notes_of(task, solution, reference, blind),
        inputs=[image],
        catalogue=None if sources is None else with_sky_positions(sources, solution.wcs, replace=True),
    )


def notes_of(task: Task, solution: PlateSolution, reference: str, blind: SkyIndex | None) -> list[str]:
    """Return what is to be known about new world coordinates that their header does not say."""
    notes = []
    if solution.how == "kept":
        notes.append(f"the world coordinates were kept: no fit to {solution.n_stars} stars is significantly better")
    elif solution.how == "distortion kept":
        notes.append("the distortion was kept: place, scale and rotation were fitted")
    if blind is not None and reference != _GAIA:
        notes.append(f"the Gaia archive did not answer: the stars are those of an index ({reference})")
    if task.scale_arcsec is not None:
        ratio = pixel_scale_arcsec(solution.wcs) / task.scale_arcsec
        if not 1 / _OTHER_SCALE < ratio < _OTHER_SCALE:
            notes.append(f"the pixels are {ratio:.3g} times as wide as they were said to be, as of another binning")
    if blind is not None and task.hint is not None:
        rows, columns = task.image.shape
        middle = solution.wcs.pixel_to_world((columns - 1) / 2, (rows - 1) / 2).icrs
        off_deg = separations_arcsec([middle.ra.deg], [middle.dec.deg], task.hint.ra_deg, task.hint.dec_deg)[0] / 3600
        if off_deg > _FAR_FIELDS * max(task.image.shape) * pixel_scale_arcsec(solution.wcs) / 3600:
            notes.append(f"the image is {off_deg:.3g} degrees from where it was said to be")
    return notes


def catalogue_stars(stars: Table, image: Image) -> CatalogueStars:
    """Return Gaia stars where they were when the image was taken, or at the epoch of Gaia if nobody knows when."""
    epoch_yr = mean_epoch_yr([image.description.capture_time])
    ra_deg, dec_deg = positions_at(stars, epoch_yr) if epoch_yr is not None else (stars["ra"], stars["dec"])
    return CatalogueStars(ra_deg=ra_deg, dec_deg=dec_deg)


def index_stars(place: Found, image: Image) -> CatalogueStars:
    """Return the stars that an index has around a place, likewise."""
    scale_deg = (place.hint.pixel_scale_arcsec or 0.0) / 3600.0
    radius_deg = min(_WIDEST_RADIUS_DEG, scale_deg * max(image.shape))
    stars = place.index.stars(SkyRegion(ra_deg=place.hint.ra_deg, dec_deg=place.hint.dec_deg, radius_deg=radius_deg))
    epoch_yr = mean_epoch_yr([image.description.capture_time])
    ra_deg, dec_deg = (stars.ra_deg, stars.dec_deg) if epoch_yr is None else stars.at(epoch_yr)
    return CatalogueStars(ra_deg=np.asarray(ra_deg), dec_deg=np.asarray(dec_deg))


def no_position(image: Image) -> str:
    return (
        f"The header of {image.basename} does not say where on the sky it was taken. "
        "Give the position of the field as source."
    )


def not_on_the_sky(indexes: Sequence[SkyIndex]) -> str:
    known = " and ".join(f"{index.reference}, for images of {index.least_field_deg:g} degrees" for index in indexes)
    return f"Its stars were not found on the whole sky either ({known} and more)."


def advice(hint: Hint) -> str:
    """Return what a user can do about an image that was not solved."""
    scale = "not known" if hint.pixel_scale_arcsec is None else f'{hint.pixel_scale_arcsec:.3g}"'
    return (
        f"It was looked for around {hint.ra_deg:.4f} {hint.dec_deg:+.4f} with a pixel scale that is {scale}; "
        "give a better position or scale if these are wrong."
    )


def comment(image: Image, solution: PlateSolution, reference: str, blind: SkyIndex | None) -> str:
    """Return what was done, with the residuals after and before it."""
    stars = f"{solution.n_stars} stars of {reference}, rms {solution.rms_arcsec:.3f} arcsec"
    parts = [f"Datalab Plate Solving on {image.basename}: {stars}"]
    if solution.rms_before_arcsec is not None:
        parts.append(f"{solution.rms_before_arcsec:.3f} before")
    if solution.how == "kept":
        parts.append("no fit is significantly better: the world coordinates were kept")
    elif solution.how == "distortion kept":
        parts.append("their distortion was kept, place, scale and rotation were fitted")
    elif solution.sip_order > 1:
        parts.append(f"with distortion of order {solution.sip_order}")
    if blind is not None:
        parts.append(f"found on the whole sky ({blind.reference})")
    return ", ".join(parts)
