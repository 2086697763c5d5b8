from __future__ import annotations

from typing import Any

from operation_runner.sdk.analysis import AnalysedImage, Analysis, AnalysisParameters


class Header(Analysis):
    name = "header"
    description = "The values of an image's header by keyword."

    Parameters = AnalysisParameters

    def analyse(self, image: AnalysedImage, parameters: AnalysisParameters) -> dict[str, Any]:  # noqa: ARG002 - it has none
        return {"data": image.header()}
