"""Who may do what in a session. What sessions there are, and with whom they are shared, the capability above knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Protocol

from datalab.errors import NotFoundError
from session_api.web.failures import ForbiddenError, SessionNotFoundError
from session_api.web.user import User


class Role(StrEnum):
    """What somebody is in a session; each may do what those before may.

    A viewer looks at it, an editor adds inputs, starts, stops and deletes operations, and its owner shares it, deletes
    it or gives it away.
    """

    VIEWER = "viewer"
    EDITOR = "editor"
    OWNER = "owner"

    def includes(self, needed: Role) -> bool:
        """Tell whether who is this may do what `needed` may."""
        order = tuple(Role)
        return order.index(self) >= order.index(needed)


class SessionRights(Protocol):
    """Knows whose the sessions are, and with whom they are shared, at this moment. Raises `TransientError`."""

    async def roles(self, caller: User, ids: Iterable[int]) -> Mapping[int, Role]:
        """Return what the caller is in those of the sessions that they may look at."""
        ...

    async def joint(self, caller: User) -> Mapping[int, Role]:
        """Return the sessions where others may have started operations that the caller may look at."""
        ...


async def demand_role(
    rights: SessionRights,
    caller: User,
    session_id: int,
    needed: Role,
    *,
    unknown: type[NotFoundError] = SessionNotFoundError,
) -> Role:
    """Return what the caller is in a session.

    Raises `unknown`, which takes no arguments, if they may not even look at it; `ForbiddenError` if that is all.
    """
    role = (await rights.roles(caller, [session_id])).get(session_id)
    if role is None:
        raise unknown()  # type: ignore[call-arg]
    if not role.includes(needed):
        raise ForbiddenError
    return role
