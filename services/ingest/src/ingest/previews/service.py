"""Notes the pictures runners made, and asks for those that are due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from datalab.documents.frame import FrameDocument, PreviewState
from datalab.errors import PostponedError
from datalab.events.envelope import Event, utc_now
from datalab.events.previews import PreviewFailed, PreviewMade
from datalab.platform.documents.collection import until_won
from datalab.platform.logging import get_logger
from ingest import SERVICE
from ingest.frames.model import frame_ingested
from ingest.frames.previews import asked_again, lacking, preview_requested, with_previews, with_problem
from ingest.frames.recent import RecentFrames

_log = get_logger(__name__)

#: Writers of one frame at the same time: its files, and its pictures.
_MOST_RACES = 50
#: Asked for in one look; the rest is due in the next.
_MOST_ASKED = 500


class Frames(Protocol):
    """The frames there are, with the events that tell about them."""

    async def find_any_frame(self, basename: str) -> FrameDocument | None:
        """Return a frame of any site and proposal."""

    async def save(self, frame: FrameDocument, events: Sequence[Event], *, before: FrameDocument | None = None) -> None:
        """Store frame and events in one write. Raises `LostRaceError` unless the stored revision is the one before."""

    async def due_previews(self, *, now: datetime, most: int) -> list[FrameDocument]:
        """Return frames whose pictures are to be asked for."""

    async def note_preview(
        self, frame: FrameDocument, state: PreviewState | None, events: Sequence[Event] = ()
    ) -> bool:
        """Change what is to be done about a frame's pictures; return False if somebody else was faster."""


class Objects(Protocol):
    """The object store."""

    async def delete(self, key: str) -> None:
        """Remove an object."""


class Previews:
    """The pictures frames lack. Everything may be repeated, in any order and at the same time."""

    def __init__(self, *, frames: Frames, objects: Objects, recent: RecentFrames) -> None:
        self._frames = frames
        self._objects = objects
        self._recent = recent

    async def add(self, made: PreviewMade) -> None:
        """Make pictures part of their frame, unless it has others by now. Raises `TransientError`."""
        async with self._recent.turn(made.basename) as turn:
            known = turn.frame

            async def save() -> None:
                nonlocal known
                before, known = known, None
                after = None if before is None else with_previews(before, made, now=utc_now())
                if after is before:  # what is remembered may be old
                    before = await self._find(made)
                    after = None if before is None else with_previews(before, made, now=utc_now())
                if before is None or after is None or after is before:
                    _log.info("preview.not_needed", basename=made.basename)
                    return
                (role, *_) = (role for role, file in after.files.items() if before.files.get(role) != file)
                event = frame_ingested(
                    after, before=before, role=role, correlation_id=made.correlation_id, producer=SERVICE
                )
                await self._frames.save(after, [event], before=before)
                turn.wrote(after)

            await until_won(save, races=_MOST_RACES, of=f"frame {made.basename!r}")

    async def note(self, failed: PreviewFailed) -> None:
        """Remember that nothing can be made of a file, until the frame has another. Raises `TransientError`."""
        frame = await self._frames.find_any_frame(failed.basename)
        while frame is not None:
            state = with_problem(frame, source_sha256=failed.source_sha256, problem=failed.reason)
            if state is None or await self._frames.note_preview(frame, state):
                break
            frame = await self._frames.find_any_frame(failed.basename)
        _log.warning("preview.impossible", basename=failed.basename, reason=failed.reason)

    async def ask_for_due(self) -> int:
        """Ask for pictures that are due, and again for those that did not come; return for how many frames."""
        asked = 0
        for frame in await self._frames.due_previews(now=utc_now(), most=_MOST_ASKED):
            asked += await self._ask(frame)
        return asked

    async def _ask(self, frame: FrameDocument) -> bool:
        if frame.preview is None or lacking(frame) is None:  # so it would be due for ever
            await self._frames.note_preview(frame, None)
            return False
        state = asked_again(frame.preview, now=utc_now())
        event = preview_requested(frame.model_copy(update={"preview": state}), producer=SERVICE)
        if frame.preview.asked:
            _log.info("preview.asked_again", basename=frame.basename, asked=state.asked)
        return await self._frames.note_preview(frame, state, [event])

    async def _find(self, made: PreviewMade) -> FrameDocument | None:
        """Return the frame of pictures that were made; without one, they go. Raises `PostponedError`."""
        frame = await self._frames.find_any_frame(made.basename)
        if frame is None:
            await self._remove(made)
        elif frame.removal is not None:
            raise PostponedError(f"frame {frame.basename!r} is just being removed")
        return frame

    async def _remove(self, made: PreviewMade) -> None:
        """Remove pictures of a frame that is gone: nobody may see them any more."""
        _log.info("preview.frame_gone", basename=made.basename)
        for each in made.previews:
            await self._objects.delete(each.key)
