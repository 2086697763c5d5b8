from __future__ import annotations

import math
from typing import Any

from datalab.astro.pixels.line_profile import LineTooLongError, line_profile
from datalab.astro.sky.positions import sky_line
from operation_runner.sdk.analysis import AnalysedImage, Analysis, Coordinate, DisplayParameters, UsageError


class LineProfile(Analysis):
    name = "line-profile"
    description = (
        "The levels along a line. x1 and x2 are rows from the bottom, y1 and y2 columns, as latitude and longitude."
    )

    class Parameters(DisplayParameters):
        x1: Coordinate
        y1: Coordinate
        x2: Coordinate
        y2: Coordinate

    def analyse(self, image: AnalysedImage, parameters: Parameters) -> dict[str, Any]:
        scale = parameters.scale(image)
        start = parameters.x1 * scale.y, parameters.y1 * scale.x
        end = parameters.x2 * scale.y, parameters.y2 * scale.x
        try:
            profile = line_profile(image.pixels, start, end)
        except LineTooLongError as error:
            raise UsageError(f"The line leaves the image: {error}") from error
        wcs = image.wcs()
        # The sampled pixels are what the coordinates belong to.
        line = None if wcs is None else sky_line(wcs, start[::-1], end[::-1])
        if line is not None:
            return {
                "line_profile": profile,
                "arcsec": line.length_arcsec,
                "start_coords": line.start,
                "end_coords": line.end,
                "position_angle": line.position_angle_deg,
            }
        pixel_scale = image.number("PIXSCALE")
        return {
            "line_profile": profile,
            "arcsec": None if pixel_scale is None else math.dist(start, end) * pixel_scale,
            "start_coords": None,
            "end_coords": None,
            "position_angle": None,
        }
