from __future__ import annotations

import math
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field

from datalab.astro.pixels.region_statistics import EmptyRegionError, region_statistics
from operation_runner.sdk.analysis import AnalysedImage, Analysis, Coordinate, DisplayParameters, UsageError

#: Half a gigabyte while they are sorted.
_MOST_PIXELS = 32 * 1024**2


class Statistics(Analysis):
    name = "statistics"
    description = (
        "Mean, median, scatter and extremes of a rectangle, x columns and y rows from the bottom; of all without one."
    )

    class Parameters(DisplayParameters):
        x1: Coordinate | None = None
        y1: Coordinate | None = None
        x2: Coordinate | None = None
        y2: Coordinate | None = None
        clip_sigma: Annotated[float, Field(ge=1, le=100, description="limit of the clipped values, in sigma")] = 3.0

    def analyse(self, image: AnalysedImage, parameters: Parameters) -> dict[str, Any]:
        scale = parameters.scale(image)
        rows, columns = image.pixels.shape
        first_column, last_column = _covered(parameters.x1, parameters.x2, scale.x, columns)
        first_row, last_row = _covered(parameters.y1, parameters.y2, scale.y, rows)
        region = image.pixels[first_row:last_row, first_column:last_column]
        if region.size > _MOST_PIXELS:
            raise UsageError(f"The region has {region.size} pixels; at most {_MOST_PIXELS} can be described at once.")
        try:
            described = asdict(region_statistics(region, clip_sigma=parameters.clip_sigma))
        except EmptyRegionError:
            raise UsageError("The region has no pixel with data.") from None
        for extreme in ("minimum_at", "maximum_at"):
            row, column = described[extreme]
            # The centre of the pixel, on the display.
            x, y = (first_column + column + 0.5) / scale.x, (first_row + row + 0.5) / scale.y
            described[extreme] = {"x": x, "y": y, "column": first_column + column, "row": first_row + row}
        return {"rows": [first_row, last_row], "columns": [first_column, last_column], **described}


def _covered(one: float | None, other: float | None, scale: float, count: int) -> tuple[int, int]:
    """Return the first pixel that a range of the display covers at least in part, and the one after the last."""
    if one is None or other is None:
        return 0, count
    low, high = sorted((one * scale, other * scale))
    first = min(max(math.floor(low), 0), count)
    return first, max(first, min(math.ceil(high), count))
