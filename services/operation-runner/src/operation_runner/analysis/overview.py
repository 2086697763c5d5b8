from __future__ import annotations

import numpy as np

from datalab.astro.display.tiles import overview
from operation_runner.sdk.analysis import AnalysisParameters, Glimpsing, ImageByRows, Part


class Overview(Glimpsing):
    name = "overview"
    description = (
        "Nearly the last level of the image (actions tiling, tile), of one row of the image for each of its own, to be "
        "shown until that is there: 32-bit floats, little-endian, row by row, the lowest first."
    )

    Parameters = AnalysisParameters

    def glimpse(self, image: ImageByRows, parameters: AnalysisParameters) -> Part:  # noqa: ARG002 - it has none
        with np.errstate(over="ignore"):  # what no display can show is infinite
            values = overview(image.rows, image.shape).astype("<f4")
        return Part(values.tobytes(), "application/octet-stream")
