from __future__ import annotations

import io
from pathlib import Path

from PIL import Image as Picture

from datalab.astro.display.stretch import auto_stretch, rendered
from operation_runner.sdk.analysis import AnalysedImage, AnalysisParameters, Rendering

#: Of zlib: half the time of its usual level, for files a few percent larger; of noise, little can be packed.
_LEVEL = 3


class GetPng(Rendering):
    name = "get-png"
    description = "A link to the image as a full-size PNG, 8-bit grey, automatically stretched."
    version = 1
    link = "png_url"
    extension = ".png"
    media_type = "image/png"

    def render(self, image: AnalysedImage, parameters: AnalysisParameters, target: Path) -> None:  # noqa: ARG002 - it has none
        png = io.BytesIO()  # Pillow leaves a file cut short, or hides the reason, where there is no room for it
        Picture.fromarray(rendered(image.pixels, auto_stretch(image.pixels))).save(png, "PNG", compress_level=_LEVEL)
        target.write_bytes(png.getbuffer())
