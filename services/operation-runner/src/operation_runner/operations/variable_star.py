"""Variable Star: the light curve of a star, and the period that it repeats with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field

from datalab.astro.photometry.period import LEAST_POINTS, period_search
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
    UsageError,
)

#: What is shown when the points have no period: all of one brightness, for example.
_NO_PERIOD: Mapping[str, Any] = {
    "period": None,
    "fap": None,
    "frequency": [],
    "power": [],
    "period_notes": ["No period was searched: the points are all of one brightness or time, or have no errors."],
}


class VariableStar(Operation):
    """Searches with a Lomb-Scargle periodogram, which copes with gaps and unequal errors."""

    name = "Variable Star"
    description = (
        "The variable star operation shows how the brightness of a source changes over time and searches for its "
        "period. It takes the magnitudes from the source catalogs of at least 8 images, all of one filter."
    )
    version = 4
    lane = Lane.SLOW

    class Parameters(OperationParameters):
        source: Annotated[SourceStar, source_required("Variable Star")]
        input_files: Annotated[SingleFilterFiles, Field(min_length=LEAST_POINTS)]

    def compute(self, inputs: Inputs, parameters: Parameters, progress: Progress) -> Iterator[Product]:
        light_curve = catalogue_light_curve(
            inputs, parameters.input_files, parameters.source, progress.part(0.0, 0.8), operation=self.name
        )
        points = light_curve.points
        if len(points) < LEAST_POINTS:
            raise UsageError(
                f"Only found extractable photometry data in {len(points)} inputs - "
                f"a period needs at least {LEAST_POINTS}."
            )
        search = period_search(
            [point.julian_date for point in points],
            [point.magnitude for point in points],
            [point.error for point in points],
        )
        progress(1.0)
        yield DataProduct(content=light_curve.as_output() | dict(search.as_output() if search else _NO_PERIOD))
