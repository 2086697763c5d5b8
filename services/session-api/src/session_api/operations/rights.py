"""Whether an operation may be started for its owner, who is not there to be asked."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from session_api.operations.input_finder import InputFinder
from session_api.operations.model import Operation
from session_api.web.failures import AuthenticationError, InputRefusedError
from session_api.web.user import User


class Owners(Protocol):
    """Knows the users."""

    async def user_named(self, username: str) -> User:
        """Return a user. Raises `AuthenticationError` for one who may not log in any more, `TransientError`."""
        ...


class OwnerRights:
    """Looks at what the owner of an operation may read now: that they could when they asked for it is long ago."""

    def __init__(self, *, owners: Owners, finder: InputFinder) -> None:
        self._owners = owners
        self._finder = finder

    async def owner_of(self, operation: Operation, *, now: datetime) -> User:
        """Return the owner, who may read all inputs that are known.

        Raises `InputRefusedError`, with a text for the user, when they may not; `TransientError`.
        """
        try:
            owner = await self._owners.user_named(operation.owner)
        except AuthenticationError as error:
            raise InputRefusedError(error.message) from error
        await self._finder.demand_readable(owner, operation.request, now=now)
        return owner
