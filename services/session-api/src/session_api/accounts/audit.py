"""The audit log: who changed what, when and from where."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from datalab.documents.document import ASCENDING, DESCENDING, Document, Index
from datalab.errors import TransientError
from datalab.events.envelope import utc_now
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection
from datalab.platform.logging import get_logger
from datalab.platform.together import Together
from session_api.accounts.model import AuditEntry
from session_api.web.window import Window

_log = get_logger(__name__)


class AuditRepository:
    """Collection `audit_log`: entries are added, and go when they have had their time."""

    def __init__(self, database: Database) -> None:
        self._entries = Collection(
            database,
            "audit_log",
            AuditEntry,
            indexes=[
                Index(fields=(("expires_at", ASCENDING),), name="expires", expires_after_s=0),
                Index(fields=(("at", DESCENDING),), name="latest"),
                Index(fields=(("username", ASCENDING), ("at", DESCENDING)), name="of_user"),
            ],
        )
        self._answers: Together[tuple[str, int], None] = Together(self._keep_answers)
        self.ensure_indexes = self._entries.ensure_indexes

    async def add(self, entry: AuditEntry) -> None:
        await self._entries.insert(entry)

    async def add_answer(self, request_id: str, *, status: int) -> None:
        """Add how a request was answered, unless that is known."""
        await self._answers.ask((request_id, status))

    async def page_of_any(
        self, window: Window, *, username: str | None, since: datetime | None, until: datetime | None
    ) -> tuple[int, list[AuditEntry]]:
        """Return how many entries there are, and the window of them, the latest first."""
        times = {name: moment for name, moment in (("$gte", since), ("$lt", until)) if moment is not None}
        query: Document = {} if username is None else {"username": username}
        if times:
            query["at"] = times
        count = await (self._entries.count(query) if query else self._entries.estimated_count())
        latest = [("at", DESCENDING)]
        return count, await self._entries.find(query, sort=latest, skip=window.offset, limit=window.limit)

    async def _keep_answers(self, answers: Sequence[tuple[str, int]]) -> list[None]:
        await self._entries.update_each(
            [({"_id": request_id, "status": None}, {"$set": {"status": status}}, ()) for request_id, status in answers]
        )
        return [None] * len(answers)


class AuditService:
    """Keeps entries, and shows them to whoever looks after the system; the routes see to that."""

    def __init__(self, *, entries: AuditRepository, keep: timedelta, timeout_s: float) -> None:
        self._entries = entries
        self._keep = keep
        self._timeout_s = timeout_s

    async def begin(
        self, request_id: str, *, username: str, address: str, method: str, route: str, about: Mapping[str, str]
    ) -> None:
        """Keep that somebody asks for a change. Raises `TransientError`: what cannot be kept is not done."""
        now = utc_now()
        entry = AuditEntry(
            request_id=request_id,
            at=now,
            username=username,
            address=address,
            method=method,
            route=route,
            about=dict(about),
            expires_at=now + self._keep,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._entries.add(entry)
        except TimeoutError:
            raise TransientError("the document store does not answer") from None

    async def end(self, request_id: str, *, status: int) -> None:
        """Keep how it was answered, if that can be done now: it is done, and the log of the service says how, too."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._entries.add_answer(request_id, status=status)
        except (TimeoutError, TransientError):
            _log.warning("accounts.audit_unfinished", request=request_id, status=status)

    async def page(
        self, window: Window, *, username: str | None, since: datetime | None, until: datetime | None
    ) -> tuple[int, list[AuditEntry]]:
        """Return how many entries there are, and the window of them, the latest first."""
        return await self._entries.page_of_any(window, username=username, since=since, until=until)
