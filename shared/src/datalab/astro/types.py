"""Arrays by what is in them."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

#: Of any numeric type, shape (rows, columns) unless told otherwise; the first row is at the bottom.
Pixels = NDArray[Any]
#: 8-bit grey or RGB, as shown: the first row is at the top.
Picture = NDArray[np.uint8]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Mask = NDArray[np.bool_]


class PixelRows(Protocol):
    """An image that is read by rows; NaN where blank."""

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def rows(self, start: int, stop: int) -> Pixels: ...
