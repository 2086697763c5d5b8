"""Which processes there are, and what waits for them."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import ValidationError

from datalab.errors import explain_validation
from datalab.events.processes import ProcessDescribed
from datalab.events.topology import PROCESSES, stream_of
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.queues import QueueState, queue_states
from datalab.platform.logging import get_logger

_log = get_logger(__name__)

#: Four times the pause between two words of a process, for one that is busy.
_SILENT_AFTER: Final = timedelta(seconds=20)
_STREAM: Final = stream_of(PROCESSES)


@dataclass(frozen=True, slots=True)
class Process:
    """A process as it described itself last, and when that was, by the clock of the bus."""

    described: ProcessDescribed
    seen_at: datetime

    def is_silent(self, now: datetime) -> bool:
        """Tell whether it says nothing any more: it was killed, stands still, or does not reach the bus."""
        return now - self.seen_at > _SILENT_AFTER


class SystemService:
    """Looks at the bus each time it is asked. Every method raises `TransientError` when it is away."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def processes(self) -> list[Process]:
        """Return the processes of every service, those that ended without a word for minutes longer."""
        found: list[Process] = []
        async with aclosing(self._bus.replay(_STREAM, after=0, filter_subjects=_STREAM.subjects)) as messages:
            async for message in messages:
                if not message.body:  # how a deleted key looks
                    continue
                try:
                    found.append(Process(ProcessDescribed.decode(message.body), message.stored_at))
                except ValidationError as error:  # of another version
                    _log.warning("system.unreadable_process", reason=explain_validation(error))
        return sorted(found, key=lambda each: (each.described.service, each.described.started_at))

    async def queues(self) -> list[QueueState]:
        """Return what waits on the bus, by consumer."""
        return await queue_states(self._bus)
