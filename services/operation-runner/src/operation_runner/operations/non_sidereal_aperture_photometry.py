"""Non-Sidereal Aperture Photometry: a target that moves, at the positions its frames' headers give."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from datalab.astro.photometry.target_positions import PositionError, header_position, source_type
from operation_runner.recipes.aperture_frames import Frame, Frames
from operation_runner.recipes.aperture_light_curve import TargetTrack, aperture_light_curve
from operation_runner.recipes.aperture_parameters import ApertureParameters
from operation_runner.sdk import Inputs, Lane, Operation, Product, Progress, UsageError

#: LCO's word for a target outside the solar system: its CAT-RA and CAT-DEC stay what the user asked for.
_FIXED_TARGET = "EXTRASOLAR"


class NonSiderealAperturePhotometry(Operation):
    """Frames of a telescope that follows an ephemeris say where the target is: CAT-RA and CAT-DEC."""

    name = "Non-Sidereal Aperture Photometry"
    description = (
        "The non-sidereal aperture photometry operation measures the light curve of a target that the telescope "
        "tracked by its ephemeris, such as a minor planet or a comet. In each image the target is where the header "
        "(CAT-RA, CAT-DEC) says; comparison stars are chosen from the source catalogs of the images."
    )
    version = 2
    lane = Lane.SLOW

    class Parameters(ApertureParameters):
        operation = "Non-Sidereal Aperture Photometry"

    def compute(self, inputs: Inputs, parameters: Parameters, progress: Progress) -> Iterator[Product]:
        return aperture_light_curve(inputs, parameters, progress, locate=_by_headers, moving=True)


def _by_headers(frames: Frames) -> TargetTrack:
    ra_deg, dec_deg = np.array([_header_position(frame) for frame in frames]).T
    notes = []
    if len(frames) > 1 and np.ptp(ra_deg) == 0 and np.ptp(dec_deg) == 0:
        notes.append(
            "CAT-RA and CAT-DEC are the same in all frames: the telescope was not tracking a moving target, "
            "or its headers do not follow it."
        )
    first = {"name": frames[0].image.description.target_name, "ra": ra_deg[0], "dec": dec_deg[0]}
    return TargetTrack(ra_deg=ra_deg, dec_deg=dec_deg, notes=tuple(notes), output={"source": first})


def _header_position(frame: Frame) -> tuple[float, float]:
    if source_type(frame.image.header) == _FIXED_TARGET:
        raise UsageError(
            f"{frame.image.basename} is not an image of a non-sidereal target (SRCTYPE is {_FIXED_TARGET}): "
            "use Moving Target Aperture Photometry and give its positions."
        )
    try:
        return header_position(frame.image.header)
    except PositionError as error:
        raise UsageError(f"{frame.image.basename} does not say where its target is: {error}.") from error
