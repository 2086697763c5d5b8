"""The light curve of one source from the catalogues of frames: what Light Curve and Variable Star share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from datalab.astro.catalogues.lookup import catalogue_magnitude
from datalab.astro.ephemeris.barycentre import known_barycentric_jd
from datalab.astro.headers.exposure_times import iso_utc, julian_date, midpoint
from operation_runner.recipes.shown_frames import filters_alike, shown_filter, shown_path, skipped
from operation_runner.sdk import FitsFile, Inputs, Progress, SkyPosition, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class LightCurvePoint:
    """The source in one frame. `observation_date` is the start of the exposure, `julian_date` (UTC) its middle.

    `bjd_tdb` is when the light of that middle passes the barycentre of the solar system, null where that is not known.
    """

    fits_path: str
    filter_name: str | None
    julian_date: float
    bjd_tdb: float | None
    observation_date: str
    magnitude: float
    error: float
    is_flagged: bool

    def as_output(self) -> dict[str, Any]:
        return {
            "mag": self.magnitude,
            "magerr": self.error,
            "julian_date": self.julian_date,
            "bjd_tdb": self.bjd_tdb,
            "observation_date": self.observation_date,
            "fits_path": self.fits_path,
            "filter": shown_filter([self.filter_name]),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LightCurve:
    """The points in order of time, the frames that gave none, by basename, and remarks."""

    source: SkyPosition
    points: Sequence[LightCurvePoint]
    excluded_images: Sequence[str]
    notes: Sequence[str]

    def as_output(self) -> dict[str, Any]:
        """Return the keys that clients know."""
        return {
            "light_curve": [point.as_output() for point in self.points],
            "flux_fallback": False,
            "excluded_images": self.excluded_images,
            "source": self.source.model_dump(exclude_none=True),
            "filter": shown_filter(point.filter_name for point in self.points),
            "notes": list(self.notes),
        }


def catalogue_light_curve(
    inputs: Inputs, files: Sequence[FitsFile], source: SkyPosition, progress: Progress, *, operation: str
) -> LightCurve:
    """Look a source up in the catalogue of every frame; frames that do not know it, or no time, are left out.

    Raises:
        UsageError: no frame knows the source, or frames are of several filters.
    """
    found = list(inputs.parallel(partial(_point, inputs, source), files, progress=progress))
    points = sorted(
        (point for point in found if isinstance(point, LightCurvePoint)), key=lambda point: point.julian_date
    )
    if not points:
        raise UsageError("No extractable photometry data found for this source.")
    filters = filters_alike([(point.fits_path, point.filter_name) for point in points], operation)
    excluded = {
        file.basename: point for file, point in zip(files, found, strict=True) if not isinstance(point, LightCurvePoint)
    }
    flagged = [point.fits_path for point in points if point.is_flagged]
    flags = [f"The catalogue flags the source as blended, saturated or cut off on {', '.join(flagged)}."]
    return LightCurve(
        source=source,
        points=points,
        excluded_images=list(excluded),
        notes=[
            *(skipped(name, ValueError(why)) for name, why in excluded.items()),
            *filters,
            *(flags if flagged else []),
        ],
    )


def _point(inputs: Inputs, source: SkyPosition, file: FitsFile) -> LightCurvePoint | str:
    """Return the source in a frame, or why there is none."""
    try:
        image = inputs.image(file)
        catalogue = image.catalogue()
    except UsageError as error:  # a damaged frame must not cost the others
        return str(error)
    start, middle = image.description.capture_time, midpoint(image.description)
    if start is None or middle is None:
        return "it has no usable DATE-OBS"
    brightness = catalogue_magnitude(catalogue, ra_deg=source.ra, dec_deg=source.dec)
    if brightness is None:
        return "its catalogue has no magnitude of the source"
    return LightCurvePoint(
        fits_path=shown_path(image.basename, image.description),
        filter_name=image.description.filter_name,
        julian_date=julian_date(middle),
        bjd_tdb=known_barycentric_jd(julian_date(middle), source.ra, source.dec),
        observation_date=iso_utc(start),
        magnitude=brightness.magnitude,
        error=brightness.error,
        is_flagged=brightness.is_flagged,
    )
