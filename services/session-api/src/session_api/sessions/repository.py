"""Sessions in MongoDB, each with its outbox."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from datalab.events.envelope import Event
from datalab.platform.documents.client import (
    ASCENDING,
    DESCENDING,
    Database,
    Document,
    IndexModel,
    ReturnDocument,
    mongo_errors,
    next_number,
)
from datalab.platform.documents.outbox import OutboxRelay, outbox_entries, outbox_index
from session_api.sessions.model import Session, SessionFilter
from session_api.web.window import Window

COLLECTION = "sessions"
_WITHOUT_OUTBOX = {"outbox": False}


class MongoSessionRepository:
    """Collection `sessions`."""

    def __init__(self, *, database: Database, relay: OutboxRelay) -> None:
        self._database = database
        self._sessions = database[COLLECTION]
        self._relay = relay

    async def ensure_indexes(self) -> None:
        """Create the indexes that are missing."""
        with mongo_errors():
            await self._sessions.create_indexes(
                [
                    IndexModel(
                        [("owner", ASCENDING), ("deleted", ASCENDING), ("modified", DESCENDING), ("_id", DESCENDING)],
                        name="list",
                    ),
                    IndexModel([("deleted_at", ASCENDING)], name="deleted", partialFilterExpression={"deleted": True}),
                    outbox_index(),
                ]
            )

    async def next_id(self) -> int:
        return await next_number(self._database, COLLECTION)

    async def insert(self, session: Session, events: Sequence[Event]) -> None:
        entries = outbox_entries(events)
        with mongo_errors():
            await self._sessions.insert_one(
                {
                    "_id": session.id,
                    "owner": session.owner,
                    "name": session.name,
                    "input_data": list(session.input_data),
                    "created": session.created,
                    "accessed": session.accessed,
                    "modified": session.modified,
                    "revision": session.revision,
                    "deleted": False,
                    "outbox": entries,
                }
            )
        self._relay.nudge(COLLECTION, session.id, entries)

    async def find(self, owner: str, session_id: int) -> Session | None:
        with mongo_errors():
            document = await self._sessions.find_one(_own(owner, session_id), _WITHOUT_OUTBOX)
        return None if document is None else _session(document)

    async def open(self, owner: str, session_id: int, *, now: datetime) -> Session | None:
        with mongo_errors():
            document = await self._sessions.find_one_and_update(
                _own(owner, session_id),
                {"$max": {"accessed": now}},
                projection=_WITHOUT_OUTBOX,
                return_document=ReturnDocument.AFTER,
            )
        return None if document is None else _session(document)

    async def page(self, owner: str, chosen: SessionFilter, window: Window) -> tuple[int, list[Session]]:
        query = {"$and": [{"owner": owner, "deleted": False}, *_conditions(chosen)]}
        with mongo_errors():
            count = await self._sessions.count_documents(query)
            documents = await (
                self._sessions.find(query, _WITHOUT_OUTBOX)
                .sort([("modified", DESCENDING), ("_id", DESCENDING)])
                .skip(window.offset)
                .limit(window.limit)
                .to_list(None)
            )
        return count, [_session(document) for document in documents]

    async def owned_ids(self, owner: str, ids: Iterable[int]) -> set[int]:
        query = {"_id": {"$in": list(ids)}, "owner": owner, "deleted": False}
        with mongo_errors():
            documents = await self._sessions.find(query, {"_id": True}).to_list(None)
        return {document["_id"] for document in documents}

    async def replace(self, session: Session, *, revision: int, events: Sequence[Event]) -> bool:
        entries = outbox_entries(events)
        with mongo_errors():
            result = await self._sessions.update_one(
                {**_own(session.owner, session.id), "revision": revision},
                {
                    "$set": {
                        "name": session.name,
                        "input_data": list(session.input_data),
                        "modified": session.modified,
                        "revision": session.revision,
                    },
                    "$max": {"accessed": session.accessed},
                    "$push": {"outbox": {"$each": entries}},
                },
            )
        if result.modified_count:
            self._relay.nudge(COLLECTION, session.id, entries)
        return bool(result.modified_count)

    async def mark_deleted(self, owner: str, session_id: int, *, now: datetime, events: Sequence[Event]) -> bool:
        entries = outbox_entries(events)
        with mongo_errors():
            result = await self._sessions.update_one(
                _own(owner, session_id),
                {"$set": {"deleted": True, "deleted_at": now}, "$push": {"outbox": {"$each": entries}}},
            )
        if result.modified_count:
            self._relay.nudge(COLLECTION, session_id, entries)
        return bool(result.modified_count)

    async def find_any_deleted(self, *, limit: int) -> list[tuple[str, int]]:
        with mongo_errors():
            documents = await (
                self._sessions.find({"deleted": True}, {"owner": True})
                .sort("deleted_at", ASCENDING)
                .limit(limit)
                .to_list(None)
            )
        return [(document["owner"], document["_id"]) for document in documents]

    async def purge_any(self, ids: Sequence[int], *, deleted_before: datetime) -> int:
        with mongo_errors():
            result = await self._sessions.delete_many(
                {
                    "_id": {"$in": list(ids)},
                    "deleted": True,
                    "deleted_at": {"$lt": deleted_before},
                    "outbox.0": {"$exists": False},
                }
            )
        return result.deleted_count


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


def _session(document: Document) -> Session:
    return Session(
        id=document["_id"],
        owner=document["owner"],
        name=document["name"],
        input_data=tuple(document["input_data"]),
        created=document["created"],
        accessed=document["accessed"],
        modified=document["modified"],
        revision=document["revision"],
    )
