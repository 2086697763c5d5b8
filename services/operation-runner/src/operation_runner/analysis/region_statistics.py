from __future__ import annotations

import math
from dataclasses import asdict
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datalab.astro.display.resizing import DisplayScale
from datalab.astro.pixels.region_statistics import EmptyRegionError, ellipse, region_statistics
from operation_runner.sdk.analysis import AnalysedImage, Analysis, Coordinate, DisplayParameters, UsageError

#: What is sorted; integers of up to 16 bits are not.
_MOST_BYTES = 512 * 1024**2
_COUNTED_BYTES = 2
#: Of the copy in which what lies outside of an ellipse is undefined.
_COPIED_BYTES = 8


class Statistics(Analysis):
    name = "statistics"
    description = (
        "Mean, median, scatter and extremes of a rectangle, x columns and y rows from the bottom; of all without one; "
        "of whole columns or rows with x1 and x2, or y1 and y2, only; or of the pixels whose centres lie within the "
        "ellipse that touches the four sides."
    )

    class Parameters(DisplayParameters):
        x1: Coordinate | None = None
        y1: Coordinate | None = None
        x2: Coordinate | None = None
        y2: Coordinate | None = None
        shape: Literal["rectangle", "ellipse"] = "rectangle"
        clip_sigma: Annotated[float, Field(ge=1, le=100, description="limit of the clipped values, in sigma")] = 3.0

    def analyse(self, image: AnalysedImage, parameters: Parameters) -> dict[str, Any]:
        for one, other in (("x1", "x2"), ("y1", "y2")):
            if (getattr(parameters, one) is None) != (getattr(parameters, other) is None):
                raise UsageError(f"A region has both {one} and {other}, or neither of them.")
        scale = parameters.scale(image)
        rows, columns = image.pixels.shape
        first_column, last_column = _covered(parameters.x1, parameters.x2, scale.x, columns)
        first_row, last_row = _covered(parameters.y1, parameters.y2, scale.y, rows)
        region = image.pixels[first_row:last_row, first_column:last_column]
        is_ellipse = parameters.shape == "ellipse"
        pixel_bytes = _COPIED_BYTES if is_ellipse else region.dtype.itemsize
        if pixel_bytes > _COUNTED_BYTES and region.size * pixel_bytes > _MOST_BYTES:
            raise UsageError(
                f"The region has {region.size} pixels of {pixel_bytes} bytes; at most {_MOST_BYTES // pixel_bytes} of "
                "them can be described at once."
            )
        outside_count = 0
        if is_ellipse:
            inside = _inside(parameters, scale, region.shape, (first_row, first_column))
            outside_count = int(np.count_nonzero(~inside))
            region = np.where(inside, region, np.nan)
        try:
            described = asdict(region_statistics(region, clip_sigma=parameters.clip_sigma))
        except EmptyRegionError:
            raise UsageError("The region has no pixel with data.") from None
        described["undefined_count"] -= outside_count
        for extreme in ("minimum_at", "maximum_at"):
            row, column = described[extreme]
            # The centre of the pixel, on the display.
            x, y = (first_column + column + 0.5) / scale.x, (first_row + row + 0.5) / scale.y
            described[extreme] = {"x": x, "y": y, "column": first_column + column, "row": first_row + row}
        return {"rows": [first_row, last_row], "columns": [first_column, last_column], **described}


def _inside(
    parameters: Statistics.Parameters, scale: DisplayScale, shape: tuple[int, int], first: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return which pixels of a region, whose first row and column these are, lie within the ellipse."""
    x1, x2, y1, y2 = parameters.x1, parameters.x2, parameters.y1, parameters.y2
    if x1 is None or x2 is None or y1 is None or y2 is None:
        raise UsageError("An ellipse has x1, x2, y1 and y2.")
    return ellipse(
        shape,
        columns=(x1 * scale.x - first[1], x2 * scale.x - first[1]),
        rows=(y1 * scale.y - first[0], y2 * scale.y - first[0]),
    )


def _covered(one: float | None, other: float | None, scale: float, count: int) -> tuple[int, int]:
    """Return the first pixel that a range of the display covers at least in part, and the one after the last."""
    if one is None or other is None:
        return 0, count
    low, high = sorted((one * scale, other * scale))
    first = min(max(math.floor(low), 0), count)
    return first, max(first, min(math.ceil(high), count))
