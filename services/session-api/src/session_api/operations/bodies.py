"""Bodies of the routes of operations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, JsonValue, StrictInt

from session_api.web.bodies import JsonObject, _Form


class NewOperation(_Form):
    """POST of an operation."""

    name: str = Field(description="a key of `available_operations`")
    input_data: JsonObject = Field(description="values of the operation's inputs, by key")


class OperationIds(_Form):
    """Which operations to delete."""

    ids: Annotated[list[StrictInt], Field(max_length=10_000)]


class OutputFileView(BaseModel):
    """A product of an operation; links are signed anew whenever it is read."""

    basename: str
    source: Literal["datalab"]
    type: Literal["fits", "image"]
    large_url: str | None = None
    small_url: str | None = None
    fits_url: str | None = None
    tif_url: str | None = None
    filter: str | None = None
    observation_date: str | None = None
    target_name: str | None = None


class OutputView(BaseModel):
    """What a completed operation made."""

    output_files: list[OutputFileView]
    output_data: list[JsonValue] | None = None


class OperationView(BaseModel):
    """An operation."""

    id: int
    name: str
    status: Literal["PENDING", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED"]
    message: str
    operation_progress: float = Field(ge=0, le=1)
    output: OutputView | None
    input_data: JsonObject
    created: str
