from __future__ import annotations

from pathlib import Path

from PIL import Image as Picture

from datalab.astro.display.stretch import auto_stretch, rendered
from operation_runner.sdk.analysis import AnalysedImage, Rendering


class GetTif(Rendering):
    name = "get-tif"
    description = "A link to the image as a full-size TIFF, 8-bit RGB, automatically stretched."
    version = 1
    link = "tif_url"
    extension = ".tif"
    media_type = "image/tiff"

    def render(self, image: AnalysedImage, target: Path) -> None:
        picture = Picture.fromarray(rendered(image.pixels, auto_stretch(image.pixels)))
        picture.convert("RGB").save(target, "TIFF", compression="tiff_lzw")
