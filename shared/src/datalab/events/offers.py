"""What operations there are, as the runners describe them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from datalab.events.envelope import Event
from datalab.events.operations import Lane


class OperationDescribed(Event):
    """One operation of the catalogue: enough to draw its wizard and to check a request, with no science stack."""

    type: Literal["operation.described.v1"] = "operation.described.v1"
    name: str = Field(min_length=1, max_length=100)
    version: int = Field(gt=0, description="grows whenever the same inputs would give another result")
    lane: Lane
    wizard: dict[str, JsonValue] = Field(description="the wizard description clients draw their forms from")
    parameters_schema: dict[str, JsonValue] = Field(description="JSON schema (2020-12) of the meaningful parameters")

    @property
    def key(self) -> str:
        """The key of this operation in its bucket."""
        return offer_key(self.name)


def offer_key(operation_name: str) -> str:
    """Return the key an operation is offered under: key-value keys know no spaces."""
    return operation_name.replace(" ", "_")
