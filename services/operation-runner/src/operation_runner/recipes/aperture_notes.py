"""What is said of a whole aperture light curve about its frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from datalab.astro.photometry.differential import Calibrated
from datalab.astro.photometry.following import FrameNames
from datalab.astro.photometry.frame_photometry import About, FramePhotometry
from operation_runner.recipes.aperture_frames import Frame


def without_flawed(calibrated: Calibrated, measured: Sequence[FramePhotometry]) -> Calibrated:
    """Return the light curve without magnitudes of frames on which the target's counts are not its brightness."""
    flawed = np.array([photometry.is_flawed for photometry in measured])
    return replace(
        calibrated,
        mag=np.where(flawed, np.nan, calibrated.mag),
        mag_sigma=np.where(flawed, np.nan, calibrated.mag_sigma),
        limit_mag=np.where(flawed, np.nan, calibrated.limit_mag),
    )


def target_notes(measured: Sequence[FramePhotometry], names: FrameNames) -> Iterator[str]:
    """Yield one note for each thing that is special about the target: on which frames, and with magnitude or not."""
    for about in About:
        for is_flaw in (False, True):
            there = np.array(
                [
                    any(remark.about == about and remark.is_flaw == is_flaw for remark in photometry.target_remarks)
                    for photometry in measured
                ]
            )
            if there.any():
                end = ": no magnitude is given there." if is_flaw else "."
                yield f"The target {about} on {names.of(there)}{end}"


def detector_notes(frames: Sequence[Frame], names: FrameNames) -> Iterator[str]:
    """Yield what headers say of the detector and cannot be used, and of which frames."""
    detectors = [frame.detector() for frame in frames]
    for text in dict.fromkeys(note for detector in detectors for note in detector.notes):
        yield f"{text}: {names.of(np.array([text in detector.notes for detector in detectors]))}."
    unknown = np.array([not detector.gain_is_known for detector in detectors])
    if unknown.any():
        yield (
            f"The gain (electrons per count) is not known of {names.of(unknown)}: "
            "errors follow from the scatter of the sky."
        )
