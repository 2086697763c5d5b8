"""Sessions in MongoDB, each with its outbox."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from datalab.documents.document import ASCENDING, DESCENDING, Document, Index
from datalab.events.envelope import Event
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import PUBLISHED, Collection
from datalab.platform.documents.outbox import OutboxRelay
from datalab.platform.together import Together
from session_api.sessions.model import Session, SessionFilter
from session_api.web.window import Window

#: Sessions whose owners are asked for by one question.
_MOST_AT_ONCE = 1000
_NEWEST_FIRST = (("modified", DESCENDING), ("_id", DESCENDING))


class SessionRepository:
    """Collection `sessions`. What is deleted is not found, unless the method says so."""

    def __init__(self, *, database: Database, relay: OutboxRelay, max_answer_bytes: int) -> None:
        self._max_answer_bytes = max_answer_bytes
        self._sessions = Collection(
            database,
            "sessions",
            Session,
            indexes=[
                Index(fields=(("owner", ASCENDING), ("deleted", ASCENDING), *_NEWEST_FIRST), name="list"),
                Index(fields=(("deleted_at", ASCENDING),), name="deleted", where={"deleted": True}),
                Index(fields=(("input_data.basename", ASCENDING),), name="frames", where={"deleted": False}),
            ],
            relay=relay,
        )
        self.ensure_indexes = self._sessions.ensure_indexes
        self.next_id = self._sessions.next_number
        self._asking_for_owners = Together(self._owners, most=_MOST_AT_ONCE, size=len)

    async def insert(self, session: Session, events: Sequence[Event]) -> None:
        await self._sessions.insert(session, events)

    async def find(self, owner: str, session_id: int) -> Session | None:
        return await self._sessions.find_one(_own(owner, session_id))

    async def open(self, owner: str, session_id: int, *, now: datetime) -> Session | None:
        """Find a session and note the access, in one step."""
        return await self._sessions.change_and_find(_own(owner, session_id), {"$max": {"accessed": now}})

    async def page(self, owner: str, chosen: SessionFilter, window: Window) -> tuple[int, list[Session]]:
        """Return how many sessions match, and the window of them, newest change first."""
        query = {"$and": [{"owner": owner, "deleted": False}, *_conditions(chosen)]}
        return await self._sessions.count(query), await self._sessions.find_within(
            query, sort=_NEWEST_FIRST, skip=window.offset, limit=window.limit, max_bytes=self._max_answer_bytes
        )

    async def owned_ids(self, owner: str, ids: Iterable[int]) -> set[int]:
        """Return those of the ids that are sessions of the owner."""
        wanted = frozenset(ids)
        owners = await self._asking_for_owners.ask(wanted)
        return {each for each in wanted if owners.get(each) == owner}

    async def _owners(self, asked: Sequence[frozenset[int]]) -> list[Mapping[int, str] | Exception]:
        query = {"_id": {"$in": list(frozenset().union(*asked))}, "deleted": False}
        owners = {row["_id"]: row["owner"] for row in await self._sessions.rows(query, {"owner": True})}
        return [owners] * len(asked)

    async def any_with_frame(self, basename: str, *, limit: int) -> list[tuple[str, int]]:
        """Return owner and id of sessions, anybody's, that have a frame among their input data."""
        query = {"input_data.basename": basename, "deleted": False}
        return [(row["owner"], row["_id"]) for row in await self._sessions.rows(query, {"owner": True}, limit=limit)]

    async def ids_of(self, owner: str, *, limit: int) -> list[int]:
        """Return ids of the owner's sessions, `limit` at the most."""
        rows = await self._sessions.rows({"owner": owner, "deleted": False}, {"_id": True}, limit=limit)
        return [row["_id"] for row in rows]

    async def replace(self, session: Session, *, revision: int, events: Sequence[Event]) -> None:
        """Store name, input data and times. Raises `LostRaceError` if the session no longer has this revision."""
        await self._sessions.replace(
            {**_own(session.owner, session.id), "revision": revision},
            session.model_dump(include={"name", "input_data", "modified", "revision"}),
            events,
            **{"$max": {"accessed": session.accessed}},
        )

    async def mark_deleted(self, owner: str, session_id: int, *, now: datetime, events: Sequence[Event]) -> bool:
        changes = {"$set": {"deleted": True, "deleted_at": now}}
        return await self._sessions.update(_own(owner, session_id), changes, events)

    async def find_any_deleted(self, *, limit: int) -> list[tuple[str, int]]:
        """Return owner and id of sessions that are deleted and not purged yet."""
        rows = await self._sessions.rows(
            {"deleted": True}, {"owner": True}, sort=[("deleted_at", ASCENDING)], limit=limit
        )
        return [(row["owner"], row["_id"]) for row in rows]

    async def purge_any(self, ids: Sequence[int], *, deleted_before: datetime) -> int:
        """Remove deleted sessions whose events are all published."""
        return await self._sessions.delete(
            {"_id": {"$in": list(ids)}, "deleted": True, "deleted_at": {"$lt": deleted_before}, **PUBLISHED}
        )


def _own(owner: str, session_id: int) -> Document:
    return {"_id": session_id, "owner": owner, "deleted": False}


def _conditions(chosen: SessionFilter) -> list[Document]:
    wanted: list[tuple[str, str, Any]] = [
        ("created", "$gte", chosen.created_after),
        ("created", "$lte", chosen.created_before),
        ("modified", "$gte", chosen.modified_after),
        ("modified", "$lte", chosen.modified_before),
        ("name", "$eq", chosen.name_exact),
        ("owner", "$eq", chosen.user_exact),
        ("name", "$regex", _containing(chosen.name_contains)),
        ("owner", "$regex", _containing(chosen.user_contains)),
    ]
    return [{field: {operator: value}} for field, operator, value in wanted if value is not None]


def _containing(text: str | None) -> re.Pattern[str] | None:
    return None if text is None else re.compile(re.escape(text), re.IGNORECASE)
