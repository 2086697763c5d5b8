"""Frames this process has written a moment ago.

The files of an exposure come together. Written at the same time, one of two would lose, and be read, merged and written
again; one after the other, the second need not even read what the first has written. What is remembered may be old: a
write holds only if the frame is still as it was, and nothing else may follow from it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from datalab.documents.frame import FrameDocument

#: The exposures of some telescopes whose files, and pictures, are still coming; a frame is some 10 kB.
_MOST = 256


@dataclass(slots=True)
class Turn:
    """A frame as far as this process knows it, while nobody else here writes it."""

    frame: FrameDocument | None = None
    written_at: float = 0.0
    waiting: int = 0
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
    async def turn(self, basename: str) -> AsyncIterator[Turn]:
        """Have a frame to oneself, in this process."""
        turn = self._turns.setdefault(basename, Turn())
        turn.waiting += 1
        try:
            async with turn.lock:
                yield turn
        finally:
            turn.waiting -= 1
            self._turns.move_to_end(basename)
            self._forget_the_oldest()

    def _forget_the_oldest(self) -> None:
        if len(self._turns) <= _MOST:
            return
        # Those in use are among the oldest only while they are in use, and come to the end of the row afterwards.
        oldest = next((name for name, turn in self._turns.items() if not turn.waiting), None)
        if oldest is not None:
            del self._turns[oldest]
