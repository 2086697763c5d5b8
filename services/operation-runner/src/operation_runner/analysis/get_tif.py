from __future__ import annotations

import io
from pathlib import Path

from PIL import Image as Picture

from datalab.astro.display.stretch import auto_stretch, rendered
from operation_runner.sdk.analysis import AnalysedImage, AnalysisParameters, Rendering


class GetTif(Rendering):
    name = "get-tif"
    description = "A link to the image as a full-size TIFF, 8-bit RGB, automatically stretched."
    version = 1
    link = "tif_url"
    extension = ".tif"
    media_type = "image/tiff"

    def render(self, image: AnalysedImage, parameters: AnalysisParameters, target: Path) -> None:  # noqa: ARG002 - it has none
        picture = Picture.fromarray(rendered(image.pixels, auto_stretch(image.pixels)))
        tiff = io.BytesIO()  # Pillow leaves a file cut short, or hides the reason, where there is no room for it
        picture.convert("RGB").save(tiff, "TIFF", compression="tiff_lzw")
        target.write_bytes(tiff.getbuffer())
