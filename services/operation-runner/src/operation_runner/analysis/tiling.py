from __future__ import annotations

from typing import Any

import numpy as np

from datalab.astro.display.stretch import zscale_limits
from datalab.astro.display.tiles import TILE_PX, UNDEFINED_CODE, level_count, level_shape
from operation_runner.sdk.analysis import AnalysedImage, Analysis, AnalysisParameters

_PERCENTILES = (0.1, 1, 5, 25, 50, 75, 95, 99, 99.5, 99.9)


class Tiling(Analysis):
    name = "tiling"
    description = (
        "How the image is cut into tiles (action tile): the size of each level, what the codes of level 0 mean in "
        "units of the image (lowest + step * (code - 1)), and limits to begin with."
    )

    Parameters = AnalysisParameters

    def analyse(self, image: AnalysedImage, parameters: AnalysisParameters) -> dict[str, Any]:  # noqa: ARG002
        coding = image.coding()
        samples = image.sample()
        shape = (int(image.pixels.shape[0]), int(image.pixels.shape[1]))
        low, high = zscale_limits(samples)
        return {
            "tile_px": TILE_PX,
            "levels": [
                {"width": columns, "height": rows}
                for rows, columns in (level_shape(shape, level) for level in range(level_count(shape)))
            ],
            "lowest": coding.lowest,
            "step": coding.step,
            "undefined_code": UNDEFINED_CODE,
            "clipped": coding.is_clipped,
            "zscale": [low, high],
            "percentiles": {str(each): float(np.percentile(samples, each)) for each in _PERCENTILES},
            "has_wcs": image.wcs() is not None,
        }
