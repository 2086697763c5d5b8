"""Bodies of the routes of users."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StrictBool, StringConstraints

from session_api.web.bodies import _Form

Username = Annotated[str, StringConstraints(pattern=r"^[\w.@+-]{1,150}$", max_length=150)]


Proposals = Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=200)]], Field(max_length=10_000)]


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
