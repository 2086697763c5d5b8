"""Whether an operation may be started for its owner, who is not there to be asked."""

from __future__ import annotations

from datetime import datetime

from session_api.operations.input_finder import InputFinder
from session_api.operations.model import Operation
from session_api.operations.session_rights import Role, SessionRights
from session_api.operations.vouching import Owners
from session_api.web.failures import AuthenticationError, InputRefusedError
from session_api.web.user import User


class OwnerRights:
    """Looks at what the owner of an operation may do now: that they could when they asked for it is long ago."""

    def __init__(self, *, owners: Owners, finder: InputFinder, sessions: SessionRights) -> None:
        self._owners = owners
        self._finder = finder
        self._sessions = sessions

    async def owner_of(self, operation: Operation, *, now: datetime) -> User:
        """Return the owner, who may start it in its session and read all inputs that are known.

        Raises `InputRefusedError`, with a text for the user, when they may not; `TransientError`.
        """
        try:
            owner = await self._owners.user_named(operation.owner)
        except AuthenticationError as error:
            raise InputRefusedError(error.message) from error
        await self.demand_place(operation)
        await self._finder.demand_readable(owner, operation.request, now=now)
        return owner

    async def demand_place(self, operation: Operation) -> None:
        """Raise `InputRefusedError` if the owner may no longer start operations in the session."""
        roles = await self._sessions.roles(User(operation.owner), [operation.session_id])
        role = roles.get(operation.session_id)
        if role is None or not role.includes(Role.EDITOR):
            raise InputRefusedError(
                f"{operation.owner} may no longer start operations in this session; whoever may can try it again."
            )
