"""A moving target found among the catalogued sources of frames, near where given positions say it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import KDTree

from datalab.astro.photometry.target_positions import TimedPosition
from datalab.astro.photometry.tracks import Track, Vectors, as_arrays, fit_track, fitted
from datalab.astro.robust import SIGMA_PER_MAD_ROUNDED
from datalab.astro.sky.cross_match import arcsec_of_chord, chord_of_arcsec
from datalab.astro.types import FloatArray, IntArray, Mask

#: Over a longer arc a straight line misses a minor planet by more than an aperture (it curves by 10" and more a day).
_LONGEST_STRAIGHT_ARC_DAYS = 0.5
#: Measurements of one star are nearer to each other than this, in any seeing.
_SAME_PLACE_ARCSEC = 1.5
#: A star need not be in the catalogue of every frame to be known as one; two sightings may still be chance.
_SIGHTINGS_OF_A_STAR = 3
#: In so many frames the target must be elsewhere, to tell a star at a place from it.
_FRAMES_TO_TELL_A_STAR = 2
#: Sources that span less do not show that they move.
_LEAST_MOTION_ARCSEC = 2.0
_LEAST_PICKS = 3
_CLIPPING_PASSES = 3
_CLIPPING_SIGMA = 3.0
#: The scatter is never taken for smaller: what seeing does to the position of a faint source.
_LEAST_SCATTER_ARCSEC = 1.0
_ROBUST_PASSES = 10
#: The length of a curved way is that of a chain of so many points.
_POINTS_OF_ARC = 33
#: So many frames are named in a note.
_MOST_NAMES = 10
#: A place that somebody pointed at is good to an arcsecond, a catalogued one to a tenth.
_WEIGHT_OF_GIVEN = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedTarget:
    """Where a target is in each frame, degrees, shape (frames,), its way, and what users should know about it."""

    ra_deg: FloatArray
    dec_deg: FloatArray
    track: Track
    notes: tuple[str, ...]


def near_track(track: Track, frame_mjd: ArrayLike, sources: Vectors, *, radius_arcsec: float) -> Vectors:
    """Return those sources of one frame that lie near the way of a target: all that `follow` asks of the frame.

    Args:
        track: the predicted way.
        frame_mjd: of all frames, shape (frames,).
        sources: unit vectors, shape (sources, 3).
        radius_arcsec: how far from the predicted position the target may be.
    """
    reach = chord_of_arcsec(radius_arcsec + _SAME_PLACE_ARCSEC)
    distance, _ = KDTree(track.directions(frame_mjd)).query(sources.reshape(-1, 3), distance_upper_bound=reach)
    near: Vectors = sources[np.isfinite(distance)]
    return near


def follow(
    positions: Sequence[TimedPosition],
    frame_mjd: ArrayLike,
    sources: Sequence[Vectors],
    *,
    radius_arcsec: float,
    names: Sequence[str] = (),
) -> FollowedTarget:
    """Find a moving target among the sources of frames, near where given positions say it is.

    In every frame the nearest source that other frames do not show in the same place is picked. A track is fitted to
    the picks, those that do not move along are dropped, and if three remain the track through them is the target's;
    else it is the one through the given positions.

    Args:
        positions: at least two, of different times.
        frame_mjd: shape (frames,).
        sources: of each frame, unit vectors of shape (sources, 3): at least those that `near_track` returns.
        radius_arcsec: how far from the predicted position the target may be.
        names: of the frames, for the notes; numbers from 1 if not given.

    Raises:
        PositionError: as `fit_track`.
    """
    times = np.asarray(frame_mjd, np.float64)
    frames = FrameNames(names or [str(number) for number in range(1, times.size + 1)])
    predicted = fit_track(positions)
    found, notes = _search(predicted, times, sources, radius_arcsec, frames)
    track, fitted_to = predicted, _given(positions)
    if found is None:
        notes.append("Measured at the interpolated positions.")
    else:
        track, fitted_to = _joined(found, positions)
    ra_deg, dec_deg = track.at(times)
    return FollowedTarget(
        ra_deg=ra_deg, dec_deg=dec_deg, track=track, notes=(*notes, *_remarks(track, times, fitted_to, frames))
    )


@dataclass(frozen=True, slots=True)
class FrameNames:
    """Names of frames, in order of time, for notes."""

    names: Sequence[str]

    def of(self, wanted: Mask) -> str:
        """Return how many of the frames are wanted and which: `3 of 8 frames (a, b, c)`."""
        return f"{np.count_nonzero(wanted)} of {len(self.names)} frames ({self.listed(wanted)})"

    def listed(self, wanted: Mask) -> str:
        chosen = [self.names[number] for number in np.flatnonzero(wanted).tolist()]
        more = len(chosen) - _MOST_NAMES
        return ", ".join(chosen[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True, slots=True)
class _Picks:
    """One source each of some frames, taken for the target: times, and unit vectors of shape (picks, 3)."""

    mjd: FloatArray
    vectors: Vectors

    def where(self, kept: Mask) -> _Picks:
        return _Picks(self.mjd[kept], self.vectors[kept])


def _search(
    predicted: Track, times: FloatArray, sources: Sequence[Vectors], radius_arcsec: float, frames: FrameNames
) -> tuple[_Picks | None, list[str]]:
    """Return the sources that are the target, or None, and notes about the search."""
    if times.size < _LEAST_PICKS:
        return None, [f"The target is searched for in the catalogs of {_LEAST_PICKS} frames or more."]
    expected = predicted.directions(times)
    candidates = _pick(times, expected, sources, radius_arcsec)
    picks = candidates.where(_moves_along(candidates))
    notes = []
    if rejected := candidates.mjd.size - picks.mjd.size:
        of = frames.listed(np.isin(times, candidates.mjd) & ~np.isin(times, picks.mjd))
        notes.append(f"Rejected {rejected} inconsistently-moving candidate(s) near the predicted positions: {of}.")
    if picks.mjd.size < _LEAST_PICKS:
        notes.append(
            f"No catalogued source near the predicted positions moves with the target in {_LEAST_PICKS} frames or more."
        )
        return None, notes
    moves = _extent_arcsec(expected) >= _LEAST_MOTION_ARCSEC
    if moves and _extent_arcsec(picks.vectors) < _LEAST_MOTION_ARCSEC:
        notes.append("The catalogued source near the predicted positions is a stationary source, not the target.")
        return None, notes
    notes.append(f"Located the target in the catalog of {picks.mjd.size} of {times.size} frames.")
    without = ~np.isin(times, picks.mjd)
    if without.any():
        notes.append(f"No source of the catalog is the target on {frames.of(without)}.")
    alike = np.array([np.count_nonzero(_is_elsewhere(expected, place)) < _FRAMES_TO_TELL_A_STAR for place in expected])
    if alike.any():
        notes.append(
            f"The target cannot be told apart from stationary sources near it on {frames.of(alike)}: "
            f'it moves less than {_SAME_PLACE_ARCSEC}" from there to nearly all others.'
        )
    return picks, notes


def _pick(times: FloatArray, expected: Vectors, sources: Sequence[Vectors], radius_arcsec: float) -> _Picks:
    """Return from each frame the source nearest to the target's expected place that is not a star."""
    frame_of = np.repeat(np.arange(times.size), [len(found) for found in sources])
    everything = KDTree(np.concatenate([found.reshape(-1, 3) for found in sources]))
    mjd, vectors = [], []
    for time, place, found in zip(times, expected, sources, strict=True):
        expected_elsewhere = _is_elsewhere(expected, place)
        for source in _nearest_first(found, place, radius_arcsec):
            seen_in = np.unique(frame_of[everything.query_ball_point(source, chord_of_arcsec(_SAME_PLACE_ARCSEC))])
            if not _is_star(expected_elsewhere, seen_in):
                mjd.append(time)
                vectors.append(source)
                break
    return _Picks(np.array(mjd), np.array(vectors).reshape(-1, 3))


def _is_elsewhere(expected: Vectors, place: FloatArray) -> Mask:
    """Tell in which frames the target is expected elsewhere than at a place."""
    elsewhere: Mask = _separations_arcsec(expected, place) > _SAME_PLACE_ARCSEC
    return elsewhere


def _nearest_first(sources: Vectors, place: FloatArray, radius_arcsec: float) -> Vectors:
    separation = _separations_arcsec(sources, place)
    order = np.argsort(separation, kind="stable")
    return sources[order[separation[order] <= radius_arcsec]]


def _is_star(expected_elsewhere: Mask, seen_in: IntArray) -> bool:
    """Tell whether a source stays where it is while the target moves on; with fewer than two frames to tell, no."""
    elsewhere = np.count_nonzero(expected_elsewhere)
    if elsewhere < _FRAMES_TO_TELL_A_STAR:
        return False
    sightings = np.count_nonzero(expected_elsewhere[seen_in])
    return bool(sightings >= min(_SIGHTINGS_OF_A_STAR, int(elsewhere)))


def _moves_along(picks: _Picks) -> Mask:
    """Tell which picks lie on one track."""
    kept = np.ones(picks.mjd.size, bool)
    weights = kept.astype(np.float64)
    for _ in range(_ROBUST_PASSES if kept.size >= _LEAST_PICKS else 0):
        # Weights like these minimise the sum of distances instead of squares: a few strays do not bend the track.
        residuals = _residuals_arcsec(fitted(picks.mjd, picks.vectors, weights), picks)
        weights = np.maximum(residuals, _LEAST_SCATTER_ARCSEC) ** -0.5
    for _ in range(_CLIPPING_PASSES):
        if np.count_nonzero(kept) < _LEAST_PICKS:
            break
        track = fitted(picks.mjd[kept], picks.vectors[kept], weights[kept])
        residuals = _residuals_arcsec(track, picks)
        scatter: float = max(SIGMA_PER_MAD_ROUNDED * float(np.median(residuals[kept])), _LEAST_SCATTER_ARCSEC)
        kept = residuals <= _CLIPPING_SIGMA * scatter
        weights = np.ones_like(weights)
    return kept


def _joined(picks: _Picks, positions: Sequence[TimedPosition]) -> tuple[Track, _Picks]:
    """Return the track through the picks and those given positions that agree with them, and these.

    Few picks leave it open where the target is long before and after them; there the given positions decide.
    """
    given = _given(positions)
    agrees = _residuals_arcsec(_fit_both(picks, given), given) <= _CLIPPING_SIGMA * _LEAST_SCATTER_ARCSEC
    agreeing = given.where(agrees)
    both = _Picks(np.concatenate([picks.mjd, agreeing.mjd]), np.concatenate([picks.vectors, agreeing.vectors]))
    return _fit_both(picks, agreeing), both


def _given(positions: Sequence[TimedPosition]) -> _Picks:
    return _Picks(*as_arrays(positions))


def _fit_both(picks: _Picks, given: _Picks) -> Track:
    weights = np.concatenate([np.ones(picks.mjd.size), np.full(given.mjd.size, _WEIGHT_OF_GIVEN)])
    return fitted(np.concatenate([picks.mjd, given.mjd]), np.concatenate([picks.vectors, given.vectors]), weights)


def _remarks(track: Track, times: FloatArray, fitted_to: _Picks, frames: FrameNames) -> Iterator[str]:
    yield f"Fitted a degree-{track.degree} target track to {track.n_positions} positions."
    hours = 24.0 * (track.last_mjd - track.first_mjd)
    way = track.directions(np.linspace(track.first_mjd, track.last_mjd, _POINTS_OF_ARC))
    arc = float(_separations_arcsec(way[1:], way[:-1]).sum())
    rate = f', a mean rate of {arc / hours:.4g}"/h' if hours > 0.0 else ""
    rms = float(np.sqrt(np.mean(_residuals_arcsec(track, fitted_to) ** 2)))
    yield f'Its arc is {arc:.4g}" in {hours:.4g} h{rate}; the positions are off it by {rms:.2f}" (RMS).'
    outside = (times < track.first_mjd) | (times > track.last_mjd)
    if outside.any():
        yield (
            f"Extrapolated {np.count_nonzero(outside)} frame(s) taken before the first or after the last known "
            f"position of the target: {frames.listed(outside)}."
        )
    if track.degree == 1 and track.last_mjd - track.first_mjd > _LONGEST_STRAIGHT_ARC_DAYS:
        yield (
            "The two target positions are more than 12 hours apart and tracks curve: "
            "give the position in a third, mid-series frame too."
        )


def _residuals_arcsec(track: Track, picks: _Picks) -> FloatArray:
    return _separations_arcsec(track.directions(picks.mjd), picks.vectors)


def _extent_arcsec(vectors: Vectors) -> float:
    """Return the largest separation from the first of some directions: how far a target moved."""
    return float(_separations_arcsec(vectors, vectors[0]).max())


def _separations_arcsec(first: Vectors, second: Vectors) -> FloatArray:
    return arcsec_of_chord(np.linalg.norm(first - second, axis=-1))
