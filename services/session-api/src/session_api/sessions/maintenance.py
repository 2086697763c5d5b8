"""Finishes what the deletion of a session or of a user left half done, and clears away."""

from __future__ import annotations

from datetime import timedelta

from datalab.events.envelope import new_id, utc_now
from datalab.events.feed import SessionDeleted
from datalab.platform.logging import get_logger
from session_api import SERVICE
from session_api.accounts.repository import AccountRepository
from session_api.operations.deletion import OperationDeletion
from session_api.operations.repository import OperationRepository
from session_api.sessions.repository import SessionRepository
from session_api.uploads.personal.repository import PersonalUploadRepository

_log = get_logger(__name__)

#: How much one look takes on; the next look goes on.
_BATCH = 200


class SessionMaintenance:
    """Any number of processes may do this at the same time: every change is conditional."""

    def __init__(
        self,
        *,
        sessions: SessionRepository,
        operations: OperationRepository,
        deletion: OperationDeletion,
        users: AccountRepository,
        uploads: PersonalUploadRepository,
        purge_after_s: float,
    ) -> None:
        self._sessions = sessions
        self._operations = operations
        self._deletion = deletion
        self._users = users
        self._uploads = uploads
        self._purge_after = timedelta(seconds=purge_after_s)

    async def finish_deletions(self) -> None:
        """Delete the operations that deleted sessions still have, then remove sessions that nobody needs any more.

        Raises `TransientError`.
        """
        now = utc_now()
        deleted = await self._sessions.find_any_deleted(limit=_BATCH)
        for owner, session_id in deleted:
            await self._deletion.delete(owner, session_id, announce=False)
        purged = [session_id for _, session_id in deleted]
        await self._sessions.purge_any(purged, deleted_before=now - self._purge_after)

    async def forget_deleted_users(self) -> None:
        """Delete the sessions deleted users still have, then the users of whom nothing is left.

        Files of their own keep their name taken: their frames are readable to whoever has that name.
        Raises `TransientError`.
        """
        now = utc_now()
        for username, deleted_at in await self._users.find_any_deleted(limit=_BATCH):
            sessions = await self._sessions.ids_of(username, limit=_BATCH)
            for session_id in sessions:
                event = SessionDeleted(session_id=session_id, owner=username, correlation_id=new_id(), producer=SERVICE)
                await self._sessions.mark_deleted(username, session_id, now=now, events=[event])
            # A request that was under way when the user was deleted may still have made something.
            settled = deleted_at < now - self._purge_after
            left = sessions or await self._operations.any_of(username) or await self._uploads.any_of(username)
            if settled and not left:
                await self._users.remove_any_deleted(username)
                _log.info("user.forgotten", username=username)
