"""What an operation is made of. An operation's file needs this module and `datalab.astro`, nothing else.

Write a class with a name, a description, parameters and `compute`; the field metadata of `Parameters` becomes the
wizard users see and the schema requests are checked against:

    class Median(Operation):
        name = "Median"
        description = "..."
        version = 1
        lane = Lane.SLOW

        class Parameters(OperationParameters):
            input_files: Annotated[list[FitsFile], Field(title="Input Files", min_length=2, max_length=999)]

        def compute(self, inputs, parameters, progress):
            ...
            yield ImageProduct(pixels=..., header=..., comment="...")
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import JsonValue

from datalab.events.operations import Lane
from operation_runner.sdk.inputs import Inputs, Progress
from operation_runner.sdk.parameters import Hidden, OperationParameters, wizard_input
from operation_runner.sdk.products import Product


class Operation(ABC):
    """A named computation: files and numbers in, products out. Knows no user, no session, no storage."""

    #: The name users see and requests carry.
    name: ClassVar[str]
    #: What it does, for users.
    description: ClassVar[str]
    #: To be raised whenever the same inputs would give another result: it is part of the result's identity.
    version: ClassVar[int]
    #: FAST for seconds, SLOW for anything that may take longer.
    lane: ClassVar[Lane]
    Parameters: ClassVar[type[OperationParameters]]

    @abstractmethod
    def compute(self, inputs: Inputs, parameters: Any, progress: Progress) -> Iterator[Product]:
        """Yield the products. Raises `UsageError` with a text for the user when the data cannot work."""

    @classmethod
    def wizard(cls) -> dict[str, JsonValue]:
        """Return the wizard description clients draw their form from, generated from `Parameters`."""
        return {
            "name": cls.name,
            "description": cls.description,
            "category": "image",
            "inputs": {
                name: wizard_input(name, info)
                for name, info in cls.Parameters.model_fields.items()
                if Hidden() not in info.metadata
            },
        }
