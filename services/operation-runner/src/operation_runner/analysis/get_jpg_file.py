from __future__ import annotations

import io
from pathlib import Path

from PIL import Image as Picture

from datalab.astro.display.stretch import auto_stretch, rendered
from operation_runner.sdk.analysis import AnalysedImage, AnalysisParameters, Rendering, UsageError

#: The format counts in 16 bits.
_LONGEST_SIDE_PX = 65_535
#: As that of other pictures of whole images.
_QUALITY = 95


class GetJpgFile(Rendering):
    name = "get-jpg-file"
    description = "A link to the image as a full-size JPEG, 8-bit grey, automatically stretched."
    version = 1
    link = "jpg_url"
    extension = ".jpg"
    media_type = "image/jpeg"

    def render(self, image: AnalysedImage, parameters: AnalysisParameters, target: Path) -> None:  # noqa: ARG002 - it has none
        if max(image.pixels.shape) > _LONGEST_SIDE_PX:
            raise UsageError(f"A JPEG has at most {_LONGEST_SIDE_PX} pixels in a row or column.")
        jpeg = io.BytesIO()  # Pillow leaves a file cut short, or hides the reason, where there is no room for it
        Picture.fromarray(rendered(image.pixels, auto_stretch(image.pixels))).save(jpeg, "JPEG", quality=_QUALITY)
        target.write_bytes(jpeg.getbuffer())
