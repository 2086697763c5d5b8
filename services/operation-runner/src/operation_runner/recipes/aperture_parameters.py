"""What users choose of every aperture photometry operation."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from datalab.astro.photometry.aperture_geometry import Radii
from datalab.astro.photometry.frame_photometry import ApertureShape
from operation_runner.recipes.parameters import SingleFilterFiles
from operation_runner.sdk import (
    Hidden,
    OperationParameters,
    Refusals,
    UsageError,
    WizardKeys,
)

_COUNTS_OF_STARS = "min_comparisons and max_comparisons must be positive and min_comparisons <= max_comparisons."
#: `{operation}` becomes the operation's name, `{field}` that of the field.
_INVALID = "Operation {operation} received invalid input: {field} must be a number of arcseconds."
_RADIUS_REFUSALS = Refusals({"exclusiveMinimum": "aperture_radius must be > 0.", "*": _INVALID})
_ANNULUS_REFUSALS = Refusals({"*": _INVALID})
_INVALID_COUNT = "Operation {operation} received invalid input: {field} must be a whole number."
_COUNT_REFUSALS = Refusals({"minimum": _COUNTS_OF_STARS, "*": _INVALID_COUNT})


class ApertureParameters(OperationParameters):
    """Parameters of every aperture photometry operation; radii in arcsec."""

    #: The operation's name, for texts.
    operation: ClassVar[str]

    input_files: SingleFilterFiles
    aperture_radius: Annotated[
        float,
        Field(title="Aperture Radius", description="Radius of the aperture in arcsec", gt=0, allow_inf_nan=False),
        WizardKeys({"required": True, "default": 7.64}),
        _RADIUS_REFUSALS,
    ]
    annulus_inner_radius: Annotated[
        float,
        Field(
            title="Annulus Inner Radius",
            description="Inner radius in arcsec of the ring the sky is measured in",
            allow_inf_nan=False,
        ),
        WizardKeys({"required": True, "default": 12.73}),
        _ANNULUS_REFUSALS,
    ]
    annulus_outer_radius: Annotated[
        float,
        Field(title="Annulus Outer Radius", description="Outer radius in arcsec of that ring", allow_inf_nan=False),
        WizardKeys({"required": True, "default": 19.1}),
        _ANNULUS_REFUSALS,
    ]
    min_comparisons: Annotated[
        int, Field(title="Minimum Comparison Stars", description="Fewer give no result", ge=1), _COUNT_REFUSALS
    ] = 5
    max_comparisons: Annotated[
        int, Field(title="Maximum Comparison Stars", description="No more are used", ge=1), _COUNT_REFUSALS
    ] = 10

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Put the names of operation and field into the texts of refusals."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        for name, described in schema["properties"].items():
            refusals = described.get("x-refusals", {})
            described["x-refusals"] = {
                key: text.replace("{operation}", cls.operation).replace("{field}", name)
                for key, text in refusals.items()
            }
        return schema

    @property
    def shape(self) -> ApertureShape:
        """The aperture of what moves during an exposure."""
        return "auto"

    def radii_arcsec(self) -> Radii:
        """Return the radii. Raises `UsageError` if they are not in rising order."""
        if self.annulus_inner_radius <= self.aperture_radius:
            raise UsageError("annulus_inner_radius must be greater than aperture_radius.")
        if self.annulus_outer_radius <= self.annulus_inner_radius:
            raise UsageError("annulus_outer_radius must be greater than annulus_inner_radius.")
        return Radii(aperture=self.aperture_radius, inner=self.annulus_inner_radius, outer=self.annulus_outer_radius)

    def ensemble_sizes(self) -> tuple[int, int]:
        """Return the least and the most comparison stars. Raises `UsageError` if they contradict each other."""
        if self.min_comparisons > self.max_comparisons:
            raise UsageError(_COUNTS_OF_STARS)
        return self.min_comparisons, self.max_comparisons


class MovingTargetParameters(ApertureParameters):
    """Those of targets that move. The shape of the aperture is in no form: it is chosen well if it is not given."""

    aperture_shape: Annotated[
        ApertureShape,
        Field(
            description=(
                "The aperture of what is trailed during an exposure, the target or the stars: auto (a pill where a "
                "circle would lose light), circle or pill"
            )
        ),
        Hidden(),
    ] = "auto"

    @property
    def shape(self) -> ApertureShape:
        return self.aperture_shape
