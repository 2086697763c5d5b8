"""Bodies that several routes share."""

from __future__ import annotations

import math
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue
from typing_extensions import TypedDict  # pydantic reads typing's own from Python 3.12 on only

ItemT = TypeVar("ItemT")
JsonObject = dict[str, JsonValue]


class Form(BaseModel):
    """What clients send. They send back what they have read, with the read-only keys."""

    model_config = ConfigDict(extra="ignore", strict=True)


class Detail(BaseModel):
    """An error."""

    detail: str


class Unauthorized(BaseModel):
    """Who calls is not known, in the words of the gateway clients of Photon Ranch know."""

    message: str


class InputError(BaseModel):
    """Field errors, each key a field with its texts. `error` is meant for the user, about the `input` of this key."""

    model_config = ConfigDict(extra="allow")

    error: str | None = None
    input: str | None = None


class Fault(BaseModel):
    """A bug of ours. `error` is meant for the user."""

    detail: str
    error: str


#: How the errors of a route are described.
ErrorResponses = dict[int | str, dict[str, Any]]
#: What any route can answer: callers are known, or not, before it is reached.
ANY_ROUTE: ErrorResponses = {
    401: {"model": Detail},
    # With this FastAPI does not document its own 422, which is never sent.
    "4XX": {"model": Detail, "description": "Any other error of the request"},
    500: {"model": Fault},
    503: {"model": Detail},
}
BAD_FIELDS: ErrorResponses = {400: {"model": InputError}}
FORBIDDEN: ErrorResponses = {403: {"model": Detail}}
NOT_FOUND: ErrorResponses = {404: {"model": Detail}}
TOO_MANY: ErrorResponses = {429: {"model": Detail}}
CONFLICT: ErrorResponses = {409: {"model": Detail}}


#: What of an answer is a file.
BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
FITS_OR_JPEG: ErrorResponses = {200: {"content": {"image/fits": BINARY, "image/jpeg": BINARY}}}


def number_in(value: JsonValue) -> float | None:
    """Return a number, also one in a text, as clients write them; None for what is none, and for infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


class Confirmation(TypedDict):
    """It is done, in words."""

    message: str


class Deleted(TypedDict):
    """How many were deleted."""

    deleted: int


class Page(BaseModel, Generic[ItemT]):
    """A part of a list."""

    count: int
    next: str | None
    previous: str | None
    results: list[ItemT]
