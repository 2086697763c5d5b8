"""Whoever may has a frame removed: their own, or any as a superuser; not one that sessions show, unless they insist."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from datalab.documents.frame import UPLOADS_SITE, FrameDocument
from datalab.events.envelope import Event, derived_id, utc_now
from datalab.events.frames import FrameRemovalRequested
from datalab.platform.logging import get_logger
from session_api import SERVICE
from session_api.archive.repository import FrameReader
from session_api.sessions.repository import SessionRepository
from session_api.web.failures import ConflictError, ForbiddenError, FrameNotFoundError
from session_api.web.user import User

_log = get_logger(__name__)

_MOST_NAMED: Final = 20


class Publisher(Protocol):
    """The bus."""

    async def publish(self, event: Event) -> None:
        """Publish and wait until it is stored. Raises `TransientError`."""
        ...


class FrameRemovalService:
    """Asks ingest, whose the frames are, to remove one."""

    def __init__(self, *, frames: FrameReader, sessions: SessionRepository, publisher: Publisher) -> None:
        self._frames = frames
        self._sessions = sessions
        self._publisher = publisher

    async def request(self, caller: User, frame_id: int, *, force: bool, correlation_id: str) -> None:
        """Have a frame removed. Asked again, it is the same request.

        Raises `FrameNotFoundError`, `ForbiddenError` for somebody else's, `ConflictError` for one that is in use.
        """
        frame = await self._frames.find_any_by_number(frame_id)
        if frame is None or not caller.may_read_frame(frame, now=utc_now()):
            raise FrameNotFoundError
        if not (caller.superuser or _is_own(frame, caller)):
            raise ForbiddenError
        if not force:
            using = await self._sessions.any_with_frame(frame.basename, limit=_MOST_NAMED + 1)
            if using:
                raise ConflictError(_in_use(using, caller))
        await self._publisher.publish(
            FrameRemovalRequested(
                event_id=derived_id("frame.removal-requested", frame.frame_id, frame.basename, frame.created),
                correlation_id=correlation_id,
                producer=SERVICE,
                frame_id=frame.frame_id,
                basename=frame.basename,
                requested_by=caller.username,
            )
        )
        _log.info("frames.removal_requested", frame=frame.basename, frame_id=frame.frame_id, by=caller.username)


def _is_own(frame: FrameDocument, caller: User) -> bool:
    """Tell whether a frame is of a file the caller uploaded. Site and name say so; the proposal could be a header's."""
    return frame.site == UPLOADS_SITE and frame.basename.startswith(f"{caller.username}~")


def _in_use(using: Sequence[tuple[str, int]], caller: User) -> str:
    """Say where a frame is in use: which sessions only to whom they may be shown."""
    shown = [
        f"{session_id} of {owner}" if caller.superuser else str(session_id)
        for owner, session_id in using[:_MOST_NAMED]
        if caller.superuser or owner == caller.username
    ]
    others = len(using) - len(shown)
    where = [f"session {name}" for name in shown] + (["sessions of others"] if others and not caller.superuser else [])
    more = " and more" if len(using) > _MOST_NAMED else ""
    return (
        f"The frame is in use: {', '.join(where)}{more}. With ?force=true it goes all the same; "
        "results that were made of it stay."
    )
