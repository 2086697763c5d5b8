"""Sessions in MongoDB, each with its outbox."""

from __future__ import annotations

import re
from collections.abc import Collection as AbstractCollection
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from datalab.documents.document import ASCENDING, DESCENDING, Document, Index
from datalab.events.envelope import Event
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import PUBLISHED, Collection
from datalab.platform.documents.outbox import OutboxRelay
from datalab.platform.together import Together
from session_api.sessions.model import Belonging, Session, SessionFilter, SessionStanding
from session_api.web.window import Window

#: Sessions of which one question asks who may do what.
_MOST_AT_ONCE = 1000
#: Sessions that are shared with one user. An output in one more is not found by its name alone.
_MOST_JOINT = 10_000
_STANDING = {"owner": True, "shares": True, "link": True, "deleted": True}
#: What of a session changes.
_CHANGING = {"name", "input_data", "modified", "owner", "shares", "link", "joint"}
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
                Index(fields=(("shares.user", ASCENDING),), name="shared_with_users", where={"deleted": False}),
                Index(fields=(("shares.group", ASCENDING),), name="shared_with_groups", where={"deleted": False}),
                Index(
                    fields=(("link.hash", ASCENDING),),
                    name="links",
                    unique=True,
                    where={"link.hash": {"$type": "string"}},
                ),
                Index(fields=(("owner", ASCENDING), ("joint", ASCENDING)), name="joint", where={"joint": True}),
            ],
            relay=relay,
        )
        self.ensure_indexes = self._sessions.ensure_indexes
        self.next_id = self._sessions.next_number
        self._asking_for_standings = Together(self._standings, most=_MOST_AT_ONCE, size=len)

    async def insert(self, session: Session, events: Sequence[Event]) -> None:
        await self._sessions.insert(session, events)

    async def find_any(self, session_id: int) -> Session | None:
        return await self._sessions.find_one({"_id": session_id, "deleted": False})

    async def open(self, owner: str, session_id: int, *, now: datetime) -> Session | None:
        """Find a session and note the access, in one step."""
        return await self._sessions.change_and_find(_own(owner, session_id), {"$max": {"accessed": now}})

    async def page(
        self, owner: str, groups: AbstractCollection[int], chosen: SessionFilter, window: Window
    ) -> tuple[int, list[Session]]:
        """Return how many sessions match of the owner's, or shared with them or a group of theirs; and the window.

        The newest change comes first.
        """
        ways: dict[Belonging, Document] = {
            "own": {"owner": owner},
            "include": {"$or": [{"owner": owner}, *_shared_with(owner, groups)]},
            "only": {"owner": {"$ne": owner}, "$or": _shared_with(owner, groups)},
        }
        query = {"$and": [{**ways[chosen.belonging], "deleted": False}, *_conditions(chosen)]}
        return await self._sessions.count(query), await self._sessions.find_within(
            query, sort=_NEWEST_FIRST, skip=window.offset, limit=window.limit, max_bytes=self._max_answer_bytes
        )

    async def find_any_standings(self, ids: Iterable[int], *, also_deleted: bool = False) -> dict[int, SessionStanding]:
        """Return who may do what in those of the sessions that there are."""
        wanted = frozenset(ids)
        if not wanted:
            return {}
        standings = await self._asking_for_standings.ask(wanted)
        return {
            number: standing
            for number, (standing, deleted) in standings.items()
            if number in wanted and (also_deleted or not deleted)
        }

    async def _standings(
        self, asked: Sequence[frozenset[int]]
    ) -> list[Mapping[int, tuple[SessionStanding, bool]] | Exception]:
        rows = await self._sessions.rows({"_id": {"$in": list(frozenset().union(*asked))}}, _STANDING)
        found = {row["_id"]: (SessionStanding.model_validate(row), bool(row["deleted"])) for row in rows}
        return [found] * len(asked)

    async def find_any_joint(
        self, *, username: str, groups: AbstractCollection[int], link_hash: str | None
    ) -> dict[int, SessionStanding]:
        """Return what a user may do in sessions shared with them, or opened by a link, or of the user's and joint.

        What others may there stays in the store: others choose how many they share with somebody, and with how many
        more; all of it would take seconds to read.
        """
        alternatives: list[Document] = []
        if username:
            alternatives += [{"owner": username, "joint": True}, *_shared_with(username, groups)]
        if link_hash is not None:
            alternatives.append({"link.hash": link_hash})
        query = {"$or": alternatives, "deleted": False}
        own = {"$or": [{"$eq": ["$$each.user", {"$literal": username}]}, {"$in": ["$$each.group", sorted(groups)]}]}
        shares = {"$filter": {"input": {"$ifNull": ["$shares", []]}, "as": "each", "cond": own}}
        standing = {**_STANDING, "shares": shares}
        rows = await self._sessions.rows(query, standing, sort=[("_id", DESCENDING)], limit=_MOST_JOINT)
        return {row["_id"]: SessionStanding.model_validate(row) for row in rows}

    async def any_opened_by(self, link_hash: str) -> bool:
        """Tell whether a link of this hash opens a session."""
        query = {"link.hash": link_hash, "deleted": False}
        return bool(await self._sessions.rows(query, {"_id": True}, limit=1))

    async def any_with_frame(self, basename: str, *, limit: int) -> list[tuple[str, int]]:
        """Return owner and id of sessions, anybody's, that have a frame among their input data."""
        query = {"input_data.basename": basename, "deleted": False}
        return [(row["owner"], row["_id"]) for row in await self._sessions.rows(query, {"owner": True}, limit=limit)]

    async def ids_of(self, owner: str, *, limit: int) -> list[int]:
        """Return ids of the owner's sessions, `limit` at the most."""
        rows = await self._sessions.rows({"owner": owner, "deleted": False}, {"_id": True}, limit=limit)
        return [row["_id"] for row in rows]

    async def replace(self, before: Session, after: Session, events: Sequence[Event]) -> None:
        """Store a session as it is to be. Raises `LostRaceError` if it is no longer as it was before."""
        await self._sessions.replace(
            {**_own(before.owner, before.id), "revision": before.revision},
            {**after.model_dump(include=_CHANGING), "revision": before.revision + 1},
            events,
            **{"$max": {"accessed": after.accessed}},
        )

    async def find_any_groups(self) -> list[int]:
        """Return the groups that sessions are shared with."""
        groups = await self._sessions.distinct("shares.group", {"shares.group": {"$type": "number"}, "deleted": False})
        return [group for group in groups if group is not None]  # what is shared with users has none

    async def withdraw_any(self, *, user: str | None = None, group: int | None = None) -> None:
        """Share no session with a user or a group any more, who is no more."""
        who: Document = {"user": user} if group is None else {"group": group}
        query = {"shares": {"$elemMatch": who}, "deleted": False}
        await self._sessions.update_all(query, {"$pull": {"shares": who}, "$inc": {"revision": 1}})

    async def owners_of(self, ids: Iterable[int]) -> dict[int, str]:
        """Return whose the sessions are."""
        return {number: standing.owner for number, standing in (await self.find_any_standings(ids)).items()}

    async def mark_deleted(self, owner: str, session_id: int, *, now: datetime, events: Sequence[Event]) -> bool:
        changes = {"$set": {"deleted": True, "deleted_at": now}}
        return await self._sessions.update(_own(owner, session_id), changes, events)

    async def find_any_deleted(self, *, limit: int) -> list[int]:
        """Return sessions that are deleted and not purged yet."""
        rows = await self._sessions.rows(
            {"deleted": True}, {"_id": True}, sort=[("deleted_at", ASCENDING)], limit=limit
        )
        return [row["_id"] for row in rows]

    async def purge_any(self, ids: Sequence[int], *, deleted_before: datetime) -> int:
        """Remove deleted sessions whose events are all published."""
        return await self._sessions.delete(
            {"_id": {"$in": list(ids)}, "deleted": True, "deleted_at": {"$lt": deleted_before}, **PUBLISHED}
        )


def _shared_with(username: str, groups: AbstractCollection[int]) -> list[Document]:
    """Return what is true of sessions that are shared with a member of these groups."""
    in_groups: list[Document] = [{"shares.group": {"$in": sorted(groups)}}] if groups else []
    return [{"shares.user": username}, *in_groups]


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
