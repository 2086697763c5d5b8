from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from datalab.astro.display.levels import iraf_zscale
from datalab.astro.display.stretch import auto_stretch
from operation_runner.sdk.analysis import AnalysedImage, Analysis, AnalysisParameters


class Zscale(Analysis):
    name = "zscale"
    description = "Levels worth showing: as IRAF's zscale finds them, and as our own pictures are stretched."

    class Parameters(AnalysisParameters):
        contrast: Annotated[float, Field(gt=0, le=10, description="of zscale: smaller shows a wider range")] = 0.25

    def analyse(self, image: AnalysedImage, parameters: Parameters) -> dict[str, Any]:
        samples = image.sample()
        zmin, zmax = iraf_zscale(samples, contrast=parameters.contrast)
        automatic = auto_stretch(image.pixels)
        return {"zmin": zmin, "zmax": zmax, "black": automatic.black, "white": automatic.white}
