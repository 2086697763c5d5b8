from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from datalab.astro.display.levels import level_histogram
from datalab.astro.display.resizing import area_resized
from datalab.astro.display.stretch import zscale_limits
from operation_runner.sdk.analysis import AnalysedImage, Analysis, AnalysisParameters


class RawData(Analysis):
    name = "raw-data"
    description = (
        "The image resized to a square of max_size pixels, top row first, with a histogram to choose limits by."
    )

    class Parameters(AnalysisParameters):
        max_size: Annotated[int, Field(ge=1, le=2048, description="side of the square, in pixels")] = 500

    def analyse(self, image: AnalysedImage, parameters: Parameters) -> dict[str, Any]:
        side = parameters.max_size
        samples = image.sample()
        _, highest_shown = zscale_limits(samples)
        data = area_resized(image.pixels, (side, side))
        bits = abs(int(image.number("BITPIX") or 0))
        histogram = level_histogram(data, samples, bits=bits, saturation=image.number("SATURATE"))
        with np.errstate(over="ignore"):  # what no display can show becomes null
            shown = np.ascontiguousarray(data[::-1], np.float32).ravel()
        return {
            "data": shown,
            "height": side,
            "width": side,
            "histogram": histogram.log_counts,
            "bins": histogram.middles,
            "zmin": round(float(np.median(samples))),
            "zmax": math.ceil(highest_shown),
            "bitdepth": bits,
        }
