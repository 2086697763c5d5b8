"""Frames this process has written a moment ago, and is about to write.

The files of an exposure come together. Written at the same time, one of two would lose, and be read, merged and written
again; so they wait a moment for each other, and are written at once. What comes later need not even read what was
written before. What is remembered may be old: a write holds only if the frame is still as it was, and nothing else may
follow from it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic

from datalab.documents.frame import FrameDocument
from ingest.frames.additions import Addition

#: Small files are read within some milliseconds of each other; one that is not must not keep the others waiting.
_PATIENCE_S = 0.05
#: The exposures of some telescopes whose files, and pictures, are still coming; a frame is some 10 kB.
_MOST = 256


@dataclass(slots=True)
class Turn:
    """A frame as far as this process knows it, while nobody else here writes it.

    `brought` is what those bring who have the turn or wait for it, in the order in which they came.
    """

    frame: FrameDocument | None = None
    written_at: float = 0.0
    in_use: int = 0
    reading: int = 0
    all_read: asyncio.Event = field(default_factory=asyncio.Event)
    brought: list[Addition] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def wrote(self, frame: FrameDocument) -> None:
        """Remember a frame that was just written."""
        self.frame, self.written_at = frame, monotonic()

    def newer(self, read: FrameDocument | None, *, asked_at: float) -> FrameDocument | None:
        """Return the frame as it was read, or as it was written here after that was asked for, by `monotonic`.

        What was written before and is not found any more has been removed.
        """
        mine = self.frame
        if mine is None or self.written_at < asked_at:
            return read
        if read is not None and (read.frame_id != mine.frame_id or read.revision > mine.revision):
            return read
        return mine


class RecentFrames:
    """The frames written last, by base name."""

    def __init__(self) -> None:
        self._turns: OrderedDict[str, Turn] = OrderedDict()

    def remembered(self, basename: str) -> FrameDocument | None:
        """Return a frame as it was written here last, None if it was not, or long ago. By now it may be another."""
        turn = self._turns.get(basename)
        return None if turn is None else turn.frame

    @asynccontextmanager
    async def reading(self, basename: str) -> AsyncIterator[None]:
        """Read a small file of a frame; then wait a moment for others of it that are being read here."""
        with self._used(basename) as turn:
            turn.reading += 1
            turn.all_read.clear()
            try:
                yield
            finally:
                turn.reading -= 1
                if not turn.reading:
                    turn.all_read.set()
            if turn.reading:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PATIENCE_S):
                        await turn.all_read.wait()

    @asynccontextmanager
    async def turn(self, basename: str, *bringing: Addition) -> AsyncIterator[Turn]:
        """Have a frame to oneself, in this process. Who has the turn before may see to what is brought, too."""
        with self._used(basename) as turn:
            turn.brought.extend(bringing)
            try:
                if bringing:
                    await asyncio.sleep(0)  # who waited with this one until all were read brings something, too
                async with turn.lock:
                    yield turn
            finally:
                for brought in bringing:
                    turn.brought.remove(brought)

    @contextmanager
    def _used(self, basename: str) -> Iterator[Turn]:
        turn = self._turns.setdefault(basename, Turn())
        turn.in_use += 1
        try:
            yield turn
        finally:
            turn.in_use -= 1
            self._turns.move_to_end(basename)
            self._forget_the_oldest()

    def _forget_the_oldest(self) -> None:
        if len(self._turns) <= _MOST:
            return
        # Those in use are among the oldest only while they are in use, and come to the end of the row afterwards.
        oldest = next((name for name, turn in self._turns.items() if not turn.in_use), None)
        if oldest is not None:
            del self._turns[oldest]
