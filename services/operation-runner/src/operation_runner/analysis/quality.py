from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from astropy.table import Table

from datalab.astro.catalogues.columns import floats, has_numbers, magnitudes
from datalab.astro.headers.detector import Detector
from datalab.astro.measuring.quality import measure_frame
from datalab.astro.measuring.reference_stars import ReferenceStars
from datalab.astro.sky.wcs import pixel_scale_arcsec
from datalab.astro.sources.detection import ExtractionError
from operation_runner.sdk.analysis import AnalysedImage, Analysis, AnalysisParameters, UsageError


class Quality(Analysis):
    name = "quality"
    description = (
        "How good an image is: width and shape of its stars, level and noise of its sky, sources, streaks, and by the "
        "magnitudes of its own catalog the zero point and the 5 sigma limit. What cannot be told is null."
    )

    Parameters = AnalysisParameters

    def analyse(self, image: AnalysedImage, parameters: AnalysisParameters) -> dict[str, Any]:  # noqa: ARG002 - it has none
        wcs = image.wcs()
        try:
            found = measure_frame(
                image.pixels,
                detector=Detector.of(image.cards()),
                pixel_scale_arcsec=None if wcs is None else pixel_scale_arcsec(wcs),
                wcs=wcs,
                reference=_own_stars(image.catalogue()),
            )
        except ExtractionError as error:
            raise UsageError(f"This image cannot be measured: {error}.") from error
        return asdict(found)


def _own_stars(catalogue: Table | None) -> ReferenceStars | None:
    """Return the stars of an image's catalogue that have magnitudes."""
    if catalogue is None or not has_numbers(catalogue, ("ra", "dec", "mag")):
        return None
    stars = np.stack([floats(catalogue, "ra"), floats(catalogue, "dec"), magnitudes(catalogue, "mag")])
    ra_deg, dec_deg, mag = stars[:, np.isfinite(stars).all(axis=0)]
    return ReferenceStars(ra_deg=ra_deg, dec_deg=dec_deg, mag=mag)
