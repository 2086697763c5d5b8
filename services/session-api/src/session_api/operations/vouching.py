"""For whom what was made from closed frames is shown, besides those who may read the frames."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from session_api.operations.restrictions import Restriction, may_see
from session_api.web.failures import AuthenticationError
from session_api.web.user import User


class Owners(Protocol):
    """Knows the users."""

    async def user_named(self, username: str) -> User:
        """Return a user. Raises `AuthenticationError` for one who may not log in any more, `TransientError`."""
        ...


@dataclass(frozen=True, slots=True)
class Vouchers:
    """Users as they stand now, by name: those who put frames to use, and may still log in."""

    users: Mapping[str, User] = field(default_factory=dict)

    def may_see(self, caller: User, restrictions: Iterable[Restriction], *, owner: str, now: datetime) -> bool:
        """Tell whether the caller, who may look at the session, may see what an operation of `owner`'s made."""
        return all(
            each.allows(caller, now=now)
            or any(
                each.allows(self.users[name], now=now)
                for name in (owner, each.shown_by)
                if name is not None and name in self.users
            )
            for each in restrictions
        )


class Vouching:
    """Asks what those may read who put frames to use, where it matters."""

    def __init__(self, *, owners: Owners) -> None:
        self._owners = owners

    async def vouchers(
        self, caller: User, shown: Sequence[tuple[str, Iterable[Restriction]]], *, now: datetime
    ) -> Vouchers:
        """Return whose rights count for the caller; `shown` are owners of operations, with the restrictions on each.

        Nobody is asked about what the caller may see anyhow. Raises `TransientError`.
        """
        names = {
            name
            for owner, restrictions in shown
            if not may_see(caller, restrictions, now=now)
            for name in (owner, *(each.shown_by for each in restrictions))
            if name and name != caller.username
        }
        found = await asyncio.gather(*map(self._user, sorted(names)))
        return Vouchers({user.username: user for user in found if user is not None})

    async def _user(self, username: str) -> User | None:
        try:
            return await self._owners.user_named(username)
        except AuthenticationError:
            return None
