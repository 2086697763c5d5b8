"""What every handler needs to know about its request."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Security
from fastapi.security import APIKeyHeader
from starlette.requests import Request

from session_api.accounts.model import User
from session_api.web.failures import AuthenticationError

#: Only declares the header in the OpenAPI document; the middleware reads it.
_token_scheme = APIKeyHeader(
    name="Authorization",
    scheme_name="Token",
    description="`Token <40 hexadecimal digits>`",
    auto_error=False,
)


def _caller(request: Request, _header: Annotated[str | None, Security(_token_scheme)]) -> User:
    user: User | None = request.state.user
    if user is None:
        raise AuthenticationError("Authentication credentials were not provided.")
    return user


def _correlation_id(request: Request) -> str:
    correlation_id: str = request.state.correlation_id
    return correlation_id


#: The user who sent the token.
Caller = Annotated[User, Depends(_caller)]
CorrelationId = Annotated[str, Depends(_correlation_id)]
#: A positive integer that fits the document store; anything else names nothing and is answered with 404.
RowId = Annotated[int, Path(gt=0, lt=2**63)]
