"""What the bus keeps of messages nobody could handle."""

from __future__ import annotations

from collections import deque
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from datalab.events.topology import DEAD
from datalab.platform.bus.connection import Bus

#: What is listed at once, and read through to find them, in messages.
MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message: who should have handled it, where it was published, and why it could not be.

    What it says is left out: it may be private. `datalab dead-letters show` has it, with the passwords of the bus.
    """

    number: int
    consumer: str
    subject: str
    reason: str
    size_bytes: int


class DeadLetterService:
    """Looks at the list; what becomes of letters is up to whoever has access to the bus."""

    def __init__(self, *, bus: Bus) -> None:
        self._bus = bus

    async def latest(self) -> list[DeadLetter]:
        """Return the latest letters, the newest first. Raises `TransientError`."""
        # The end of the stream has the newest; what was taken off the list makes it fewer.
        position = await self._bus.stream_position(DEAD)
        found: deque[DeadLetter] = deque(maxlen=MOST)
        after = max(0, position.last - MOST)
        async with aclosing(self._bus.replay(DEAD, after=after, filter_subjects=DEAD.subjects)) as messages:
            async for message in messages:
                found.appendleft(
                    DeadLetter(
                        number=message.sequence,
                        consumer=message.subject.rpartition(".")[2],
                        subject=message.headers.get("Datalab-Subject", ""),
                        reason=message.headers.get("Datalab-Reason", ""),
                        size_bytes=len(message.body),
                    )
                )
        return list(found)
