from __future__ import annotations

import bz2
import io
import json
from pathlib import Path
from typing import Literal

from PIL import Image as Picture
from PIL.TiffImagePlugin import IMAGEDESCRIPTION, ImageFileDirectory_v2

from datalab.astro.display.sixteen_bits import arcsinh_levels, linear_levels
from operation_runner.sdk.analysis import AnalysedImage, AnalysisParameters, Rendering

#: As existing clients find it in the description of the picture.
_NAME = "thename"


class GetTif16Bit(Rendering):
    name = "get-tif-16bit"
    description = "A link to the image as a full-size TIFF of 16-bit grey, packed with bzip2, linear or its arcsinh."
    version = 1
    link = "tif_url"
    extension = ".tif.bz2"
    media_type = "application/x-bzip2"

    class Parameters(AnalysisParameters):
        stretch: Literal["arcsinh", "linear"] = "arcsinh"

    def render(self, image: AnalysedImage, parameters: Parameters, target: Path) -> None:
        levels = arcsinh_levels(image.pixels) if parameters.stretch == "arcsinh" else linear_levels(image.pixels)
        said = {
            "shape": levels.pixels.shape,  # first: by this readers know the description for one of an array
            "PTRName": _NAME,
            "FILTER": image.header().get("FILTER"),
            "STRETCH": parameters.stretch,
            "ZERO": levels.zero,
            "STEP": levels.step,
        }
        tags = ImageFileDirectory_v2()
        tags[IMAGEDESCRIPTION] = json.dumps(said)
        tiff = io.BytesIO()
        Picture.fromarray(levels.pixels).save(tiff, "TIFF", tiffinfo=tags)
        with bz2.open(target, "wb") as packed:
            packed.write(tiff.getbuffer())
