"""Bodies of requests and answers. What comes in is checked by these; what goes out is only described by them."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool, StrictInt, StringConstraints

from session_api.domain.sessions import MAX_NAME_CHARACTERS

ItemT = TypeVar("ItemT")

JsonObject = dict[str, JsonValue]
SessionName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME_CHARACTERS)]
Username = Annotated[str, StringConstraints(pattern=r"^[\w.@+-]{1,150}$", max_length=150)]
Proposals = Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=200)]], Field(max_length=10_000)]


class _Form(BaseModel):
    # Clients send back what they have read, with the read-only keys.
    model_config = ConfigDict(extra="ignore", strict=True)


class NewSession(_Form):
    """POST and PUT of a session."""

    name: SessionName
    input_data: list[JsonObject] = Field(default_factory=list, description="items to add; known ones are kept")


class SessionChange(_Form):
    """PATCH of a session."""

    name: SessionName = Field(default="", validate_default=False)
    input_data: list[JsonObject] = Field(default_factory=list, description="items to add; known ones are kept")


class NewOperation(_Form):
    """POST of an operation."""

    name: str = Field(description="a key of `available_operations`")
    input_data: JsonObject = Field(description="values of the operation's inputs, by key")


class OperationIds(_Form):
    """Which operations to delete."""

    ids: Annotated[list[StrictInt], Field(max_length=10_000)]


class NewUser(_Form):
    """POST of a user."""

    username: Username
    proposals: Proposals = Field(default_factory=list, description="proposals whose frames the user may see")
    superuser: StrictBool = False


class UserChange(_Form):
    """PATCH of a user; what is left out stays."""

    active: StrictBool | None = None
    superuser: StrictBool | None = None
    proposals: Proposals | None = None


class Detail(BaseModel):
    """An error."""

    detail: str


class InputError(BaseModel):
    """Field errors, each key a field with its texts. `error` is meant for the user."""

    model_config = ConfigDict(extra="allow")

    error: str | None = None


#: How the errors of a route are described.
ErrorResponses = dict[int | str, dict[str, Any]]
BAD_FIELDS: ErrorResponses = {400: {"model": InputError}}
UNAUTHENTICATED: ErrorResponses = {
    401: {"model": Detail},
    # With this FastAPI does not document its own 422, which is never sent.
    "4XX": {"model": Detail, "description": "Any other error of the request"},
}
FORBIDDEN: ErrorResponses = {403: {"model": Detail}}
NOT_FOUND: ErrorResponses = {404: {"model": Detail}}
CONFLICT: ErrorResponses = {409: {"model": Detail}}
UNAVAILABLE: ErrorResponses = {503: {"model": Detail}}


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


class SessionView(BaseModel):
    """A session with its operations."""

    id: int
    operations: list[OperationView]
    user: str
    name: str
    input_data: list[JsonObject]
    created: str
    accessed: str
    modified: str


class UserView(BaseModel):
    """A user."""

    username: str
    active: bool
    superuser: bool
    proposals: list[str]
    created: str


class TokenView(BaseModel):
    """A new token, shown this once."""

    username: str
    token: str


class AnalysisActionView(BaseModel):
    """An action, and the JSON schema of its parameters besides `basename` and `source`."""

    description: str
    parameters_schema: JsonObject


class AnalysisFailure(BaseModel):
    """Why there is no answer, for the user."""

    error: str


class Deleted(BaseModel):
    """How many were deleted."""

    deleted: int


class Page(BaseModel, Generic[ItemT]):
    """A part of a list."""

    count: int
    next: str | None
    previous: str | None
    results: list[ItemT]
