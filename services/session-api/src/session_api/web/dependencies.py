"""What handlers declare that they need. All are coroutines: FastAPI sends others to a thread for every request."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Security
from fastapi.security import APIKeyHeader
from starlette.requests import HTTPConnection, Request

from session_api.web.failures import AuthenticationError
from session_api.web.user import NOBODY, User

#: Only declares the header in the OpenAPI document; the middleware reads it.
_token_scheme = APIKeyHeader(
    name="Authorization",
    scheme_name="Token",
    description="`Token <40 hexadecimal digits>`, or `Bearer <JSON Web Token>` of the issuer that is set",
    auto_error=False,
)


def provided(kind: type) -> Any:
    """Return the marker of a parameter that is the application's one object of this class."""

    async def find(connection: HTTPConnection) -> object:
        return connection.app.state.services[kind]

    return Depends(find)


async def caller_of(request: Request, _header: Annotated[str | None, Security(_token_scheme)]) -> User:
    user: User | None = request.state.user
    if user is None:
        raise AuthenticationError("Authentication credentials were not provided.")
    return user


async def _anybody(request: Request, _header: Annotated[str | None, Security(_token_scheme)]) -> User:
    user: User | None = request.state.user
    return user or NOBODY


async def _correlation_id(request: Request) -> str:
    correlation_id: str = request.state.correlation_id
    return correlation_id


async def _address(request: Request) -> str:
    return request.client.host if request.client else ""


#: Where the request came from, empty if that is not known.
Address = Annotated[str, Depends(_address)]
#: The user who sent the token.
Caller = Annotated[User, Depends(caller_of)]
#: The user who sent the token; `NOBODY` where none was sent.
Anybody = Annotated[User, Depends(_anybody)]
CorrelationId = Annotated[str, Depends(_correlation_id)]
#: A positive integer that fits the document store; anything else names nothing and is answered with 404.
RowId = Annotated[int, Path(gt=0, lt=2**63)]
