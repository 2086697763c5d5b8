"""Making, reading, changing and deleting data sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from datalab.documents.frame import FrameDocument
from datalab.errors import TransientError
from datalab.events.envelope import utc_now
from datalab.events.feed import SessionChanged, SessionDeleted
from datalab.platform.documents.collection import until_won
from datalab.platform.logging import get_logger
from session_api import SERVICE
from session_api.archive.repository import FrameReader
from session_api.operations.deletion import OperationDeletion
from session_api.operations.model import Operation
from session_api.operations.repository import OperationRepository
from session_api.operations.seen import SeenOperations
from session_api.operations.session_rights import Role
from session_api.sessions.access import SessionAccess
from session_api.sessions.model import (
    InputItem,
    Session,
    SessionFilter,
    added_by_others,
    frame_in,
    merged_input_data,
    role_in,
    seen_by_others,
)
from session_api.sessions.repository import SessionRepository
from session_api.web.failures import ForbiddenError, SessionNotFoundError
from session_api.web.user import User
from session_api.web.window import Window

_log = get_logger(__name__)

#: Each lost race means that another writer won one, so this many writers can change one session at once.
_MOST_RACES = 100


@dataclass(frozen=True, slots=True)
class SessionWithOperations:
    """A session with the latest of its operations, by id, how many it has in all, and what the caller is in it."""

    session: Session
    operations: list[Operation]
    operations_count: int
    role: Role


class SessionService:
    """A session that the caller may not look at does not exist: `SessionNotFoundError`.

    Who may look at one, and not do what was asked, is told so: `ForbiddenError`.
    """

    def __init__(
        self,
        *,
        sessions: SessionRepository,
        operations: OperationRepository,
        deletion: OperationDeletion,
        seen: SeenOperations,
        frames: FrameReader,
        access: SessionAccess,
    ) -> None:
        self._sessions = sessions
        self._seen = seen
        self._access = access
        self._frames = frames
        self._operations = operations
        self._deletion = deletion

    async def page(
        self, caller: User, chosen: SessionFilter, window: Window
    ) -> tuple[int, list[SessionWithOperations]]:
        """Return how many sessions of the caller's or shared with them match, and the window with their operations.

        The data of results do not come with lists.
        """
        groups = frozenset() if chosen.belonging == "own" else await self._access.groups_of(caller)
        count, sessions = await self._sessions.page(caller.username, groups, chosen, window)
        roles = [(session, role_in(session, caller, groups)) for session in sessions]
        known = [(session, role) for session, role in roles if role is not None]
        return count, await self._with_operations(caller, known, with_data=False)

    async def create(
        self, caller: User, *, name: str, input_data: Sequence[InputItem], correlation_id: str
    ) -> SessionWithOperations:
        """Make a session."""
        now = utc_now()
        session = Session(
            id=await self._sessions.next_id(),
            owner=caller.username,
            name=name,
            input_data=merged_input_data([], input_data),
            created=now,
            accessed=now,
            modified=now,
            revision=1,
        )
        await self._sessions.insert(session, [_changed(session, correlation_id)])
        return SessionWithOperations(session, [], 0, Role.OWNER)

    async def open(self, caller: User, session_id: int) -> SessionWithOperations:
        """Return a session; that its owner looked at it is noted."""
        session = await self._sessions.open(caller.username, session_id, now=utc_now()) if caller.username else None
        if session is None:
            session, role = await self.shared(caller, session_id, Role.VIEWER)
        else:
            role = Role.OWNER
        return (await self._with_operations(caller, [(session, role)], with_data=True))[0]

    async def frames(self, caller: User, session_id: int) -> list[FrameDocument]:
        """Return what the archive knows of a session's frames, in their order; those the caller may not read left out.

        What clients said of them when they put them in may be old, or nothing.
        """
        session, _ = await self.shared(caller, session_id, Role.VIEWER)
        names = [name for item in session.input_data if (name := frame_in(item)) is not None]
        found = await self._frames.find_any_by_basename(names)
        now = utc_now()
        known = [found[name] for name in dict.fromkeys(names) if name in found]
        return [frame for frame in known if caller.may_read_frame(frame, now=now)]

    async def shared(self, caller: User, session_id: int, needed: Role) -> tuple[Session, Role]:
        """Return a session as it is stored, and what the caller is in it, which must be at least as much as needed."""
        session = await self._sessions.find_any(session_id)
        role = None if session is None else await self._access.role(caller, session)
        if session is None or role is None:
            raise SessionNotFoundError
        if not role.includes(needed):
            raise ForbiddenError
        return session, role

    async def change(
        self,
        caller: User,
        session_id: int,
        *,
        name: str | None,
        input_data: Sequence[InputItem],
        correlation_id: str,
    ) -> SessionWithOperations:
        """Rename a session and add input data to it. Writers at the same time lose nothing.

        Who is removed from the session while they write has written before, or is told so: the write holds only if
        nothing has changed since it was looked at who may.
        """

        async def turn() -> tuple[Session, Role]:
            session, role = await self.shared(caller, session_id, Role.EDITOR)
            added = input_data if role is Role.OWNER else added_by_others(session.input_data, input_data)
            now = utc_now()
            changed = session.model_copy(
                update={
                    "name": session.name if name is None else name,
                    "input_data": merged_input_data(session.input_data, added) if added else session.input_data,
                    "accessed": now,
                    "modified": now,
                    "revision": session.revision + 1,
                }
            )
            await self._sessions.replace(session, changed, [_changed(changed, correlation_id)])
            return changed, role

        changed = await until_won(turn, races=_MOST_RACES, of="the session")
        return (await self._with_operations(caller, [changed], with_data=True))[0]

    async def unknown_frames(self, caller: User, input_data: Sequence[InputItem]) -> list[str]:
        """Return the names among the items under which the archive has no frame the caller may read, in order."""
        names = [item.get("basename") for item in input_data if item.get("source") in (None, "", "archive")]
        wanted = [name for name in names if isinstance(name, str)]
        found = await self._frames.find_any_by_basename(wanted)
        now = utc_now()
        readable = {name for name, frame in found.items() if caller.may_read_frame(frame, now=now)}
        return [name for name in dict.fromkeys(wanted) if name not in readable]

    async def _with_operations(
        self, caller: User, sessions: Sequence[tuple[Session, Role]], *, with_data: bool
    ) -> list[SessionWithOperations]:
        ids = [session.id for session, _ in sessions]
        counts, latest = await self._operations.of_sessions(ids, with_data=with_data)
        by_session: dict[int, list[Operation]] = {session_id: [] for session_id in ids}
        for operation in await self._seen.seen(caller, latest, now=utc_now()):
            by_session[operation.session_id].append(operation)
        shown = await self._as_seen(caller, sessions)
        return [
            SessionWithOperations(session, by_session[session.id], counts[session.id], role) for session, role in shown
        ]

    async def _as_seen(self, caller: User, sessions: Sequence[tuple[Session, Role]]) -> list[tuple[Session, Role]]:
        """Return sessions as the caller may see them: those of others without the frames they may not read."""
        others = [session for session, role in sessions if role is not Role.OWNER]
        named = {name for session in others for item in session.input_data if (name := frame_in(item)) is not None}
        readable = await self._frames.readable(caller.readable_proposals, named)
        return [
            (
                session
                if role is Role.OWNER
                else session.model_copy(update={"input_data": seen_by_others(session.input_data, readable)}),
                role,
            )
            for session, role in sessions
        ]

    async def delete(self, caller: User, session_id: int, *, correlation_id: str) -> None:
        """Delete a session and its operations; those that run are stopped."""
        await self.shared(caller, session_id, Role.OWNER)
        event = SessionDeleted(
            session_id=session_id, owner=caller.username, correlation_id=correlation_id, producer=SERVICE
        )
        if not await self._sessions.mark_deleted(caller.username, session_id, now=utc_now(), events=[event]):
            raise SessionNotFoundError
        try:
            await self._deletion.delete(session_id, announce=False)
        except TransientError as error:
            # The session is gone all the same, and so are its operations for every client: `finish_deletions` goes on.
            _log.warning("session.operations_left", session_id=session_id, reason=error.message)


def _changed(session: Session, correlation_id: str) -> SessionChanged:
    return SessionChanged(
        session_id=session.id,
        owner=session.owner,
        name=session.name,
        correlation_id=correlation_id,
        producer=SERVICE,
    )
