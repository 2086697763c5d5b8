from __future__ import annotations

import io
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from pydantic import Field

from datalab.astro.display.stretch import Stretch, auto_stretch, rendered
from operation_runner.sdk.analysis import AnalysedImage, Analysis, AnalysisParameters, UsageError

#: As existing clients know it; what would be too much to send is packed more.
_QUALITIES = (95, 80, 60)
#: The format counts in 16 bits.
_LONGEST_SIDE_PX = 65_535
#: What can be sent at once, in base64: the session API takes 128 MiB.
_MOST_BYTES = 90 * 1024**2
#: Smaller pictures are at most so large in any quality; of larger ones this many pixels of the middle tell.
_SMALL_PIXELS = 32 * 1024**2
_PROBE_SIDE_PX = 1024

_Level = Annotated[float, Field(allow_inf_nan=False)] | None


class GetJpg(Analysis):
    name = "get-jpg"
    description = "The image as a full-size JPEG between two levels; without one, that limit is found automatically."

    class Parameters(AnalysisParameters):
        zmin: _Level = None
        zmax: _Level = None

    def analyse(self, image: AnalysedImage, parameters: Parameters) -> dict[str, Any]:
        if max(image.pixels.shape) > _LONGEST_SIDE_PX:
            raise UsageError(f"A JPEG has at most {_LONGEST_SIDE_PX} pixels in a row or column.")
        stretch = _stretch(image, parameters)
        # Each step lets go of what it was made from: together they are more than an analysis may have.
        jpeg = _encoded(rendered(image.pixels, stretch))
        if len(jpeg) > _MOST_BYTES:
            raise UsageError(
                f"The picture of {image.pixels.shape[1]} x {image.pixels.shape[0]} pixels has {len(jpeg)} bytes; at "
                f"most {_MOST_BYTES} can be sent at once. get-tif makes a file of it."
            )
        return {"jpg_base64": bytes(jpeg)}


def _stretch(image: AnalysedImage, parameters: GetJpg.Parameters) -> Stretch:
    """Return the levels asked for. Raises `UsageError` if one of them lies beyond the other."""
    automatic = auto_stretch(image.pixels)
    black = automatic.black if parameters.zmin is None else parameters.zmin
    white = automatic.white if parameters.zmax is None else parameters.zmax
    if black <= white:
        return Stretch(black=black, white=white)
    if parameters.zmax is None:
        raise UsageError(f"zmin {black:g} lies above {white:g}, the limit found for white: give zmax too.")
    if parameters.zmin is None:
        raise UsageError(f"zmax {white:g} lies below {black:g}, the limit found for black: give zmin too.")
    raise UsageError(f"zmin {black:g} lies above zmax {white:g}.")


def _encoded(grey: NDArray[np.uint8]) -> memoryview:
    """Return a grey picture as JPEG, in the best quality of which it is not too large by the look of its middle."""
    quality = _QUALITIES[0]
    if grey.size > _SMALL_PIXELS:
        rows, columns = (slice((side - _PROBE_SIDE_PX) // 2, (side + _PROBE_SIDE_PX) // 2) for side in grey.shape)
        probe = np.ascontiguousarray(grey[max(rows.start, 0) : rows.stop, max(columns.start, 0) : columns.stop])
        sizes = ((each, len(_jpeg(probe, each)) * grey.size / probe.size) for each in _QUALITIES)
        quality = next((each for each, size in sizes if size < _MOST_BYTES), _QUALITIES[-1])
    return _jpeg(grey, quality)


def _jpeg(grey: NDArray[np.uint8], quality: int) -> memoryview:
    encoded = io.BytesIO()
    # A view of the pixels; Pillow's `fromarray` copies them twice.
    picture = Picture.frombuffer("L", grey.shape[::-1], grey, "raw", "L", 0, 1)
    picture.save(encoded, "JPEG", quality=quality)
    return encoded.getbuffer()
