"""Finishes what the deletion of a session or of a user left half done, and clears away."""

from __future__ import annotations

from datetime import timedelta

from datalab.events.envelope import new_id, utc_now
from datalab.events.feed import SessionDeleted
from datalab.platform.logging import get_logger
from session_api import SERVICE
from session_api.accounts.repository import AccountRepository
from session_api.groups.repository import GroupRepository
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
        groups: GroupRepository,
        uploads: PersonalUploadRepository,
        purge_after_s: float,
    ) -> None:
        self._sessions = sessions
        self._operations = operations
        self._deletion = deletion
        self._users = users
        self._groups = groups
        self._uploads = uploads
        self._purge_after = timedelta(seconds=purge_after_s)

    async def finish_deletions(self) -> None:
        """Delete the operations that deleted sessions still have, then remove sessions that nobody needs any more.

        Raises `TransientError`.
        """
        now = utc_now()
        deleted = await self._sessions.find_any_deleted(limit=_BATCH)
        for session_id in deleted:
            await self._deletion.delete(session_id, announce=False)
        await self._sessions.purge_any(deleted, deleted_before=now - self._purge_after)

    async def forget_deleted_groups(self) -> None:
        """Share no session any more with groups that are no more; nobody is in them. Raises `TransientError`."""
        shared = await self._sessions.find_any_groups()
        for group in set(shared) - (await self._groups.find_any_names(shared)).keys():
            await self._sessions.withdraw_any(group=group)

    async def forget_deleted_users(self) -> None:
        """Delete the sessions deleted users still have, then the users of whom nothing is left.

        Nobody of the same name later is in their groups, or finds shared what was shared with them. What they started
        in sessions of others is the session's owner's. Files of their own keep their name taken: their frames are
        readable to whoever has that name.
        Raises `TransientError`.
        """
        now = utc_now()
        for username, deleted_at in await self._users.find_any_deleted(limit=_BATCH):
            sessions = await self._sessions.ids_of(username, limit=_BATCH)
            for session_id in sessions:
                event = SessionDeleted(session_id=session_id, owner=username, correlation_id=new_id(), producer=SERVICE)
                await self._sessions.mark_deleted(username, session_id, now=now, events=[event])
            await self._groups.forget_any(username)
            await self._sessions.withdraw_any(user=username)
            owners = await self._sessions.owners_of(await self._operations.sessions_of(username))
            for session_id, owner in owners.items():
                if owner != username:
                    await self._operations.pass_on(username, session_id, to=owner)
            await self._operations.forget_any_shown_by(username)
            # A request that was under way when the user was deleted may still have made something.
            settled = deleted_at < now - self._purge_after
            left = sessions or await self._operations.any_of(username) or await self._uploads.any_of(username)
            if settled and not left:
                await self._users.remove_any_deleted(username)
                _log.info("user.forgotten", username=username)
