"""From files that were read to frames that are stored, with the events that tell of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic

from datalab.documents.frame import FrameDocument
from datalab.documents.frame_header import HeaderDocument
from datalab.documents.upload import Outcome
from datalab.errors import AwaitedError, PostponedError, TransientError, UsageError
from datalab.events.envelope import Event, utc_now
from datalab.platform.documents.collection import LostRaceError, until_won
from ingest import SERVICE
from ingest.arrivals.model import AnnouncementError
from ingest.arrivals.ports import Frames, Objects
from ingest.frames.additions import Addition
from ingest.frames.model import frame_ingested, header_document, is_news, new_frame, with_file
from ingest.frames.previews import asks, preview_requested
from ingest.frames.recent import RecentFrames, Turn
from ingest.uploads.model import same_version

#: Writers of one frame at the same time: its files, each announced by the observatory, the store and the reconciler.
#: One of them succeeds in each round, so that the last needs as many rounds as there are writers.
_MOST_RACES = 50
#: In less, nobody sees a frame and has it removed.
_A_MOMENT_S = 1.0


@dataclass(slots=True)
class _Change:
    """A frame as it is to be stored, what is told of it, its header if it has been given one, what became of whom."""

    frame: FrameDocument | None
    events: list[Event] = field(default_factory=list)
    header: HeaderDocument | None = None
    outcomes: list[Outcome | UsageError | TransientError] = field(default_factory=list)


class FrameWriter:
    """Makes files part of their frames. Those of a frame that are there at the same time are one write."""

    def __init__(self, *, objects: Objects, frames: Frames, recent: RecentFrames, picture_patience: timedelta) -> None:
        """`picture_patience` is how long after a FITS file its observatory may take to send a JPEG."""
        self._objects = objects
        self._frames = frames
        self._recent = recent
        self._picture_patience = picture_patience

    async def add(self, addition: Addition) -> Outcome:
        """Make a file part of its frame. Raises `UsageError` if it cannot be, `TransientError`."""
        async with self._recent.turn(addition.name.basename, addition) as turn:
            if addition.outcome is None:
                await self._write_all(turn, addition)
        assert addition.outcome is not None
        if isinstance(addition.outcome, Exception):
            raise addition.outcome
        return addition.outcome

    async def _write_all(self, turn: Turn, addition: Addition) -> None:
        """Write a file with those that others bring; by itself where our code or the store fails on them."""
        additions = [each for each in turn.brought if each.outcome is None]
        try:
            await self._write(turn, additions)
        except TransientError:
            raise
        except Exception:
            if additions == [addition]:
                raise
            await self._write(turn, [addition])

    async def _write(self, turn: Turn, additions: Sequence[Addition]) -> None:
        """Make files part of their frame, and note with each what became of it."""
        basename = additions[0].name.basename
        latest = max(additions, key=lambda each: each.asked_at)
        known = turn.newer(latest.seen, asked_at=latest.asked_at)
        read_again = False

        async def save() -> _Change:
            nonlocal known, read_again
            change = await self._change(known, additions, read_again=read_again)
            if change.frame is not None and change.frame is not known:
                try:
                    await self._frames.save(change.frame, change.events, before=known, header=change.header)
                except LostRaceError:
                    known, read_again = await self._frames.find_any_frame(basename), True
                    raise
                turn.wrote(change.frame)
            return change

        change = await until_won(save, races=_MOST_RACES, of=f"frame {basename!r}")
        for addition, outcome in zip(additions, change.outcomes, strict=True):
            addition.outcome = outcome

    async def _change(self, known: FrameDocument | None, additions: Sequence[Addition], *, read_again: bool) -> _Change:
        """Return what the files make of the frame as it is known; it may have been `read_again` after they were."""
        now = utc_now()
        change = _Change(known)
        for addition in additions:
            try:
                if known is None:
                    await self._check_alone(addition, read_again=read_again)
                change.outcomes.append(await self._added(change, addition, now=now))
            except (UsageError, TransientError) as error:
                change.outcomes.append(error)
        if change.frame is not None and asks(known, change.frame):
            change.events.append(preview_requested(change.frame, producer=SERVICE))
        return change

    async def _added(self, change: _Change, addition: Addition, *, now: datetime) -> Outcome:
        """Make a file part of the frame of a change. Raises `UsageError`, `TransientError`."""
        before = usable(change.frame, addition.site) or await self._new_frame(addition, now=now)
        role = addition.name.role
        after = with_file(
            before,
            name=addition.name,
            file=addition.file,
            header=addition.header,
            now=now,
            open_site=addition.open_site,
            picture_patience=self._picture_patience,
        )
        if after is before:
            return Outcome.UNCHANGED
        change.frame = after
        change.header = header_document(after, role=role, header=addition.header, now=now) or change.header
        if not is_news(before, after, role):
            return Outcome.UNCHANGED
        change.events.append(
            frame_ingested(after, before=before, role=role, correlation_id=addition.correlation_id, producer=SERVICE)
        )
        return Outcome.INGESTED

    async def _new_frame(self, addition: Addition, *, now: datetime) -> FrameDocument:
        if not addition.makes_frame:
            raise AnnouncementError(f"there is no frame {addition.name.basename!r} that this could be a picture of")
        frame_id = await self._frames.next_frame_id()
        return new_frame(name=addition.name, site=addition.site, frame_id=frame_id, now=now, life=addition.life)

    async def _check_alone(self, addition: Addition, *, read_again: bool) -> None:
        """Before a frame is made anew: the one there was may have gone, with this file, while it was looked into.

        Removal takes the objects before the frame. Where there was none, and this file since, no frame took it along,
        unless one came and went meanwhile. Raises `AwaitedError`.
        """
        if not read_again and addition.seen is None and monotonic() - addition.asked_at < _A_MOMENT_S:
            return
        stored = await self._objects.stat(addition.file.key)
        if stored is None or not same_version(stored, addition.file):
            raise AwaitedError(f"object {addition.file.key!r} has gone, or is another one by now")


def usable(frame: FrameDocument | None, site: str) -> FrameDocument | None:
    """Return a frame that files of the site may be added to. Raises `AnnouncementError`, `PostponedError`."""
    if frame is not None and frame.site != site:
        raise AnnouncementError(f"frame {frame.basename!r} belongs to site {frame.site!r}, not to {site!r}")
    if frame is not None and frame.removal is not None:
        raise PostponedError(f"frame {frame.basename!r} is just being removed")
    return frame
