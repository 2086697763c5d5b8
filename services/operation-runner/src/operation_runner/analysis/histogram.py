from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from datalab.astro.display.levels import even_histogram
from operation_runner.sdk.analysis import AnalysedImage, Analysis, AnalysisParameters, UsageError

_Level = Annotated[float, Field(allow_inf_nan=False)] | None


class Histogram(Analysis):
    name = "histogram"
    description = "Every pixel of the image counted by level, in even steps; from lowest to highest without limits."

    class Parameters(AnalysisParameters):
        bins: Annotated[int, Field(ge=1, le=4096, description="number of steps")] = 256
        minimum: Annotated[_Level, Field(description="lower edge of the first step")] = None
        maximum: Annotated[_Level, Field(description="upper edge of the last step, which belongs to it")] = None

    def analyse(self, image: AnalysedImage, parameters: Parameters) -> dict[str, Any]:
        low, high = parameters.minimum, parameters.maximum
        if low is not None and high is not None and not low < high:
            raise UsageError(f"minimum {low:g} is not below maximum {high:g}.")
        try:
            counted = even_histogram(image.pixels, bins=parameters.bins, low=low, high=high)
        except ValueError as error:
            raise UsageError(f"{error}.".capitalize()) from error
        return {
            "edges": counted.edges,
            "counts": counted.counts,
            "below": counted.below,
            "above": counted.above,
            "undefined": counted.undefined,
        }
