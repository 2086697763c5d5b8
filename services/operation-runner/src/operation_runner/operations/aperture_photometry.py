"""Aperture Photometry: the light curve of a source at a fixed position, against comparison stars of its field."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import numpy as np
from pydantic import Field

from operation_runner.recipes.aperture_frames import Frames
from operation_runner.recipes.aperture_light_curve import TargetTrack, aperture_light_curve
from operation_runner.recipes.aperture_parameters import ApertureParameters
from operation_runner.sdk import (
    Hidden,
    Inputs,
    Lane,
    Operation,
    OperationParameters,
    Product,
    Progress,
    Refusals,
    SkyPosition,
    UsageError,
    WizardKeys,
)

_NO_TARGET = "Operation Aperture Photometry requires at least 1 target_positions"
_POSITION = "with ra and dec in degrees, dec from -90 to 90."
_BAD_SOURCE = Refusals({"*": f"Operation Aperture Photometry requires source to be a position {_POSITION}"})
_BAD_TARGETS = Refusals(
    {
        "*": f"Operation Aperture Photometry requires target_positions to be a list of positions {_POSITION}",
    }
)


class _Target(OperationParameters):
    """The target in both spellings: what the wizard draws, and what requests of other clients carry."""

    source: Annotated[
        SkyPosition | None,
        Field(title="Target", description="The source to measure"),
        WizardKeys({"name_lookup": True, "required": True}),
        _BAD_SOURCE,
    ] = None
    target_positions: Annotated[list[SkyPosition] | SkyPosition | None, Hidden(), _BAD_TARGETS] = None

    def target(self) -> SkyPosition:
        """Return the position to measure. Raises `UsageError` if there is none."""
        positions = self.target_positions or []
        first = next(iter(positions), None) if isinstance(positions, list) else positions
        target = first or self.source
        if target is None:
            raise UsageError(_NO_TARGET)
        return target


class AperturePhotometry(Operation):
    """One ensemble of comparison stars serves all frames."""

    name = "Aperture Photometry"
    description = (
        "The aperture photometry operation measures the brightness of a source in each image, and calibrates it "
        "with nearby stars from the source catalogs of the images. The result is a light curve."
    )
    version = 4
    lane = Lane.SLOW

    class Parameters(ApertureParameters, _Target):  # fields of the last base come first: the wizard begins with them
        operation = "Aperture Photometry"

    def compute(self, inputs: Inputs, parameters: Parameters, progress: Progress) -> Iterator[Product]:
        locate = partial(_fixed, parameters.target())
        return aperture_light_curve(inputs, parameters, progress, locate=locate, moving=False)


def _fixed(target: SkyPosition, frames: Frames) -> TargetTrack:
    everywhere = np.ones(len(frames))
    return TargetTrack(
        ra_deg=target.ra * everywhere,
        dec_deg=target.dec * everywhere,
        output={"source": target.model_dump(exclude_none=True)},
    )
