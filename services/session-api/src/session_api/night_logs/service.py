"""Night logs: one note of a site is shown at a time, until it expires to the second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from datalab.events.envelope import utc_now
from datalab.events.feed import NightLogChanged
from datalab.platform.logging import get_logger
from session_api import SERVICE
from session_api.night_logs.model import Note, kept_until, lifetime_s, may_write, without_signatures
from session_api.night_logs.repository import NoteRepository
from session_api.web.bodies import JsonObject
from session_api.web.failures import RefusedError
from session_api.web.user import User
from session_api.web.write_limits import WriteLimits

_log = get_logger(__name__)

_MOST_SHOWN: Final = 100


class NightLogService:
    """Keeps the notes of sites."""

    def __init__(
        self,
        *,
        notes: NoteRepository,
        limits: WriteLimits,
        history: timedelta,
        max_answer_bytes: int,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._notes = notes
        self._limits = limits
        self._history = history
        self._max_answer_bytes = max_answer_bytes
        self._clock = clock

    async def note(self, site: str) -> Note | None:
        """Return the note that is shown of a site."""
        newest = await self._notes.newest(site)
        return newest if newest is not None and newest.holds(now=self._clock()) else None

    async def history(self, caller: User, site: str) -> Sequence[Note]:
        """Return the latest notes of a site, newest first. Raises `RefusedError` for whoever is not of its staff."""
        self._require_right(caller, site)
        return await self._notes.latest(site, limit=_MOST_SHOWN, max_bytes=self._max_answer_bytes)

    async def write(self, caller: User, site: str, note_data: JsonObject, *, address: str) -> None:
        """Put a note in the place of the former one.

        Raises `RefusedError` for whoever is not of the site's staff, `TooManyError`, `UsageError`.
        """
        self._require_right(caller, site)
        life_s = lifetime_s(note_data)
        self._limits.take(site=site, address=address)
        now = self._clock()
        created = int(now.timestamp())
        note = Note(
            number=await self._notes.next_number(),
            site=site,
            by=caller.username,
            created_timestamp=created,
            ttl_timestamp_seconds=created + life_s,
            note_data=without_signatures(note_data),
            kept_until=kept_until(created=now, expires_s=created + life_s, history=self._history),
        )
        await self._notes.add(note, [_changed(note)])
        _log.info("night_logs.written", site=site, note=note.number, by=caller.username)

    async def remove(self, caller: User, site: str, *, address: str) -> None:
        """Take away the note that is shown, if there is one.

        Raises `RefusedError` for whoever is not of the site's staff, `TooManyError`.
        """
        self._require_right(caller, site)
        self._limits.take(site=site, address=address)
        note = await self.note(site)
        if note is None:
            return
        await self._notes.remove(note, [_changed(note, removed=True)], by=caller.username, at=self._clock())
        _log.info("night_logs.removed", site=site, note=note.number, by=caller.username)

    def _require_right(self, caller: User, site: str) -> None:
        if not may_write(caller, site):
            raise RefusedError(f"The night log of site {site!r} is its staff's to write, and to read back in.")


def _changed(note: Note, *, removed: bool = False) -> NightLogChanged:
    return NightLogChanged(
        producer=SERVICE,
        site=note.site,
        created_timestamp=note.created_timestamp,
        removed=removed,
    )
