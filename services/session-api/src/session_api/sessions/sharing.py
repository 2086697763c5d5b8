"""Sharing sessions: with users, with groups, by a link; and giving them away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from datalab.events.envelope import Event, utc_now
from datalab.events.feed import SessionAccessChanged
from datalab.platform.documents.collection import until_won
from datalab.platform.logging import get_logger
from session_api import SERVICE
from session_api.accounts.repository import AccountRepository
from session_api.groups.repository import GroupRepository
from session_api.operations.session_rights import Role
from session_api.sessions.access import link_hash, new_link
from session_api.sessions.model import MAX_SHARES, Session, SessionLink, Share
from session_api.sessions.repository import SessionRepository
from session_api.sessions.service import SessionService
from session_api.web.failures import ConflictError, GroupNotFoundError, UserNotFoundError
from session_api.web.user import User

_log = get_logger(__name__)

#: Only its owner shares a session, and editors add inputs meanwhile: each lost race means that one of them was faster.
_MOST_RACES = 100

GivenRole = Literal[Role.VIEWER, Role.EDITOR]


@dataclass(frozen=True, slots=True)
class Sharing:
    """With whom a session is shared; `groups` are the names of the groups that there are."""

    session: Session
    groups: dict[int, str]


class SharingService:
    """Only the owner of a session shares it; what changes holds from then on, also for those who look at it now.

    A session that the caller may not look at does not exist: `SessionNotFoundError`. Who may do no more than look at it
    is told so: `ForbiddenError`. Each change is one write of the session, with its event.
    """

    def __init__(
        self,
        *,
        sessions: SessionService,
        repository: SessionRepository,
        groups: GroupRepository,
        users: AccountRepository,
    ) -> None:
        self._sessions = sessions
        self._repository = repository
        self._groups = groups
        self._users = users

    async def read(self, caller: User, session_id: int) -> Sharing:
        """Return with whom a session of the caller's is shared."""
        session, _ = await self._sessions.shared(caller, session_id, Role.OWNER)
        return await self._named(session)

    async def share_with_user(
        self, caller: User, session_id: int, username: str, role: GivenRole, *, correlation_id: str
    ) -> Sharing:
        """Share a session with a user, or change what they are in it. Raises `UserNotFoundError`."""
        await self._sessions.shared(caller, session_id, Role.OWNER)
        if await self._users.find_any(username) is None:
            raise UserNotFoundError
        if username == caller.username:
            raise ConflictError("The session is yours: there is nobody to share it with.")
        share = Share(user=username, role=role, since=utc_now())
        return await self._named(await self._share(caller, session_id, share, correlation_id))

    async def share_with_group(
        self, caller: User, session_id: int, group_id: int, role: GivenRole, *, correlation_id: str
    ) -> Sharing:
        """Share a session with a group the caller is in. Raises `GroupNotFoundError`."""
        await self._sessions.shared(caller, session_id, Role.OWNER)
        if await self._groups.find(caller.username, group_id) is None:
            raise GroupNotFoundError
        share = Share(group=group_id, role=role, since=utc_now())
        return await self._named(await self._share(caller, session_id, share, correlation_id))

    async def withdraw_from_user(self, caller: User, session_id: int, username: str, *, correlation_id: str) -> None:
        """Share a session with a user no longer; users may withdraw themselves. Raises `UserNotFoundError`."""
        needed = Role.VIEWER if username == caller.username else Role.OWNER
        await self._withdraw(caller, session_id, (username, None), needed, correlation_id)

    async def withdraw_from_group(self, caller: User, session_id: int, group_id: int, *, correlation_id: str) -> None:
        """Share a session with a group no longer. Raises `GroupNotFoundError` if it was not."""
        await self._withdraw(caller, session_id, (None, group_id), Role.OWNER, correlation_id)

    async def make_link(self, caller: User, session_id: int, *, correlation_id: str) -> tuple[str, Session]:
        """Return a new link to a session, which is shown this once: whoever has it may look at the session.

        A link there was opens nothing any more.
        """
        link = new_link()

        def change(session: Session) -> Session:
            return session.model_copy(update={"link": SessionLink(hash=link_hash(link), since=utc_now())})

        return link, await self._change(caller, session_id, change, correlation_id)

    async def revoke_link(self, caller: User, session_id: int, *, correlation_id: str) -> None:
        """Have the link to a session open nothing any more. Asked again, it is the same request."""
        await self._change(
            caller, session_id, lambda session: session.model_copy(update={"link": None}), correlation_id
        )

    async def give(self, caller: User, session_id: int, username: str, *, correlation_id: str) -> None:
        """Make another user the owner of a session; the caller stays an editor, and the link opens nothing any more.

        Operations stay those of whoever started them. Raises `UserNotFoundError`.
        """
        await self._sessions.shared(caller, session_id, Role.OWNER)
        if await self._users.find_any(username) is None:
            raise UserNotFoundError

        def change(session: Session) -> Session:
            if username == session.owner:
                return session
            others = [each for each in session.shares if each.who not in {(username, None), (caller.username, None)}]
            former = Share(user=caller.username, role=Role.EDITOR, since=utc_now())
            return session.model_copy(
                update={"owner": username, "shares": (former, *others), "link": None, "joint": True}
            )

        await self._change(caller, session_id, change, correlation_id)
        _log.info("session.given", session_id=session_id, by=caller.username, to=username)

    async def _share(self, caller: User, session_id: int, share: Share, correlation_id: str) -> Session:
        def change(session: Session) -> Session:
            present = next((each for each in session.shares if each.who == share.who), None)
            if present is not None and present.role is share.role:
                return session
            if present is None and len(session.shares) >= MAX_SHARES:
                raise ConflictError(
                    f"The session is shared with {MAX_SHARES} users and groups, which is as many as there may be; "
                    "a group has room for more."
                )
            shares = [share if each is present else each for each in session.shares]
            return session.model_copy(
                update={
                    "shares": tuple(shares if present else [*shares, share]),
                    "joint": session.joint or share.role is Role.EDITOR,
                }
            )

        return await self._change(caller, session_id, change, correlation_id)

    async def _withdraw(
        self, caller: User, session_id: int, who: tuple[str | None, int | None], needed: Role, correlation_id: str
    ) -> None:
        def change(session: Session) -> Session:
            kept = tuple(each for each in session.shares if each.who != who)
            if len(kept) == len(session.shares):
                raise UserNotFoundError if who[0] is not None else GroupNotFoundError
            return session.model_copy(update={"shares": kept})

        await self._change(caller, session_id, change, correlation_id, needed=needed)

    async def _change(
        self,
        caller: User,
        session_id: int,
        change: Callable[[Session], Session],
        correlation_id: str,
        *,
        needed: Role = Role.OWNER,
    ) -> Session:
        """Change a session as its owner wants, unless it is so already; return it as it is then."""

        async def turn() -> Session:
            session, _ = await self._sessions.shared(caller, session_id, needed)
            changed = change(session)
            if changed is not session and _sharing(changed) != _sharing(session):
                await self._repository.replace(session, changed, [_access_changed(changed, correlation_id)])
                _log.info("session.sharing_changed", session_id=session_id, by=caller.username)
            return changed

        return await until_won(turn, races=_MOST_RACES, of="the session")

    async def _named(self, session: Session) -> Sharing:
        ids = {each.group for each in session.shares if each.group is not None}
        return Sharing(session, await self._groups.find_any_names(ids) if ids else {})


def _sharing(session: Session) -> tuple[Any, ...]:
    return session.owner, session.shares, session.link


def _access_changed(session: Session, correlation_id: str) -> Event:
    return SessionAccessChanged(
        session_id=session.id, owner=session.owner, correlation_id=correlation_id, producer=SERVICE
    )
