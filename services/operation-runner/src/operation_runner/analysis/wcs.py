from __future__ import annotations

from dataclasses import asdict
from typing import Any

from datalab.astro.sky.distortion import departure_px, distortion_of
from datalab.astro.sky.positions import NotLinearError, linear_wcs
from operation_runner.sdk.analysis import AnalysisParameters, Glimpsing, ImageByRows, UsageError


class Wcs(Glimpsing):
    name = "wcs"
    description = (
        "The linear part of an image's world coordinates, to show right ascension and declination with, how many "
        "pixels they are away from it at most (distortion_px), and the distortion: what to add to pixels first; null "
        "if there is none."
    )

    Parameters = AnalysisParameters

    def glimpse(self, image: ImageByRows, parameters: AnalysisParameters) -> dict[str, Any]:  # noqa: ARG002 - it has none
        wcs = image.wcs()
        if wcs is None:
            raise UsageError("No WCS solution found for this image")
        try:
            linear = linear_wcs(wcs)
        except NotLinearError as error:
            raise UsageError(f"No WCS solution found for this image: {error}") from error
        rows, columns = image.shape
        distortion = distortion_of(wcs, linear, image.shape)
        return {
            "crval": linear.crval,
            "crpix": linear.crpix,
            "cd1": linear.cd1,
            "cd2": linear.cd2,
            "fits_dimensions": [columns, rows],
            "distortion_px": departure_px(wcs, linear, image.shape),
            "distortion": None if distortion is None else asdict(distortion),
        }
