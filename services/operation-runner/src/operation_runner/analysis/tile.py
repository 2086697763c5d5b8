from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from datalab.astro.display.tiles import TILE_PX, coded, level_count
from operation_runner.sdk.analysis import AnalysedImage, AnalysisParameters, Part, Showing, UsageError


class Tile(Showing):
    name = "tile"
    description = (
        "A square of the image, or of it in half the size `level` times, little-endian, row by row, the lowest first: "
        "32-bit floats. Of the image itself, level 0, three 64-bit floats, lowest, step and whether it is clipped, and "
        "then 16-bit codes: 0 for undefined, else lowest + step * (code - 1); of a clipped tile, 1 and 65535 stand for "
        "all beyond, too. The action tiling says how many tiles there are."
    )

    class Parameters(AnalysisParameters):
        level: Annotated[int, Field(ge=0, le=40, description="0 is the image itself")] = 0
        column: Annotated[int, Field(ge=0, le=10**7, description="of tiles, from the left")]
        row: Annotated[int, Field(ge=0, le=10**7, description="of tiles, from the bottom")]

    def show(self, image: AnalysedImage, parameters: Parameters) -> Part:
        rows, columns = image.pixels.shape
        if parameters.level >= level_count((rows, columns)):
            raise UsageError(f"{image.basename} has {level_count((rows, columns))} levels, from 0 on.")
        pixels = image.level(parameters.level)
        top, left = parameters.row * TILE_PX, parameters.column * TILE_PX
        if top >= pixels.shape[0] or left >= pixels.shape[1]:
            raise UsageError(
                f"Level {parameters.level} of {image.basename} has {-(-pixels.shape[1] // TILE_PX)} columns and "
                f"{-(-pixels.shape[0] // TILE_PX)} rows of tiles."
            )
        tile = pixels[top : top + TILE_PX, left : left + TILE_PX]
        with np.errstate(over="ignore"):  # what no display can show is infinite
            # Means of many pixels differ by less than the steps of codes.
            body = tile.astype("<f4").tobytes() if parameters.level else coded(tile)
        return Part(body, "application/octet-stream")
