"""Deletes what is kept for some time only: what is shown for a while, and what can be made again.

Never here: files of frames, which `ingest.removal` knows, and results, of which the session API knows who shows them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from datalab.events.envelope import utc_now
from datalab.platform.logging import get_logger
from ingest.uploads.model import StoredVersion

_log = get_logger(__name__)

#: Half of the store's connections: others have work to do.
_DELETED_AT_ONCE = 8
#: What was made just now is about to be handed out, however little room there is.
_YOUNGEST = timedelta(minutes=15)


class Objects(Protocol):
    """The object store."""

    def list(self, prefix: str) -> AsyncIterator[StoredVersion]: ...

    async def stat(self, key: str) -> StoredVersion | None: ...

    async def delete(self, key: str) -> None: ...


class Meter(Protocol):
    """Counts."""

    def swept(self, family: str, *, objects: int, size_bytes: int) -> None: ...


async def _none() -> set[str]:
    return set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is kept of a family of objects.

    keep: from when an object was stored; `keep_by_ending` of those whose keys end so.
    max_bytes: of the whole family; beyond it the oldest go first. The store does not tell when an object was read.
    spared: keys that stay, however old: somebody sees them now.
    """

    family: str
    keep: timedelta
    keep_by_ending: tuple[tuple[str, timedelta], ...] = ()
    max_bytes: int | None = None
    spared: Callable[[], Awaitable[set[str]]] = _none

    def life_of(self, key: str) -> timedelta:
        """Return how long an object is kept."""
        return next((keep for ending, keep in self.keep_by_ending if key.endswith(ending)), self.keep)


class Retention:
    """Looks through the families it has rules for. Any number of processes may do this at the same time."""

    def __init__(
        self,
        *,
        objects: Objects,
        rules: Sequence[Rule],
        meter: Meter,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._objects = objects
        self._rules = rules
        self._meter = meter
        self._clock = clock

    async def look(self) -> int:
        """Delete what is too old, or too much; return how many objects that were. Raises `TransientError`."""
        return sum([await self._apply(rule) for rule in self._rules])

    async def _apply(self, rule: Rule) -> int:
        now = self._clock()
        leaving: list[StoredVersion] = []
        staying: list[StoredVersion] = []
        async for stored in self._objects.list(rule.family):
            (leaving if stored.modified_at + rule.life_of(stored.key) <= now else staying).append(stored)
        if rule.max_bytes is not None:
            leaving += _beyond(staying, rule.max_bytes, youngest=now - _YOUNGEST)
        if not leaving:
            return 0
        # Asked last: what has come to be shown meanwhile stays.
        spared = await rule.spared()
        leaving = [stored for stored in leaving if stored.key not in spared]
        for begin in range(0, len(leaving), _DELETED_AT_ONCE):
            batch = leaving[begin : begin + _DELETED_AT_ONCE]
            await asyncio.gather(*map(self._delete, batch))
            self._meter.swept(rule.family, objects=len(batch), size_bytes=sum(stored.size_bytes for stored in batch))
        if leaving:
            _log.info("retention.swept", family=rule.family, objects=len(leaving))
        return len(leaving)

    async def _delete(self, listed: StoredVersion) -> None:
        """Delete an object as it was listed: it may have been made anew meanwhile, for somebody who waits for it."""
        stored = await self._objects.stat(listed.key)
        if stored is not None and stored.modified_at.replace(microsecond=0) <= listed.modified_at.replace(
            microsecond=0
        ):
            await self._objects.delete(listed.key)


def _beyond(staying: Sequence[StoredVersion], max_bytes: int, *, youngest: datetime) -> list[StoredVersion]:
    """Return the oldest of the objects, as many as there have to go for the others to have room."""
    excess = sum(stored.size_bytes for stored in staying) - max_bytes
    gone: list[StoredVersion] = []
    for stored in sorted(staying, key=lambda each: (each.modified_at, each.key)):
        if excess <= 0 or stored.modified_at > youngest:
            break
        gone.append(stored)
        excess -= stored.size_bytes
    return gone
