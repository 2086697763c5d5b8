from __future__ import annotations

from pathlib import Path

from astropy.io import fits

from datalab.astro.products.unpacking import unpacked_hdus
from operation_runner.sdk.analysis import AnalysedImage, AnalysisParameters, Rendering, UsageError


class Funpack(Rendering):
    name = "funpack"
    description = "A link to the whole file with its images unpacked: every HDU, as the program funpack leaves them."
    version = 1
    link = "fits_url"
    extension = ".fits"
    media_type = "image/fits"

    def render(self, image: AnalysedImage, parameters: AnalysisParameters, target: Path) -> None:  # noqa: ARG002 - it has none
        try:
            # Left to open the file itself, astropy does not close it when its first header is damaged.
            with image.path.open("rb") as file, fits.open(file, memmap=False) as hdus, target.open("wb") as out:
                unpacked_hdus(hdus).writeto(out, output_verify="silentfix+ignore")
        except (fits.VerifyError, ValueError, TypeError, KeyError, IndexError) as error:
            raise UsageError(f"{image.basename} cannot be unpacked: {error}") from error
