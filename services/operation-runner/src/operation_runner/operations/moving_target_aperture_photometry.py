"""Moving Target Aperture Photometry: a target that moves, found along the way through positions the user gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from datalab.astro.headers.exposure_times import LATEST_MJD
from datalab.astro.photometry.comparison_stars import CatalogueSources
from datalab.astro.photometry.following import follow, near_track
from datalab.astro.photometry.target_positions import (
    ENTRY,
    ENTRY_END,
    PositionError,
    TimedPosition,
    timed_positions,
)
from datalab.astro.photometry.tracks import Vectors, fit_track
from datalab.astro.sky.cross_match import unit_vectors
from operation_runner.recipes.aperture_frames import Frame, Frames
from operation_runner.recipes.aperture_light_curve import TargetTrack, aperture_light_curve
from operation_runner.recipes.aperture_parameters import MovingTargetParameters
from operation_runner.sdk import (
    Hint,
    Inputs,
    Lane,
    Operation,
    Product,
    Progress,
    Refusals,
    TextEntries,
    UsageError,
    WizardKeys,
)

_TOO_FEW = "Operation Moving Target Aperture Photometry requires at least 2 target_positions"
_NO_POSITIONS = (
    "Operation Moving Target Aperture Photometry requires target_positions to be a text "
    "or a list of positions with ra, dec and mjd."
)
_EXAMPLE = "12:30:05.1 -04:10:20 2026-03-14T22:00:00; 187.5325 -4.1781 61114.0417"
_TEXT = TextEntries(
    separator=ENTRY_END,
    entry=ENTRY,
    minimum=2,
    right=(
        '"RA Dec time", RA and Dec in degrees or as h:m:s and d:m:s, the time as MJD or ISO date (UTC); '
        f"for example {_EXAMPLE}"
    ),
)


class Position(BaseModel):
    """A place, ICRS degrees, and the MJD (UTC) the target was there."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: Annotated[str | None, Field(max_length=256)] = None
    ra: Annotated[float, Field(ge=-360, le=360, allow_inf_nan=False)]
    dec: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
    mjd: Annotated[float, Field(ge=0, le=LATEST_MJD, allow_inf_nan=False)]


class MovingTargetAperturePhotometry(Operation):
    """The frames need not know the target: two positions at two times are enough to find it in their catalogues."""

    name = "Moving Target Aperture Photometry"
    description = (
        "The moving target aperture photometry operation measures the light curve of a target that moves across the "
        "stars. Give its position at two times or more; the operation finds it in the source catalogs of the images "
        "along the way between them, and measures at the interpolated positions if it cannot."
    )
    version = 4
    lane = Lane.SLOW

    class Parameters(MovingTargetParameters):
        operation = "Moving Target Aperture Photometry"

        target_positions: Annotated[
            Annotated[str, _TEXT] | Annotated[list[Position], Field(min_length=2)],
            Field(
                title="Target Positions",
                description=(
                    'Two positions or more, separated by ";", each as "RA Dec time": RA and Dec in degrees or as '
                    f"h:m:s and d:m:s, the time as MJD or ISO date (UTC). Example: {_EXAMPLE}"
                ),
            ),
            Hint("RA Dec time; RA Dec time"),
            # Clients that cannot draw a list of positions draw the text.
            WizardKeys({"type": "string", "required": True, "minimum": 2, "holds": "target_positions"}),
            Refusals({"required": _TOO_FEW, "minItems": _TOO_FEW, "type": _NO_POSITIONS}),
        ]
        track_search_radius: Annotated[
            float,
            Field(
                title="Target Search Radius",
                description="How far from the predicted position the target may be, in arcseconds",
                gt=0,
                allow_inf_nan=False,
            ),
        ] = 10.0

        def given_positions(self) -> str | list[dict[str, Any]]:
            """Return the positions as the user gave them."""
            given = self.target_positions
            return given if isinstance(given, str) else [position.model_dump() for position in given]

    def compute(self, inputs: Inputs, parameters: Parameters, progress: Progress) -> Iterator[Product]:
        try:
            positions = timed_positions(parameters.given_positions())
        except PositionError as error:
            raise UsageError(str(error)) from error
        if len(positions) < 2:
            raise UsageError(_TOO_FEW)
        locate = partial(_along_track, positions, parameters.track_search_radius)
        return aperture_light_curve(inputs, parameters, progress, locate=locate, moving=True)


def _along_track(positions: Sequence[TimedPosition], radius_arcsec: float, frames: Frames) -> TargetTrack:
    frame_mjd = [frame.midpoint_mjd for frame in frames]
    try:
        track = fit_track(positions)
    except PositionError as error:
        raise UsageError(str(error)) from error

    def sources_near_track(_frame: Frame, sources: CatalogueSources) -> Vectors:
        vectors = unit_vectors(sources.ra_deg, sources.dec_deg)
        return near_track(track, frame_mjd, vectors, radius_arcsec=radius_arcsec)

    sources = list(frames.from_catalogues(sources_near_track))
    names = [frame.basename for frame in frames]
    target = follow(positions, frame_mjd, sources, radius_arcsec=radius_arcsec, names=names)
    return TargetTrack(
        ra_deg=target.ra_deg,
        dec_deg=target.dec_deg,
        at_end=target.track.at([frame.times.end_mjd for frame in frames]),
        notes=target.notes,
        output={
            "source": _source(positions),
            "track_search_radius": radius_arcsec,
            "target_positions": [
                {"mjd": given.mjd, "ra_deg": given.ra_deg, "dec_deg": given.dec_deg} for given in positions
            ],
        },
    )


def _source(positions: Sequence[TimedPosition]) -> dict[str, Any]:
    first = positions[0]
    names = (given.name for given in positions if given.name)
    return {"name": next(names, "Moving target"), "ra": first.ra_deg, "dec": first.dec_deg}
