"""Light Curve: the brightness of one star over time, as the catalogues of the frames have it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from operation_runner.recipes.catalogue_light_curve import catalogue_light_curve
from operation_runner.recipes.parameters import SingleFilterFiles, SourceStar, source_required
from operation_runner.sdk import (
    DataProduct,
    Inputs,
    Lane,
    Operation,
    OperationParameters,
    Product,
    Progress,
)


class LightCurve(Operation):
    """Measures nothing anew: magnitudes are those of the source within 4 arcsec in each frame's catalogue."""

    name = "Light Curve"
    description = (
        "The light curve operation shows how the brightness of a source changes over time. It takes the magnitudes "
        "from the source catalogs of the images, all of one filter; images that do not know the source are left out."
    )
    version = 4
    lane = Lane.SLOW

    class Parameters(OperationParameters):
        source: Annotated[SourceStar, source_required("Light Curve")]
        input_files: SingleFilterFiles

    def compute(self, inputs: Inputs, parameters: Parameters, progress: Progress) -> Iterator[Product]:
        light_curve = catalogue_light_curve(
            inputs, parameters.input_files, parameters.source, progress, operation=self.name
        )
        target_coords = parameters.source.model_dump(exclude_none=True)
        yield DataProduct(content={"target_coords": target_coords} | light_curve.as_output())
