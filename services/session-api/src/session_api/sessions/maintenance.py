"""Finishes what the deletion of a session left half done, and clears away."""

from __future__ import annotations

from datetime import timedelta

from datalab.events.envelope import utc_now
from session_api.operations.deletion import OperationDeletion
from session_api.sessions.repository import SessionRepository

#: How much one look takes on; the next look goes on.
_BATCH = 200


class SessionMaintenance:
    """Any number of processes may do this at the same time: every change is conditional."""

    def __init__(self, *, sessions: SessionRepository, deletion: OperationDeletion, purge_after_s: float) -> None:
        self._sessions = sessions
        self._deletion = deletion
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
