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
from datalab.astro.headers.likeness import Trait
from datalab.astro.photometry.aperture_geometry import ApertureGeometry
from datalab.astro.photometry.comparison_stars import Candidates, CatalogueSources, StarClusters
from datalab.astro.photometry.differential import Calibrated, Counts, EnsembleError, calibrate_with_shared_ensemble
from datalab.astro.photometry.evolving_ensemble import calibrate_with_evolving_ensemble
from datalab.astro.photometry.following import FrameNames
from datalab.astro.photometry.frame_photometry import (
    About,
    ApertureShape,
    FramePhotometry,
    Remark,
    frame_fault,
    measure_frame,
)
from datalab.astro.photometry.neighbours import (
    SAME_SOURCE_ARCSEC,
    counts_in_aperture,
    counts_per_unit_flux,
    near_target,
)
from datalab.astro.sky.cross_match import separations_arcsec
from datalab.astro.types import FloatArray
from operation_runner.recipes.aperture_frames import (
    Frame,
    Frames,
    one_filter,
    open_images,
    usable_frames,
)
from operation_runner.recipes.aperture_notes import detector_notes, target_notes, without_flawed
from operation_runner.recipes.aperture_output import LightCurveOutput, output_item
from operation_runner.recipes.aperture_parameters import ApertureParameters
from operation_runner.recipes.likeness import likeness_notes
from operation_runner.recipes.shown_frames import skipped
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
#: Of the light in the target's aperture, what neighbours must have to be worth a note; and what a star may have that a
#: moving target passes: more is 0.05 mag of variation that is none.
_LEAST_NEIGHBOUR_SHARE, _MOST_PASSING_SHARE = 0.01, 0.05
#: Frames that must list a star for it to be one that a target passes.
_LEAST_SIGHTINGS = 2
#: What makes no difference to the ratio of a target to stars of the same frame; filters have a check of their own.
_MAY_DIFFER = frozenset(Trait) - {Trait.DUPLICATE, Trait.KIND, Trait.CAMERA, Trait.TELESCOPE, Trait.CORRECTION}
#: A frame this near would show the target: hints are given then.
_HINT_DEG = 2.0
_FALLBACK_NOTE = "No comparison ensemble spans every frame: each frame was calibrated with its own stars."


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetTrack:
    """Where the target is on each frame, ICRS degrees, shape (frames,): in the middle of the exposure and at its end.

    NaN where it is not known; these frames are left out, `unknown` says why, by number. The end is None if the target
    does not move. `notes` are remarks on all this for the user, `output` further keys of the result.
    """

    ra_deg: FloatArray
    dec_deg: FloatArray
    at_end: tuple[FloatArray, FloatArray] | None = None
    unknown: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    output: Mapping[str, Any] = field(default_factory=dict)

    def only(self, numbers: Sequence[int]) -> TargetTrack:
        """Return the same for some of the frames."""
        chosen = list(numbers)
        end = None if self.at_end is None else (self.at_end[0][chosen], self.at_end[1][chosen])
        return replace(self, ra_deg=self.ra_deg[chosen], dec_deg=self.dec_deg[chosen], at_end=end, unknown={})

    def place(self, number: int) -> tuple[float, float]:
        return float(self.ra_deg[number]), float(self.dec_deg[number])

    def place_at_end(self, number: int) -> tuple[float, float] | None:
        return None if self.at_end is None else (float(self.at_end[0][number]), float(self.at_end[1][number]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Surroundings:
    """Of one frame: where the target is, in pixels, and what its catalogue has near it."""

    target_x: float
    target_y: float
    neighbours: Neighbours


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Sources that may have light in the aperture of a target, arrays of shape (sources,)."""

    ra_deg: FloatArray
    dec_deg: FloatArray
    mag: FloatArray


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
        UsageError: no frame can be used or shows the target, they are of several filters, or there are not enough
            comparison stars; or from `locate`.
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
    filters = one_filter(usable, parameters.operation)
    likeness = likeness_notes([frame.image for frame in usable], ignored=_MAY_DIFFER)
    building = "Building comparison star catalog"
    frames = Frames(usable, inputs=inputs, progress=_phase(progress, 0.3, 0.35, building))
    track = locate(frames)
    unplaced = [skipped(frames[number].basename, ValueError(why)) for number, why in sorted(track.unknown.items())]
    placed = [number for number in range(len(frames)) if number not in track.unknown]
    frames, track = frames.only(placed), track.only(placed)

    surveying = _phase(progress, 0.35, 0.45, building)
    clusters, around = StarClusters(), list[_Surroundings]()
    survey = partial(_surroundings, frames, track)
    for stars, surroundings in inputs.parallel(survey, range(len(frames)), progress=surveying):
        clusters.add(stars)  # one frame's at a time: a thousand of them would fill the memory
        around.append(surroundings)
    _require_target(frames, track, around)
    candidates = clusters.candidates(
        merged_within_arcsec=radii_arcsec.aperture,
        least_frames=1 if moving else math.ceil(_LEAST_COVERAGE * len(frames)),
    )

    measuring = _phase(progress, 0.45, 0.6, "Measuring source and comparison stars")
    measurement = _Measurement(
        frames=frames,
        track=track,
        candidates=candidates,
        neighbours=[each.neighbours for each in around],
        shape=parameters.shape,
        moving=moving,
    )
    results = list(inputs.parallel(measurement.of, range(len(frames)), progress=measuring))
    whole = [number for number, result in enumerate(results) if isinstance(result, FramePhotometry)]
    measured = [result for result in results if isinstance(result, FramePhotometry)]
    damaged = [result for result in results if isinstance(result, str)]
    if not measured:
        raise UsageError(_NO_FRAMES)
    frames, candidates = frames.only(whole), candidates.on_frames(whole)

    selecting = _phase(progress, 0.6, 0.75, "Selecting comparison stars")
    selecting(0.0)
    try:
        calibrated = _calibrate(
            _counts(measured), candidates, least_stars=least_stars, most_stars=most_stars, moving=moving
        )
    except EnsembleError as error:
        raise UsageError(str(error)) from error
    calibrated = without_flawed(calibrated, measured)
    selecting(1.0)

    drawing = _phase(progress, 0.75, 0.9, "Creating diagnostic images")
    draw = partial(_draw, frames, measured, calibrated)
    shown = [number for number, photometry in enumerate(measured) if math.isfinite(photometry.x[0])]
    yield from inputs.parallel(draw, shown, progress=drawing)

    saving = _phase(progress, 0.9, 1.0, "Saving output images")
    saving(0.0)
    names = FrameNames([frame.basename for frame in frames])
    output = LightCurveOutput(
        radii_arcsec=radii_arcsec,
        frames=frames,
        measured=measured,
        candidates=candidates,
        calibrated=calibrated,
        moving=moving,
        notes=(
            *unreadable,
            *unusable,
            *unplaced,
            *damaged,
            *filters,
            *(f"{note}." for note in likeness),
            *detector_notes(frames, names),
            *track.notes,
            *([candidates.note] if candidates.note else []),
            *target_notes(measured, names),
            *calibrated.notes,
        ),
    )
    yield DataProduct(content=output_item(output) | dict(track.output))
    progress(1.0)


def _phase(progress: Progress, start: float, end: float, text: str) -> Progress:
    """Return the progress of a part of the work, whose messages say what is done and how far that is."""
    part = progress.part(start, end)
    return Progress(lambda fraction, _: part(fraction, f"{text}: {100 * fraction:.0f}%"))


def _surroundings(frames: Frames, track: TargetTrack, number: int) -> tuple[CatalogueSources, _Surroundings]:
    """Return the stars of a frame that suit for comparison, and what is around the target."""
    geometry, sources = frames[number].geometry(), frames[number].sources()
    x, y = geometry.positions(sources.ra_deg, sources.dec_deg)
    (target_x,), (target_y,) = geometry.positions(*(np.array([angle]) for angle in track.place(number)))
    near = near_target(x, y, target_x, target_y, radius_px=geometry.radii_px.aperture)
    distance = np.hypot(x - target_x, y - target_y)
    scale_arcsec = frames[number].radii_arcsec.aperture / geometry.radii_px.aperture
    if near.any() and np.nanmin(distance) * scale_arcsec <= SAME_SOURCE_ARCSEC:
        near[np.nanargmin(distance)] = False  # the target itself
    neighbours = Neighbours(ra_deg=sources.ra_deg[near], dec_deg=sources.dec_deg[near], mag=sources.mag[near])
    stars = sources.where(geometry.suits_comparison(x, y, target_x, target_y))
    return stars, _Surroundings(target_x=float(target_x), target_y=float(target_y), neighbours=neighbours)


def _require_target(frames: Frames, track: TargetTrack, around: Sequence[_Surroundings]) -> None:
    """Raise `UsageError` if no frame shows the target: a position or a time is wrong."""
    for frame, place in zip(frames, around, strict=True):
        rows, columns = frame.image.shape
        if 0.0 <= place.target_x <= columns and 0.0 <= place.target_y <= rows:
            return
    away = [_degrees_away(frame, *track.place(number)) for number, frame in enumerate(frames)]
    nearest = int(np.argmin(away))
    ra, dec = track.place(nearest)
    hint = ""
    if _degrees_away(frames[nearest], 15.0 * ra, dec) < _HINT_DEG:
        hint = " It would be if the right ascension was given in hours; it must be in degrees."
    raise UsageError(
        f"No image shows the target: on the nearest of {len(frames)}, {frames[nearest].basename}, it is "
        f"expected at RA {ra:.5f}, Dec {dec:+.5f}, {away[nearest]:.3g} degrees from the centre.{hint} "
        "Check the position, and the times if there are any."
    )


def _degrees_away(frame: Frame, ra_deg: float, dec_deg: float) -> float:
    rows, columns = frame.image.shape
    centre = frame.wcs().pixel_to_world((columns - 1) / 2, (rows - 1) / 2).icrs
    return float(separations_arcsec(centre.ra.deg, centre.dec.deg, ra_deg, dec_deg)) / 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measurement:
    """What is measured on each frame."""

    frames: Frames
    track: TargetTrack
    candidates: Candidates
    neighbours: Sequence[Neighbours]
    shape: ApertureShape
    moving: bool

    def of(self, number: int) -> FramePhotometry | str:
        """Return the measurements of a frame, or why it has none: damage shows when the pixels are read."""
        frame = self.frames[number]
        geometry, detector = frame.geometry(), frame.detector()
        try:
            pixels = frame.image.pixels()
        except UsageError as error:
            return skipped(frame.basename, error)
        if fault := frame_fault(pixels, detector.saturation_adu):
            return skipped(frame.basename, ValueError(fault))
        photometry = measure_frame(
            pixels,
            geometry,
            detector,
            target=self.track.place(number),
            target_at_end=self.track.place_at_end(number),
            stars_ra_deg=self.candidates.ra_deg,
            stars_dec_deg=self.candidates.dec_deg,
            shape=self.shape,
        )
        remark = _neighbour_remark(photometry, geometry, self.candidates, self.neighbours[number], moving=self.moving)
        if remark is None:
            return photometry
        others = [each for each in photometry.target_remarks if each.about != About.NO_POINT]
        return replace(photometry, target_remarks=(*others, remark))


def _neighbour_remark(
    photometry: FramePhotometry,
    geometry: ApertureGeometry,
    candidates: Candidates,
    neighbours: Neighbours,
    *,
    moving: bool,
) -> Remark | None:
    """Return a remark if catalogued sources have light in the aperture: of the frame, and stars other frames have."""
    if not (math.isfinite(photometry.x[0]) and photometry.net[0] > 0.0 and photometry.profile):
        return None
    ra, dec = (np.append(getattr(neighbours, name), getattr(candidates, name)) for name in ("ra_deg", "dec_deg"))
    mag = np.append(neighbours.mag, candidates.reference_mag)
    x, y = geometry.positions(ra, dec)
    near = near_target(x, y, photometry.x[0], photometry.y[0], radius_px=geometry.radii_px.aperture)
    # A source that only one frame lists may be a cosmic ray or a mover.
    sightings = np.count_nonzero(candidates.row, axis=0)
    near[neighbours.mag.size :] &= sightings >= min(_LEAST_SIGHTINGS, len(candidates.row))
    listed = np.flatnonzero(near[: neighbours.mag.size])
    for star in neighbours.mag.size + np.flatnonzero(near[neighbours.mag.size :]):  # what the frame lists counts once
        apart = separations_arcsec(ra[listed], dec[listed], ra[star], dec[star])
        if not (apart <= SAME_SOURCE_ARCSEC).any():
            listed = np.append(listed, star)
    counts = counts_per_unit_flux(photometry.net[1:], candidates.reference_mag) * 10.0 ** (-0.4 * mag[listed])
    light = counts_in_aperture(
        x[listed] - photometry.x[0],
        y[listed] - photometry.y[0],
        counts,
        radius_px=geometry.radii_px.aperture,
        profile=photometry.profile,
        trail=photometry.target_trail,
    )
    share = light / photometry.net[0]
    if share < _LEAST_NEIGHBOUR_SHARE:
        return None
    text = (
        f"{100 * min(share, 1.0):.0f} % of the light in the target's aperture is that of {listed.size} catalogued "
        "neighbour(s)."
    )
    # The light of a neighbour that stays is no variation; that of a star which the target passes is.
    return Remark(about=About.NEIGHBOUR, text=text, is_flaw=moving and share > _MOST_PASSING_SHARE)


def _counts(measured: Sequence[FramePhotometry]) -> Counts:
    net, sigma = np.array([frame.net for frame in measured]), np.array([frame.sigma for frame in measured])
    return Counts(target=net[:, 0], target_sigma=sigma[:, 0], stars=net[:, 1:], stars_sigma=sigma[:, 1:])


def _calibrate(
    counts: Counts, candidates: Candidates, *, least_stars: int, most_stars: int, moving: bool
) -> Calibrated:
    shared: Calibrated | None = None
    try:
        shared = calibrate_with_shared_ensemble(counts, candidates, least_stars=least_stars, most_stars=most_stars)
    except EnsembleError:
        if not moving:
            raise
    if shared is not None and not (moving and np.isnan(shared.ensemble_counts).any()):
        return shared
    evolving = calibrate_with_evolving_ensemble(counts, candidates, least_stars=least_stars, most_stars=most_stars)
    if shared is not None and evolving.used.any(axis=1).sum() <= shared.used.any(axis=1).sum():
        return shared
    return replace(evolving, notes=(_FALLBACK_NOTE, *evolving.notes))


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
