"""The operations there are, as their runners describe them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from datalab.events.offers import OperationDescribed
from datalab.events.operations import Lane
from session_api.offers.number_texts import with_numbers

#: The operations clients have always shown first, in that order: they preselect the first.
_FIRST_SHOWN = (
    "Aperture Photometry",
    "Moving Target Aperture Photometry",
    "Non-Sidereal Aperture Photometry",
    "Color Image",
    "HR Diagram",
    "Light Curve",
    "Median",
    "Normalization",
    "Stacking",
    "Subtraction",
    "Variable Star",
)


class WizardInput(BaseModel):
    """The part of an input's wizard description that a request is checked against."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(description="what users are told it is called")
    type: str
    minimum: float | None = None
    maximum: float | None = None
    single_filter: bool = False
    filter_options: tuple[str, ...] = ()

    @property
    def holds_files(self) -> bool:
        return self.type == "fits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One operation; `inputs` in the order of the wizard."""

    name: str
    lane: Lane
    wizard: dict[str, JsonValue]
    parameters_schema: dict[str, Any]
    inputs: dict[str, WizardInput]

    @classmethod
    def from_description(cls, described: OperationDescribed) -> Self:
        """Read a description. Raises `pydantic.ValidationError` if its wizard cannot be understood."""
        inputs = _WizardInputs.model_validate(described.wizard).inputs
        titles = described.parameters_schema.get("properties")
        for key, title in _titles(titles).items():
            if key in inputs:  # the name in the wizard may also hold a hint
                inputs[key] = inputs[key].model_copy(update={"name": title})
        return cls(
            name=described.name,
            lane=described.lane,
            wizard=described.wizard,
            parameters_schema=described.parameters_schema,
            inputs=inputs,
        )

    @property
    def order_shown(self) -> tuple[int, str]:
        """Where clients show the operation: those they know first, the others by name."""
        return _FIRST_SHOWN.index(self.name) if self.name in _FIRST_SHOWN else len(_FIRST_SHOWN), self.name

    def knows(self, key: str) -> bool:
        """Tell whether the operation takes an input of this name, shown in the wizard or not."""
        return key in self.inputs or key in self.parameters_schema.get("properties", {})

    def item_keys(self, key: str) -> frozenset[str]:
        """Return what may be said about one file of an input: the properties its schema declares for an item."""
        schema = self._property(key)
        lists = [schema, *schema.get("anyOf", ())]  # an optional list is a list or null
        return frozenset(name for each in lists for name in self._resolved(each.get("items", {})).get("properties", {}))

    def with_numbers(self, key: str, value: JsonValue) -> JsonValue:
        """Return what a client sent with numbers for texts, where the input wants numbers; None for a blank text."""
        return with_numbers(value, self._property(key), self.parameters_schema)

    def refusals(self, key: str) -> dict[str, str]:
        """Return what users are told when an input breaks its schema, by keyword of JSON schema; "*" is any other.

        "noFile" is an entry of a list of files that names none, with its `{number}`.
        """
        texts: dict[str, str] = self._property(key).get("x-refusals", {})
        return texts

    def _property(self, key: str) -> dict[str, Any]:
        schema: dict[str, Any] = self.parameters_schema.get("properties", {}).get(key, {})
        return schema

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Follow a reference of the form `#/$defs/Name`, the only form pydantic writes."""
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        resolved: dict[str, Any] = self.parameters_schema.get("$defs", {}).get(reference.rpartition("/")[2], {})
        return resolved


def _titles(properties: JsonValue) -> dict[str, str]:
    """Return what a schema calls its properties."""
    given = properties.items() if isinstance(properties, dict) else ()
    titles = {key: schema.get("title") for key, schema in given if isinstance(schema, dict)}
    return {key: title for key, title in titles.items() if isinstance(title, str)}


class _WizardInputs(BaseModel):
    inputs: dict[str, WizardInput]
