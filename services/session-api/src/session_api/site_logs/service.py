"""What sites say in words: kept for a while, and told at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from datalab.events.envelope import derived_id, new_id, utc_now
from datalab.events.feed import SiteLogAdded, SitePhaseChanged
from session_api import SERVICE
from session_api.site_logs.model import MessageKind, SiteMessage
from session_api.site_logs.repository import SiteMessageRepository
from session_api.site_logs.settings import SiteLogSettings
from session_api.uploads.open_sites import OpenSites, SiteWork
from session_api.web.failures import RefusedError
from session_api.web.user import User
from session_api.web.write_limits import WriteLimits

_MOST_LOGS: Final = 1000
#: As many as user interfaces show beside each other.
_MOST_PHASES: Final = 3


class SiteLogService:
    """Takes messages of sites, and shows the latest."""

    def __init__(
        self,
        *,
        messages: SiteMessageRepository,
        open_sites: OpenSites,
        limits: WriteLimits,
        settings: SiteLogSettings,
        max_answer_bytes: int,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._messages = messages
        self._open_sites = open_sites
        self._limits = limits
        self._logs_kept = timedelta(days=settings.site_log_days)
        self._phases_kept = timedelta(hours=settings.site_phase_hours)
        self._max_answer_bytes = max_answer_bytes
        self._clock = clock

    async def add_log(self, caller: User, site: str, message: str, *, level: str, timestamp: int, address: str) -> None:
        """Take a message, said at a moment by the site's clock; sent again, it is the same one.

        Raises `RefusedError` for whoever may not say it, `TooManyError`.
        """
        self._admit(caller, site, address)
        kept = SiteMessage(
            message_id=derived_id("site_log", site, timestamp, level, message),
            site=site,
            kind=MessageKind.LOG,
            timestamp=timestamp,
            message=message,
            log_level=level,
            kept_until=self._clock() + self._logs_kept,
        )
        event = SiteLogAdded(producer=SERVICE, site=site, message=message, log_level=level, timestamp=timestamp)
        await self._messages.add(kept, [event])

    async def logs(self, site: str, *, after: int) -> Sequence[SiteMessage]:
        """Return the messages of a site of after a moment in seconds since 1970, newest first."""
        return await self._messages.newest(
            site, MessageKind.LOG, after=after, limit=_MOST_LOGS, max_bytes=self._max_answer_bytes
        )

    async def add_phase(self, caller: User, site: str, message: str, *, address: str) -> None:
        """Take what a site is about to do. Raises `RefusedError` for whoever may not say it, `TooManyError`."""
        self._admit(caller, site, address)
        now = self._clock()
        kept = SiteMessage(
            message_id=new_id(),
            site=site,
            kind=MessageKind.PHASE,
            timestamp=now.timestamp(),
            message=message,
            kept_until=now + self._phases_kept,
        )
        event = SitePhaseChanged(producer=SERVICE, site=site, message=message, timestamp=kept.timestamp)
        await self._messages.add(kept, [event])

    async def phases(self, site: str, *, max_age_s: float) -> Sequence[SiteMessage]:
        """Return the latest phases of a site that are no older, newest first."""
        return await self._messages.newest(
            site,
            MessageKind.PHASE,
            after=self._clock().timestamp() - max_age_s,
            limit=_MOST_PHASES,
            max_bytes=self._max_answer_bytes,
        )

    def _admit(self, caller: User, site: str, address: str) -> None:
        if not self._open_sites.let(caller, site, SiteWork.LOGS):
            raise RefusedError(f"What site {site!r} says is taken from its own software only, with a token.")
        self._limits.take(site=site, address=address)
