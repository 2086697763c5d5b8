"""Making, reading, changing and deleting data sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
from session_api.sessions.model import InputItem, Session, SessionFilter, merged_input_data
from session_api.sessions.repository import SessionRepository
from session_api.web.failures import SessionNotFoundError
from session_api.web.user import User
from session_api.web.window import Window

_log = get_logger(__name__)

#: Each lost race means that another writer won one, so this many writers can change one session at once.
_MOST_RACES = 100


@dataclass(frozen=True, slots=True)
class SessionWithOperations:
    """A session with the latest of its operations, by id, and how many it has in all."""

    session: Session
    operations: list[Operation]
    operations_count: int


class SessionService:
    """A session that is not the caller's does not exist: `SessionNotFoundError`."""

    def __init__(
        self,
        *,
        sessions: SessionRepository,
        operations: OperationRepository,
        deletion: OperationDeletion,
        frames: FrameReader,
    ) -> None:
        self._sessions = sessions
        self._frames = frames
        self._operations = operations
        self._deletion = deletion

    async def page(
        self, caller: User, chosen: SessionFilter, window: Window
    ) -> tuple[int, list[SessionWithOperations]]:
        """Return how many of the caller's sessions match, and the window of them with their operations.

        The data of results do not come with lists.
        """
        count, sessions = await self._sessions.page(caller.username, chosen, window)
        return count, await self._with_operations(caller, sessions, with_data=False)

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
        return SessionWithOperations(session, [], 0)

    async def open(self, caller: User, session_id: int) -> SessionWithOperations:
        """Return a session and note that it was looked at."""
        session = await self._sessions.open(caller.username, session_id, now=utc_now())
        if session is None:
            raise SessionNotFoundError
        return (await self._with_operations(caller, [session], with_data=True))[0]

    async def change(
        self,
        caller: User,
        session_id: int,
        *,
        name: str | None,
        input_data: Sequence[InputItem],
        correlation_id: str,
    ) -> SessionWithOperations:
        """Rename a session and add input data to it. Writers at the same time lose nothing."""

        async def turn() -> Session:
            session = await self._sessions.find(caller.username, session_id)
            if session is None:
                raise SessionNotFoundError
            now = utc_now()
            changed = session.model_copy(
                update={
                    "name": session.name if name is None else name,
                    "input_data": merged_input_data(session.input_data, input_data)
                    if input_data
                    else session.input_data,
                    "accessed": now,
                    "modified": now,
                    "revision": session.revision + 1,
                }
            )
            await self._sessions.replace(changed, revision=session.revision, events=[_changed(changed, correlation_id)])
            return changed

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
        self, caller: User, sessions: Sequence[Session], *, with_data: bool
    ) -> list[SessionWithOperations]:
        now = utc_now()
        ids = [session.id for session in sessions]
        counts, latest = await self._operations.of_sessions(caller.username, ids, with_data=with_data)
        by_session: dict[int, list[Operation]] = {session_id: [] for session_id in ids}
        for operation in latest:
            by_session[operation.session_id].append(operation.seen_by(caller, now=now))
        return [SessionWithOperations(session, by_session[session.id], counts[session.id]) for session in sessions]

    async def delete(self, caller: User, session_id: int, *, correlation_id: str) -> None:
        """Delete a session and its operations; those that run are stopped."""
        event = SessionDeleted(
            session_id=session_id, owner=caller.username, correlation_id=correlation_id, producer=SERVICE
        )
        if not await self._sessions.mark_deleted(caller.username, session_id, now=utc_now(), events=[event]):
            raise SessionNotFoundError
        try:
            await self._deletion.delete(caller.username, session_id, announce=False)
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
