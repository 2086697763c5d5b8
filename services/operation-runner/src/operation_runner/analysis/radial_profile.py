from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from datalab.astro.headers.detector import Detector
from datalab.astro.sky.positions import sky_positions
from datalab.astro.sky.wcs import pixel_scale_arcsec
from datalab.astro.sources.radial_profile import NoStarError, StarFit, fit_star, radial_profile
from operation_runner.sdk.analysis import AnalysedImage, Analysis, Coordinate, DisplayParameters, UsageError

#: What a fit leaves of a round star is noise; of two stars or a trail it is more than this part of the peak, and this
#: many times the noise of the sky.
_MOST_LEFT, _MOST_LEFT_NOISES = 0.04, 3.0

#: Of the image: 30 thousand pixels, which a browser can draw.
_LARGEST_RADIUS_PX = 100.0


class RadialProfileAction(Analysis):
    name = "radial-profile"
    description = "The light of a star by distance from its centre, and the full width at half maximum of a fit to it."

    class Parameters(DisplayParameters):
        x: Annotated[Coordinate, Field(description="column")]
        y: Annotated[Coordinate, Field(description="row from the bottom")]
        radius: Annotated[
            float | None, Field(gt=0, le=1e5, description="how far pixels count; without it 15 pixels of the image")
        ] = None
        model: Literal["moffat", "gaussian"] = "moffat"

    def analyse(self, image: AnalysedImage, parameters: Parameters) -> dict[str, Any]:
        scale = parameters.scale(image)
        # Coordinates of the fit count from pixel centres; on a display pixel i covers [i, i + 1).
        x, y = parameters.x * scale.x - 0.5, parameters.y * scale.y - 0.5
        radius_px = 15.0 if parameters.radius is None else parameters.radius * scale.radius
        if radius_px > _LARGEST_RADIUS_PX:
            raise UsageError(f"The radius reaches over more than {_LARGEST_RADIUS_PX:g} pixels of the image.")
        try:
            star = fit_star(
                image.pixels,
                x,
                y,
                radius_px=radius_px,
                model=parameters.model,
                saturation=Detector.of(image.cards()).saturation_adu,
            )
        except NoStarError as error:
            raise UsageError(str(error)) from error
        profile = radial_profile(image.pixels, star.x, star.y, radius_px=radius_px)
        wcs = image.wcs()
        ra, dec = (None, None) if wcs is None else sky_positions(wcs, star.x, star.y)
        return {
            "x": (star.x + 0.5) / scale.x,
            "y": (star.y + 0.5) / scale.y,
            "ra": ra,
            "dec": dec,
            "fwhm_px": star.fwhm_px,
            "fwhm_arcsec": None if wcs is None else star.fwhm_px * pixel_scale_arcsec(wcs),
            "model": parameters.model,
            "beta": star.beta,
            "peak": star.peak,
            "background": star.background,
            "residual": star.residual,
            "clipped_pixels": star.clipped_pixels,
            "notes": _notes(star),
            "radii_px": profile.radii_px,
            "values": profile.values,
            "ring_radii_px": profile.ring_radii_px,
            "ring_means": profile.ring_means,
        }


def _notes(star: StarFit) -> list[str]:
    notes = []
    if star.clipped_pixels:
        notes.append(
            f"The star is clipped: its {star.clipped_pixels} brightest pixels were left out, and peak is what the "
            "others tell"
        )
    if star.residual > max(_MOST_LEFT * star.peak, _MOST_LEFT_NOISES * star.noise):
        notes.append("The light is not that of one round star: it may be two, a trail, or out of focus")
    return notes
