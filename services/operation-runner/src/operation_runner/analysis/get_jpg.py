from __future__ import annotations

import base64
import io
from typing import Annotated, Any

from PIL import Image as Picture
from pydantic import Field

from datalab.astro.display.stretch import Stretch, auto_stretch, rendered
from operation_runner.sdk.analysis import AnalysedImage, Analysis, AnalysisParameters, UsageError

#: As existing clients know it.
_QUALITY = 95
#: The format counts in 16 bits.
_LONGEST_SIDE_PX = 65_535

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
        automatic = auto_stretch(image.pixels)
        black = automatic.black if parameters.zmin is None else parameters.zmin
        white = automatic.white if parameters.zmax is None else parameters.zmax
        if black > white:
            raise UsageError(f"zmin {black:g} lies above zmax {white:g}.")
        jpeg = io.BytesIO()
        picture = Picture.fromarray(rendered(image.pixels, Stretch(black=black, white=white)))
        picture.save(jpeg, "JPEG", quality=_QUALITY)
        return {"jpg_base64": base64.b64encode(jpeg.getbuffer()).decode("ascii")}
