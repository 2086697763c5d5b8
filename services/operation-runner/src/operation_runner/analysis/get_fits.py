from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

from datalab.astro.pixels.geometry import bands
from datalab.astro.products.plain_header import plain_header, stored_pixels
from operation_runner.sdk.analysis import AnalysedImage, AnalysisParameters, Rendering

_BAND_ROWS = 256


class GetFits(Rendering):
    name = "get-fits"
    description = "A link to the science image as a plain FITS file: not compressed, header and pixels in one HDU."
    version = 1
    link = "fits_url"
    extension = ".fits"
    media_type = "image/fits"

    def render(self, image: AnalysedImage, parameters: AnalysisParameters, target: Path) -> None:  # noqa: ARG002 - it has none
        pixels = image.pixels
        with fits.StreamingHDU(str(target), plain_header(image.cards(), pixels.shape, pixels.dtype)) as out:
            for start, stop in bands(len(pixels), _BAND_ROWS):
                out.write(np.ascontiguousarray(stored_pixels(pixels[start:stop])))
