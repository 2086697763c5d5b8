"""Bodies of the routes of sessions."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from session_api.operations.bodies import OperationView
from session_api.sessions.model import MAX_NAME_CHARACTERS
from session_api.web.bodies import JsonObject, _Form

SessionName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME_CHARACTERS)]


class NewSession(_Form):
    """POST and PUT of a session."""

    name: SessionName
    input_data: list[JsonObject] = Field(default_factory=list, description="items to add; known ones are kept")


class SessionChange(_Form):
    """PATCH of a session."""

    name: SessionName = Field(default="", validate_default=False)
    input_data: list[JsonObject] = Field(default_factory=list, description="items to add; known ones are kept")


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
