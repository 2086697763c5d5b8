"""Who may do what in a session, as it is shared at this moment: nothing is remembered from one question to the next."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from typing import Final

from session_api.groups.repository import GroupRepository
from session_api.operations.session_rights import Role
from session_api.sessions.model import Session, SessionStanding, role_in
from session_api.sessions.repository import SessionRepository
from session_api.web.failures import AuthenticationError
from session_api.web.user import User

#: Random bytes of a link: 43 characters, which nobody guesses.
_LINK_BYTES: Final = 32
_LONGEST_LINK: Final = 200


class SessionAccess:
    """Implements `SessionRights`. Every method raises `TransientError`."""

    def __init__(self, *, sessions: SessionRepository, groups: GroupRepository) -> None:
        self._sessions = sessions
        self._groups = groups

    async def roles(self, caller: User, ids: Iterable[int], *, also_deleted: bool = False) -> Mapping[int, Role]:
        """Return what the caller is in those of the sessions that they may look at."""
        standings = await self._sessions.find_any_standings(ids, also_deleted=also_deleted)
        groups = await self._groups_of(caller, [each for each in standings.values() if each.owner != caller.username])
        roles = {number: role_in(standing, caller, groups) for number, standing in standings.items()}
        return {number: role for number, role in roles.items() if role is not None}

    async def role(self, caller: User, session: Session) -> Role | None:
        """Return what the caller is in a session that was just read, None if they may not look at it."""
        standing = SessionStanding(owner=session.owner, shares=session.shares, link=session.link)
        return role_in(standing, caller, await self._groups_of(caller, [standing]))

    async def joint(self, caller: User) -> Mapping[int, Role]:
        """Return the sessions where others may have started operations that the caller may look at."""
        if not caller.username and caller.link_hash is None:
            return {}
        groups = await self.groups_of(caller)
        standings = await self._sessions.find_any_joint(
            username=caller.username, groups=groups, link_hash=caller.link_hash
        )
        roles = {number: role_in(standing, caller, groups) for number, standing in standings.items()}
        return {number: role for number, role in roles.items() if role is not None}

    async def groups_of(self, caller: User) -> frozenset[int]:
        """Return the groups the caller is in."""
        return await self._groups.ids_of(caller.username) if caller.username else frozenset()

    async def open_link(self, link: str) -> str:
        """Return the hash of a link that opens a session now. Raises `AuthenticationError`."""
        digest = link_hash(link)
        if len(link) > _LONGEST_LINK or not await self._sessions.any_opened_by(digest):
            raise AuthenticationError("Invalid link.")
        return digest

    async def _groups_of(self, caller: User, standings: Iterable[SessionStanding]) -> frozenset[int]:
        shared = frozenset().union(*(each.groups for each in standings)) if caller.username else frozenset()
        return await self._groups.ids_of(caller.username, among=shared) if shared else frozenset()


def new_link() -> str:
    """Return a link to a session: whoever has it may look at the session."""
    return secrets.token_urlsafe(_LINK_BYTES)


def link_hash(link: str) -> str:
    """Return the SHA-256 a link is stored under, in hexadecimal. Links are random: they need no salt."""
    return hashlib.sha256(link.encode(errors="surrogateescape")).hexdigest()
