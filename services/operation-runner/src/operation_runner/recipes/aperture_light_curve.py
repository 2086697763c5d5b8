"""From frames to a calibrated light curve: what the three aperture photometry operations share.

Each operation says where its target is; this finds comparison stars in the frames' own catalogues, measures target and
stars, calibrates, searches for a period, and draws a picture of every frame. One image at a time is in memory, in each
process; what is kept of a frame are a few numbers per star.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from datalab.astro.display.overlays import overlay
from datalab.astro.headers.detector import Detector
from datalab.astro.photometry.aperture_geometry import Radii
from datalab.astro.photometry.comparison_stars import Candidates, CatalogueSources, StarClusters
from datalab.astro.photometry.differential import Calibrated, Counts, EnsembleError, calibrate_with_shared_ensemble
from datalab.astro.photometry.evolving_ensemble import calibrate_with_evolving_ensemble
from datalab.astro.photometry.frame_photometry import FramePhotometry, measure_frame
from datalab.astro.types import FloatArray
from operation_runner.recipes.aperture_frames import Frame, Frames, open_images, skipped, usable_frames
from operation_runner.recipes.aperture_output import LightCurveOutput, output_item
from operation_runner.recipes.aperture_parameters import ApertureParameters
from operation_runner.sdk import (
    DataProduct,
    DiagnosticPicture,
    Inputs,
    Product,
    Progress,
    UsageError,
)

#: A star of a fixed field must be known on this share of the frames: a few bad catalogues must not cost good stars.
_LEAST_COVERAGE = 0.8
_NO_FRAMES = "Aperture photometry requires at least 1 valid input file with SCI and CAT extensions."
_FALLBACK_NOTE = "No comparison ensemble spans every frame: each frame was calibrated with its own stars."


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetTrack:
    """Where the target is on each frame, ICRS degrees, shape (frames,).

    `notes` are remarks on this for the user, `output` further keys of the result.
    """

    ra_deg: FloatArray
    dec_deg: FloatArray
    notes: tuple[str, ...] = ()
    output: Mapping[str, Any] = field(default_factory=dict)


def aperture_light_curve(
    inputs: Inputs,
    parameters: ApertureParameters,
    progress: Progress,
    *,
    locate: Callable[[Frames], TargetTrack],
    moving: bool,
) -> Iterator[Product]:
    """Yield a picture of every frame and the light curve of the target that `locate` finds on them.

    All frames are calibrated with the same stars. A telescope that follows a `moving` target may not see any star on
    all frames; then each frame has stars of its own, tied together by those that frames share.

    Raises:
        UsageError: no frame can be used, or there are not enough comparison stars; or from `locate`.
    """
    radii_arcsec, (least_stars, most_stars) = parameters.radii_arcsec(), parameters.ensemble_sizes()
    images, unreadable = open_images(
        inputs, parameters.input_files, progress=_phase(progress, 0.0, 0.25, "Downloading input frames")
    )
    usable, unusable = usable_frames(
        inputs, images, radii_arcsec, progress=_phase(progress, 0.25, 0.3, "Validating input frames")
    )
    if not usable:
        raise UsageError(_NO_FRAMES)
    building = "Building comparison star catalog"
    frames = Frames(usable, inputs=inputs, progress=_phase(progress, 0.3, 0.35, building))
    track = locate(frames)
    positions = list(zip(track.ra_deg.tolist(), track.dec_deg.tolist(), strict=True))
    candidates = _candidates(
        inputs, frames, positions, radii_arcsec, moving=moving, progress=_phase(progress, 0.35, 0.45, building)
    )

    measuring = _phase(progress, 0.45, 0.6, "Measuring source and comparison stars")
    results = list(
        inputs.parallel(partial(_measure, frames, positions, candidates), range(len(frames)), progress=measuring)
    )
    whole = [number for number, result in enumerate(results) if isinstance(result, FramePhotometry)]
    measured = [result for result in results if isinstance(result, FramePhotometry)]
    damaged = [result for result in results if isinstance(result, str)]
    if not measured:
        raise UsageError(_NO_FRAMES)
    measured_frames, candidates = [frames[number] for number in whole], candidates.on_frames(whole)

    selecting = _phase(progress, 0.6, 0.75, "Selecting comparison stars")
    selecting(0.0)
    try:
        calibrated = _calibrate(
            _counts(measured), candidates, least_stars=least_stars, most_stars=most_stars, moving=moving
        )
    except EnsembleError as error:
        raise UsageError(str(error)) from error
    selecting(1.0)

    drawing = _phase(progress, 0.75, 0.9, "Creating diagnostic images")
    draw = partial(_draw, measured_frames, measured, calibrated)
    shown = [number for number, photometry in enumerate(measured) if math.isfinite(photometry.x[0])]
    yield from inputs.parallel(draw, shown, progress=drawing)

    saving = _phase(progress, 0.9, 1.0, "Saving output images")
    saving(0.0)
    output = LightCurveOutput(
        radii_arcsec=radii_arcsec,
        frames=measured_frames,
        measured=measured,
        candidates=candidates,
        calibrated=calibrated,
        notes=(
            *unreadable,
            *unusable,
            *damaged,
            *track.notes,
            *([candidates.note] if candidates.note else []),
            *calibrated.notes,
        ),
    )
    yield DataProduct(content=output_item(output) | dict(track.output))
    progress(1.0)


def _phase(progress: Progress, start: float, end: float, text: str) -> Progress:
    """Return the progress of a part of the work, whose messages say what is done and how far that is."""
    part = progress.part(start, end)
    return Progress(lambda fraction, _: part(fraction, f"{text}: {100 * fraction:.0f}%"))


def _candidates(
    inputs: Inputs,
    frames: Frames,
    positions: Sequence[tuple[float, float]],
    radii_arcsec: Radii,
    *,
    moving: bool,
    progress: Progress,
) -> Candidates:
    """Find the stars of all frames' catalogues that the target can be compared with."""

    def usable_sources(number: int) -> CatalogueSources:
        geometry, sources = frames[number].geometry(), frames[number].sources()
        x, y = geometry.positions(sources.ra_deg, sources.dec_deg)
        (target_x,), (target_y,) = geometry.positions(*(np.array([angle]) for angle in positions[number]))
        return sources.where(geometry.suits_comparison(x, y, target_x, target_y))

    clusters = StarClusters()
    for sources in inputs.parallel(usable_sources, range(len(frames)), progress=progress):
        clusters.add(sources)
    return clusters.candidates(
        merged_within_arcsec=radii_arcsec.aperture,
        least_frames=1 if moving else math.ceil(_LEAST_COVERAGE * len(frames)),
    )


def _measure(
    frames: Frames, positions: Sequence[tuple[float, float]], candidates: Candidates, number: int
) -> FramePhotometry | str:
    """Return the measurements of a frame, or why it has none: damage shows when the pixels are read."""
    image = frames[number].image
    try:
        pixels = image.pixels()
    except UsageError as error:
        return skipped(image.basename, error)
    return measure_frame(
        pixels,
        frames[number].geometry(),
        Detector.of(image.header),
        target=positions[number],
        stars_ra_deg=candidates.ra_deg,
        stars_dec_deg=candidates.dec_deg,
    )


def _counts(measured: Sequence[FramePhotometry]) -> Counts:
    net, sigma = np.array([frame.net for frame in measured]), np.array([frame.sigma for frame in measured])
    return Counts(target=net[:, 0], target_sigma=sigma[:, 0], stars=net[:, 1:], stars_sigma=sigma[:, 1:])


def _calibrate(
    counts: Counts, candidates: Candidates, *, least_stars: int, most_stars: int, moving: bool
) -> Calibrated:
    try:
        return calibrate_with_shared_ensemble(counts, candidates, least_stars=least_stars, most_stars=most_stars)
    except EnsembleError:
        if not moving:
            raise
    calibrated = calibrate_with_evolving_ensemble(counts, candidates, least_stars=least_stars, most_stars=most_stars)
    return replace(calibrated, notes=(_FALLBACK_NOTE, *calibrated.notes))


def _draw(
    frames: Sequence[Frame], measured: Sequence[FramePhotometry], calibrated: Calibrated, number: int
) -> DiagnosticPicture:
    frame, photometry = frames[number], measured[number]
    radii = frame.geometry().radii_px
    stars = 1 + calibrated.stars[calibrated.used[number]]
    pixels = overlay(
        frame.image.pixels(),
        target_xy=(float(photometry.x[0]), float(photometry.y[0])),
        radii_px=(radii.aperture, radii.inner, radii.outer),
        comparison_xy=np.stack([photometry.x[stars], photometry.y[stars]], axis=1),
    )
    return DiagnosticPicture(field="diagnostic_images", name=frame.basename, pixels=pixels)
