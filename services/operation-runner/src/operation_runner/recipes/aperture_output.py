"""The result of an aperture light curve as clients know it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from datalab.astro.ephemeris.barycentre import known_barycentric_jd
from datalab.astro.headers.exposure_times import iso_utc
from datalab.astro.magnitudes import instrumental_mag
from datalab.astro.photometry.aperture_geometry import Radii
from datalab.astro.photometry.comparison_stars import Candidates
from datalab.astro.photometry.differential import LEAST_SIGNAL_TO_NOISE, Calibrated
from datalab.astro.photometry.frame_photometry import FramePhotometry
from datalab.astro.photometry.period import period_search
from datalab.astro.robust import over_known
from operation_runner.recipes.aperture_frames import Frame
from operation_runner.recipes.shown_frames import shown_filter, shown_path

#: Clients recognise the two kinds of rows by how they begin.
_HEADING = (
    "comparison star identifier | RA | Dec | calculated flux | FITS source catalog flux | calculated magnitude | "
    "FITS source catalog magnitude"
)
_ROW = "comparison-star validation row: "
#: Clients know magnitudes that come from the table after the image by this name.
_MAGNITUDE_SOURCE = "second_hdu"
_OMITTED = "Too few comparison stars; light-curve row omitted."


@dataclass(frozen=True, slots=True, kw_only=True)
class LightCurveOutput:
    """What the result is made of; sequences are over the frames, in order of time. `notes` are on the whole run.

    What is `moving` is too near for barycentric times.
    """

    radii_arcsec: Radii
    frames: Sequence[Frame]
    measured: Sequence[FramePhotometry]
    candidates: Candidates
    calibrated: Calibrated
    moving: bool
    notes: Sequence[str]


def output_item(output: LightCurveOutput) -> dict[str, Any]:
    """Return the result as strict JSON but for NaN, which stands for null.

    The Julian date of a point is the middle of its exposure (UTC); `date_obs` and `observation_date` are its start.
    `bjd_tdb` is when the light of that middle passes the barycentre of the solar system, null for what is in there.
    `target_ra_deg` and `target_dec_deg` (ICRS) are where the target was measured, as the frame's WCS has it.
    `target_magnitude_limit` is what a target is fainter than that is not seen at 3 sigma and so has no magnitude.
    """
    calibrated, frames = output.calibrated, output.frames
    julian_dates = np.array([frame.times.midpoint_jd for frame in frames])
    search = period_search(julian_dates, calibrated.mag, calibrated.mag_sigma)
    notes = [
        *output.notes,
        *(f"{frame.basename}: {_OMITTED}" for number, frame in enumerate(frames) if not calibrated.used[number].any()),
    ]
    return {
        "aperture_radius": output.radii_arcsec.aperture,
        "annulus_inner_radius": output.radii_arcsec.inner,
        "annulus_outer_radius": output.radii_arcsec.outer,
        "filter": shown_filter(frame.image.description.filter_name for frame in frames),
        "light_curve": [
            _row(output, number) | {"julian_date": julian_date, "bjd_tdb": _bjd_tdb(output, number, julian_date)}
            for number, julian_date in enumerate(julian_dates)
        ],
        "selected_comparison_stars": _selected_stars(output),
        "diagnostics": {frame.basename: _diagnostics(output, number) for number, frame in enumerate(frames)},
        "pipeline_diagnostics": notes,
        "notes": notes,
        # Filled with links to the pictures; also there if there are none.
        "diagnostic_images": {},
    } | (search.as_output() if search else {})


def _row(output: LightCurveOutput, number: int) -> dict[str, Any]:
    calibrated, photometry, times = output.calibrated, output.measured[number], output.frames[number].times
    magnitude, error = calibrated.mag[number], calibrated.mag_sigma[number]
    return {
        "fits_path": shown_path(output.frames[number].basename, output.frames[number].image.description),
        "date_obs": times.start.isoformat(),
        "observation_date": iso_utc(times.start),
        "target_centroid_x": photometry.x[0],
        "target_centroid_y": photometry.y[0],
        "target_ra_deg": photometry.target_ra_deg,
        "target_dec_deg": photometry.target_dec_deg,
        "target_net_source_counts": photometry.net[0],
        "target_source_uncertainty": photometry.sigma[0],
        "comparison_ensemble_total_counts": calibrated.ensemble_counts[number],
        "comparison_ensemble_uncertainty": calibrated.ensemble_sigma[number],
        "target_differential_flux": calibrated.relative_flux[number],
        "target_differential_flux_uncertainty": calibrated.relative_flux_sigma[number],
        "target_calibrated_apparent_magnitude": magnitude,
        "target_calibrated_apparent_magnitude_uncertainty": error,
        "target_signal_to_noise": calibrated.signal_to_noise[number],
        "target_magnitude_limit": calibrated.limit_mag[number],
        "mag": magnitude,
        "magerr": error,
        "notes": _notes(output, number),
    }


def _bjd_tdb(output: LightCurveOutput, number: int, julian_date: float) -> float | None:
    photometry = output.measured[number]
    if output.moving or not np.isfinite(photometry.target_ra_deg):
        return None
    return known_barycentric_jd(julian_date, photometry.target_ra_deg, photometry.target_dec_deg)


def _notes(output: LightCurveOutput, number: int) -> list[str]:
    """Return the remarks on a frame."""
    calibrated, photometry = output.calibrated, output.measured[number]
    notes = [*photometry.target_notes, *photometry.frame_notes]
    if np.isfinite(calibrated.limit_mag[number]):
        notes.append(
            f"The target has {calibrated.signal_to_noise[number]:.1f} sigma: it is fainter than "
            f"{calibrated.limit_mag[number]:.2f} (at {LEAST_SIGNAL_TO_NOISE:g} sigma)."
        )
    if not calibrated.used[number].any():
        notes.append(_OMITTED)
    return notes


def _selected_stars(output: LightCurveOutput) -> list[dict[str, Any]]:
    candidates, calibrated = output.candidates, output.calibrated
    x, y, net = (np.array([getattr(frame, name) for frame in output.measured]) for name in ("x", "y", "net"))
    stars = 1 + calibrated.stars
    separation = over_known(np.nanmean, np.hypot(x[:, stars] - x[:, :1], y[:, stars] - y[:, :1]), axis=0)
    mags = over_known(np.nanmedian, instrumental_mag(net[:, stars]), axis=0)
    identifiers = candidates.identifiers
    return [
        {
            "candidate_id": identifiers[star],
            "ra_deg": candidates.ra_deg[star],
            "dec_deg": candidates.dec_deg[star],
            "reference_magnitude": candidates.reference_mag[star],
            "reference_magnitude_source": _MAGNITUDE_SOURCE,
            "source_catalog_by_frame": {
                frame.basename: {
                    "source_label": candidates.labels[number][star],
                    "flux": candidates.flux[number, star],
                    "mag": candidates.mag[number, star],
                }
                for number, frame in enumerate(output.frames)
                if candidates.row[number, star]
            },
            "variability_score": calibrated.variability_mag[place],
            "isolation_arcsec": candidates.isolation_arcsec[star],
            "target_separation_px": separation[place],
            "measured_instrumental_magnitude": mags[place],
        }
        for place, star in enumerate(calibrated.stars)
    ]


def _diagnostics(output: LightCurveOutput, number: int) -> list[str]:
    """Return the remarks on a frame, and what was measured and what its catalogue says of each comparison star."""
    candidates, calibrated, photometry = output.candidates, output.calibrated, output.measured[number]
    lines = _notes(output, number)
    used = np.flatnonzero(calibrated.used[number])
    if not used.size:
        return lines
    identifiers = candidates.identifiers
    lines.append(_HEADING)
    for place in used:
        star = calibrated.stars[place]
        values = (
            identifiers[star],
            f"{candidates.ra_deg[star]:.4f}",
            f"{candidates.dec_deg[star]:.4f}",
            f"{photometry.net[1 + star]:.0f}",
            f"{candidates.flux[number, star]:.0f}",
            f"{calibrated.star_mag[number, place]:.3f}",
            f"{candidates.mag[number, star]:.3f}",
        )
        lines.append(_ROW + " | ".join(values))
    return lines
