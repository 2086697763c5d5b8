"""A frame goes in steps, each of which may be repeated.

A killed process leaves a frame that is marked, and the next look goes on with it.

1. The document is marked. From then on nobody may read the frame, and no file is taken into it.
2. The objects go: every file of the frame's name that was there when it was marked. What came later stays, and what was
   refused beside them is no longer known as such.
3. What is remembered of it is stored, in one write with the event that it went.
4. The document goes. A file that comes after that makes a new frame, with another number.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Protocol

from datalab.documents.file_names import frame_file_name, parse_file_name
from datalab.documents.frame import FrameDocument, FrameFile, FrameRemoval
from datalab.documents.removed_frame import RemovedFrame
from datalab.errors import PostponedError, TransientError, UsageError
from datalab.events.envelope import derived_id, utc_now
from datalab.events.frames import FrameRemovalRequested, FrameRemoved, RemovalCause
from datalab.events.object_keys import DATA
from datalab.platform.documents.collection import until_won
from datalab.platform.logging import get_logger
from ingest import SERVICE
from ingest.frames.repository import FrameRepository
from ingest.removal.repository import RemovedFrameRepository
from ingest.uploads.model import StoredVersion, same_version
from ingest.uploads.repository import UploadRepository

_log = get_logger(__name__)

#: How much one look takes on; the next look goes on.
_BATCH = 500
#: Files of a frame that arrive while it is marked.
_MOST_RACES = 50
#: Somebody who still has the frame in a session is told that it went, and not that it never was.
_REMEMBERED = timedelta(days=90)


class Objects(Protocol):
    """The object store."""

    async def stat(self, key: str) -> StoredVersion | None: ...

    def list(self, prefix: str) -> AsyncIterator[StoredVersion]: ...

    async def delete(self, key: str) -> None: ...


class Meter(Protocol):
    """Counts."""

    def removed(self, cause: RemovalCause) -> None: ...


class FrameRemovals:
    """Any number of processes may do this at the same time. Every method raises `TransientError`."""

    def __init__(
        self,
        *,
        frames: FrameRepository,
        removed: RemovedFrameRepository,
        uploads: UploadRepository,
        objects: Objects,
        meter: Meter,
    ) -> None:
        self._frames = frames
        self._removed = removed
        self._uploads = uploads
        self._objects = objects
        self._meter = meter

    async def remove(self, request: FrameRemovalRequested) -> None:
        """Remove the frame that is meant. One that is gone, or a later one of the same name, is left alone."""
        frame = await self._mark(request.basename, request.frame_id, RemovalCause.REQUESTED, request.correlation_id)
        if frame is None:
            return
        _log.info("removal.requested", basename=frame.basename, by=request.requested_by)
        if not await self._finish(frame):
            raise PostponedError(f"what was said of frame {frame.basename!r} is not published yet")

    async def look(self) -> int:
        """Remove frames whose time has come, and go on with what was begun; return how many have gone."""
        for frame in await self._frames.due(now=utc_now(), limit=_BATCH):
            correlation_id = derived_id("frame.expired", frame.frame_id, frame.basename, frame.created)
            await self._mark(frame.basename, frame.frame_id, RemovalCause.EXPIRED, correlation_id)
        gone, failed = 0, None
        for frame in await self._frames.being_removed(limit=_BATCH):
            try:
                gone += await self._finish(frame)
            except TransientError as error:  # one that cannot go holds up no other
                failed = error
        if failed is not None:
            raise failed
        return gone

    async def _mark(
        self, basename: str, frame_id: int, cause: RemovalCause, correlation_id: str
    ) -> FrameDocument | None:
        """Return the frame as it is when it is marked, None if there is no such frame."""

        async def mark() -> FrameDocument | None:
            frame = await self._frames.find_any_frame(basename)
            if frame is None or frame.frame_id != frame_id:
                return None
            if frame.removal is not None:
                return frame
            removal = FrameRemoval(
                cause=cause,
                marked_at=utc_now(),
                correlation_id=correlation_id,
                public_date=frame.public_date,
                proposal_id=frame.proposal_id,
            )
            await self._frames.mark(frame, removal)
            return frame.model_copy(update={"removal": removal, "revision": frame.revision + 1})

        return await until_won(mark, races=_MOST_RACES, of=f"frame {basename!r}")

    async def _finish(self, frame: FrameDocument) -> bool:
        """Take the steps that are left; tell whether the frame has gone."""
        removal = frame.removal
        if removal is None:
            return False
        present = await self._frames.find_any_frame(frame.basename)
        if present is None or present.frame_id != frame.frame_id:
            return True  # somebody else was faster, and what is of this name now is another frame's
        keys = await self._delete_objects(frame, marked_at=removal.marked_at)
        await self._uploads.forget_refused(keys)
        now = utc_now()
        event = FrameRemoved(
            event_id=derived_id("frame.removed", frame.frame_id, frame.basename, frame.created),
            correlation_id=removal.correlation_id,
            producer=SERVICE,
            site=frame.site,
            frame_id=frame.frame_id,
            basename=frame.basename,
            cause=removal.cause,
            keys=keys,
            public_date=removal.public_date,
            proposal_id=removal.proposal_id,
        )
        if not await self._frames.is_told(frame):
            return False  # what was said of it while it was there goes first; the next look goes on
        remembered = RemovedFrame(
            frame_id=frame.frame_id,
            basename=frame.basename,
            site=frame.site,
            cause=removal.cause,
            public_date=removal.public_date,
            proposal_id=removal.proposal_id,
            removed_at=now,
            forgotten_at=now + _REMEMBERED,
        )
        if await self._removed.remember(remembered, [event]):
            self._meter.removed(removal.cause)
            _log.info("removal.done", basename=frame.basename, cause=removal.cause, files=len(keys))
        return await self._frames.forget(frame)

    async def _delete_objects(self, frame: FrameDocument, *, marked_at: datetime) -> tuple[str, ...]:
        """Delete the files the frame had; return their keys, also of those that had gone before."""
        known = {file.key: file for file in frame.every_file}
        for key, file in known.items():
            stored = await self._objects.stat(key)
            if stored is not None and (_is_what_it_had(stored, file) or _was_there(stored, marked_at)):
                await self._objects.delete(key)
        others = [each async for each in self._objects.list(f"{DATA}{frame.basename}") if each.key not in known]
        gone = [each.key for each in others if _belongs_to(each.key, frame) and _was_there(each, marked_at)]
        for key in gone:
            await self._objects.delete(key)
        return (*known, *gone)


def _is_what_it_had(stored: StoredVersion, file: FrameFile) -> bool:
    """Tell whether an object is a file of the frame, and not the same bytes sent again since."""
    if not same_version(stored, file):
        return False
    made_here = file.made_of is not None  # its time is by the clock of a runner
    return made_here or stored.modified_at.replace(microsecond=0) <= file.stored_at.replace(microsecond=0)


def _was_there(stored: StoredVersion, marked_at: datetime) -> bool:
    """Tell whether an object was there when its frame was marked. Stores count whole seconds: in doubt it was not."""
    return stored.modified_at < marked_at.replace(microsecond=0)


def _belongs_to(key: str, frame: FrameDocument) -> bool:
    """Tell whether an object is another file of the frame's name: one that was refused, or replaced by one later."""
    try:
        name = frame_file_name(key)
        return name is not None and parse_file_name(name).basename == frame.basename
    except UsageError:
        return False
