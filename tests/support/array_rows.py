"""Images and mappings that are simpler than real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from datalab.astro.sky.wcs import PixelMapping
from datalab.astro.types import FloatArray, Pixels


@dataclass(frozen=True, slots=True)
class ArrayRows:
    """An image in memory, shape (rows, columns)."""

    pixels: Pixels

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.pixels.shape
        return rows, columns

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.pixels.dtype

    def rows(self, start: int, stop: int) -> Pixels:
        return self.pixels[start:stop]


def affine_mapping(matrix: FloatArray, offset: tuple[float, float]) -> PixelMapping:
    """Return the mapping (x', y') = matrix (x, y) + offset; `matrix` has the shape (2, 2)."""

    def mapping(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        return (
            matrix[0, 0] * x + matrix[0, 1] * y + offset[0],
            matrix[1, 0] * x + matrix[1, 1] * y + offset[1],
        )

    return mapping
