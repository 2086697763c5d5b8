from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from datalab.astro.photometry.aperture import PixelNoise, measure
from datalab.astro.photometry.centroids import centroids
from datalab.astro.photometry.local_sky import Annulus
from datalab.astro.sky.positions import sky_positions
from operation_runner.sdk.analysis import AnalysedImage, Analysis, Coordinate, DisplayParameters, UsageError

#: Of the image; an aperture of a hundred thousand pixels holds no one star.
_LARGEST_RADIUS_PX = 500

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
                background=light.background[0],
                peak=light.peak[0] - light.background[0],
                message="Measured at the given position.",
            )
        found = centroids(image.pixels, x, y, radius_px=radius_px, annulus=annulus)
        return _answer(
            image,
            parameters,
            (float(found.x[0]), float(found.y[0])),
            background=found.background[0],
            peak=found.peak[0],
            message=found.messages[0],
            success=bool(found.success[0]),
        )


def _answer(
    image: AnalysedImage,
    parameters: Centroiding.Parameters,
    place: tuple[float, float],
    *,
    background: float,
    peak: float,
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
