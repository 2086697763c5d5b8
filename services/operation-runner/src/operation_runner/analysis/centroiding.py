from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import Field

from datalab.astro.photometry.aperture import PixelNoise, measure
from datalab.astro.photometry.centroids import centroids
from datalab.astro.photometry.local_sky import Annulus, backgrounds
from datalab.astro.sky.positions import sky_positions
from operation_runner.sdk.analysis import AnalysedImage, Analysis, Coordinate, DisplayParameters, UsageError

#: Of the image; an aperture of a hundred thousand pixels holds no one star.
_LARGEST_RADIUS_PX = 500

#: Light of a star in units of what the noise of the sky makes: in the whole aperture, and in its middle, where more
#: places are looked at. The scatter of a clipped sky is a fifth too small.
_LEAST_SIGNIFICANCE, _LEAST_CORE_SIGNIFICANCE, _CORE_PX = 5.0, 6.0, 2.5
_NO_STAR = "No star stands out of the sky at this position."
_NO_SKY = "The sky could not be measured: the ring has no pixels with data."

_Radius = Annotated[float, Field(gt=0, le=1e5, allow_inf_nan=False)]


class Centroiding(Analysis):
    name = "centroiding"
    description = "The centre of the star near a position, the sky around it and its brightest pixel."

    class Parameters(DisplayParameters):
        x: Annotated[Coordinate, Field(description="column")]
        y: Annotated[Coordinate, Field(description="row from the bottom")]
        radius: _Radius = 8.0
        r_back1: Annotated[_Radius, Field(description="inner radius of the ring the sky is measured in")] = 10.0
        r_back2: Annotated[_Radius, Field(description="outer radius of that ring")] = 15.0
        find_centroid: bool = True
        remove_background_stars: bool = True
        use_plane_background: bool = False

    def analyse(self, image: AnalysedImage, parameters: Parameters) -> dict[str, Any]:
        scale = parameters.scale(image)
        x, y = parameters.x * scale.x, parameters.y * scale.y
        rows, columns = image.pixels.shape
        if not (0 <= x < columns and 0 <= y < rows):
            raise UsageError("The position is outside of the image.")
        radius_px = parameters.radius * scale.radius
        if parameters.r_back2 <= parameters.r_back1:
            raise UsageError(
                "The outer radius of the sky ring (r_back2) must be larger than the inner one (r_back1), not "
                f"{parameters.r_back2:g} and {parameters.r_back1:g}."
            )
        annulus = Annulus(
            inner_px=parameters.r_back1 * scale.radius,
            outer_px=parameters.r_back2 * scale.radius,
            clipped=parameters.remove_background_stars,
            plane=parameters.use_plane_background,
        )
        if max(radius_px, annulus.outer_px) > _LARGEST_RADIUS_PX:
            raise UsageError(f"The radii reach over more than {_LARGEST_RADIUS_PX} pixels of the image.")
        if not parameters.find_centroid:
            light = measure(image.pixels, x, y, radius_px=radius_px, annulus=annulus, noise=PixelNoise())
            return _answer(
                image,
                parameters,
                (x, y),
                background=light.background[0] if light.n_background_px[0] else None,
                peak=light.peak[0] - light.background[0] if light.n_background_px[0] else None,
                message="Measured at the given position." if light.n_background_px[0] else _NO_SKY,
            )
        found = centroids(image.pixels, x, y, radius_px=radius_px, annulus=annulus)
        place, success, message = (float(found.x[0]), float(found.y[0])), bool(found.success[0]), found.messages[0]
        has_sky = bool(found.n_background_px[0])
        if success and has_sky and not _stands_out(image, place, radius_px, annulus):
            place, success, message = (x, y), False, _NO_STAR
        elif success and not has_sky:
            message = _NO_SKY
        return _answer(
            image,
            parameters,
            place,
            background=found.background[0] if has_sky else None,
            peak=found.peak[0] if has_sky else None,
            message=message,
            success=success,
        )


def _stands_out(image: AnalysedImage, place: tuple[float, float], radius_px: float, annulus: Annulus) -> bool:
    """Tell whether there is more light around a place than the noise of the sky explains."""
    for radius, limit in ((radius_px, _LEAST_SIGNIFICANCE), (min(radius_px, _CORE_PX), _LEAST_CORE_SIGNIFICANCE)):
        light = measure(image.pixels, *place, radius_px=radius, annulus=annulus, noise=PixelNoise())
        area, n_sky = math.pi * radius**2, int(light.n_background_px[0])
        scatter = backgrounds(image.pixels, *place, annulus).scatter[0]
        noise = scatter * math.sqrt(area * (1.0 + area / n_sky))
        if not light.net[0] <= limit * noise:  # NaN, of an aperture with blank pixels, tells nothing
            return True
    return False


def _answer(
    image: AnalysedImage,
    parameters: Centroiding.Parameters,
    place: tuple[float, float],
    *,
    background: float | None,
    peak: float | None,
    message: str,
    success: bool = True,
) -> dict[str, Any]:
    x, y = place
    scale, wcs = parameters.scale(image), image.wcs()
    # Coordinates of the sky count from pixel centres; here pixel i covers [i, i + 1).
    ra, dec = (None, None) if wcs is None else sky_positions(wcs, x - 0.5, y - 0.5)
    return {
        "x": x / scale.x,
        "y": y / scale.y,
        "ra": ra,
        "dec": dec,
        "background": background,
        "peak": peak,
        "success": success,
        "message": message,
    }
