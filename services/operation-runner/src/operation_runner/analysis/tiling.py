from __future__ import annotations

from typing import Any

import numpy as np

from datalab.astro.display.stretch import zscale_limits
from datalab.astro.display.tiles import TILE_PX, level_count, level_shape, row_samples
from operation_runner.sdk.analysis import AnalysisParameters, Glimpsing, ImageByRows, UsageError

_PERCENTILES = (0.1, 1, 5, 25, 50, 75, 95, 99, 99.5, 99.9)


class Tiling(Glimpsing):
    name = "tiling"
    description = (
        "How the image is cut into tiles (action tile): the size of each level, and limits to begin with, in units of "
        "the image, found by some of its rows."
    )

    Parameters = AnalysisParameters

    def glimpse(self, image: ImageByRows, parameters: AnalysisParameters) -> dict[str, Any]:  # noqa: ARG002 - it has none
        samples = row_samples(image.rows, image.shape)
        if not samples.size:
            raise UsageError(f"No pixel of {image.basename} has data.")
        low, high = zscale_limits(samples)
        return {
            "tile_px": TILE_PX,
            "levels": [
                {"width": columns, "height": rows}
                for rows, columns in (level_shape(image.shape, level) for level in range(level_count(image.shape)))
            ],
            "zscale": [low, high],
            "percentiles": {str(each): float(np.percentile(samples, each)) for each in _PERCENTILES},
            "has_wcs": image.wcs() is not None,
        }
