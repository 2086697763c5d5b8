"""Non-Sidereal Aperture Photometry: a target that moves, at the positions its frames' headers give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from datalab.astro.photometry.target_positions import PositionError, header_position, source_type
from datalab.astro.sky.cross_match import degrees, normalized, unit_vectors
from datalab.astro.types import FloatArray
from operation_runner.recipes.aperture_frames import Frames
from operation_runner.recipes.aperture_light_curve import TargetTrack, aperture_light_curve
from operation_runner.recipes.aperture_parameters import MovingTargetParameters
from operation_runner.sdk import Inputs, Lane, Operation, Product, Progress, UsageError

#: LCO's word for a target outside the solar system: its CAT-RA and CAT-DEC stay what the user asked for.
_FIXED_TARGET = "EXTRASOLAR"
_NOT_NON_SIDEREAL = (
    f"is not an image of a non-sidereal target (SRCTYPE is {_FIXED_TARGET}): "
    "use Moving Target Aperture Photometry and give its positions."
)


class NonSiderealAperturePhotometry(Operation):
    """Frames of a telescope that follows an ephemeris say where the target is: CAT-RA and CAT-DEC."""

    name = "Non-Sidereal Aperture Photometry"
    description = (
        "The non-sidereal aperture photometry operation measures the light curve of a target that the telescope "
        "tracked by its ephemeris, such as a minor planet or a comet. In each image the target is where the header "
        "(CAT-RA, CAT-DEC) says; comparison stars are chosen from the source catalogs of the images."
    )
    version = 4
    lane = Lane.SLOW

    class Parameters(MovingTargetParameters):
        operation = "Non-Sidereal Aperture Photometry"

    def compute(self, inputs: Inputs, parameters: Parameters, progress: Progress) -> Iterator[Product]:
        return aperture_light_curve(inputs, parameters, progress, locate=_by_headers, moving=True)


def _by_headers(frames: Frames) -> TargetTrack:
    """Read where the target is from each header; a frame that does not say so is left out."""
    places, unknown = np.full((2, len(frames)), np.nan), dict[int, str]()
    fixed = [number for number, frame in enumerate(frames) if source_type(frame.image.header) == _FIXED_TARGET]
    if len(fixed) == len(frames):
        raise UsageError(f"{frames[0].basename} {_NOT_NON_SIDEREAL}")
    for number, frame in enumerate(frames):
        try:
            places[:, number] = header_position(frame.image.header)
        except PositionError as error:
            unknown[number] = f"it does not say where its target is: {error}"
        if number in fixed:
            unknown[number] = f"it {_NOT_NON_SIDEREAL}"
    if len(unknown) == len(frames):
        number, why = next(iter(unknown.items()))
        raise UsageError(f"{frames[number].basename} {why.removeprefix('it ').rstrip('.')}.")
    known = [number for number in range(len(frames)) if number not in unknown]
    ra_deg, dec_deg = places
    notes = []
    if len(known) > 1 and np.ptp(ra_deg[known]) == 0 and np.ptp(dec_deg[known]) == 0:
        notes.append(
            "CAT-RA and CAT-DEC are the same in all frames: the telescope was not tracking a moving target, "
            "or its headers do not follow it. If the target moves, use Moving Target Aperture Photometry and give its "
            "positions."
        )
    names = (frames[number].image.description.target_name for number in known)
    first = {"name": next((name for name in names if name), None), "ra": ra_deg[known[0]], "dec": dec_deg[known[0]]}
    return TargetTrack(
        ra_deg=ra_deg,
        dec_deg=dec_deg,
        at_end=_at_ends(frames, known, ra_deg, dec_deg),
        unknown=unknown,
        notes=tuple(notes),
        output={"source": first},
    )


def _at_ends(
    frames: Frames, known: Sequence[int], ra_deg: FloatArray, dec_deg: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    """Return where the target is at the end of each exposure, by its motion between frames; None if not known."""
    times = np.array([frames[number].midpoint_mjd for number in known])
    if np.unique(times).size < 2:
        return None
    vectors = unit_vectors(ra_deg[known], dec_deg[known])
    order = np.argsort(times, kind="stable")
    distinct = order[np.append(True, np.diff(times[order]) > 0.0)]
    velocity = np.stack([np.gradient(vectors[distinct, axis], times[distinct]) for axis in range(3)], axis=1)
    at = np.stack([np.interp(times, times[distinct], velocity[:, axis]) for axis in range(3)], axis=1)
    half_days = np.array([frames[number].times.exposure_s for number in known]) / 2.0 / 86_400.0
    end_ra, end_dec = ra_deg.copy(), dec_deg.copy()
    end_ra[known], end_dec[known] = degrees(normalized(vectors + at * half_days[:, np.newaxis]))
    return end_ra, end_dec
