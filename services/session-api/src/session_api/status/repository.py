"""Statuses of sites, in MongoDB: the present ones, and some of those before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from datalab.documents.document import ASCENDING, DESCENDING, Index
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection
from session_api.status.model import SiteStatus, StatusSnapshot, status_id


@dataclass(frozen=True, slots=True)
class Write:
    """A status to be stored in the place of the one with a mark, or of none."""

    status: SiteStatus
    former_mark: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusAge:
    """When a kind of status came last, and what the weather is said to be."""

    site: str
    kind: str
    server_timestamp_ms: int
    wx_ok: bool | None


class StatusRepository:
    """Collections `site_statuses` and `site_status_history`: they are everybody's to read."""

    def __init__(self, database: Database) -> None:
        self._statuses = Collection(
            database, "site_statuses", SiteStatus, indexes=[Index(fields=(("site", ASCENDING),))]
        )
        self._history = Collection(
            database,
            "site_status_history",
            StatusSnapshot,
            indexes=[
                Index(fields=(("site", ASCENDING), ("kind", ASCENDING), ("server_timestamp_ms", DESCENDING))),
                Index(fields=(("kept_until", ASCENDING),), expires_after_s=0),
            ],
        )

    async def ensure_indexes(self) -> None:
        await self._statuses.ensure_indexes()
        await self._history.ensure_indexes()

    async def find(self, site: str, kind: str) -> SiteStatus | None:
        return await self._statuses.find_one({"_id": status_id(site, kind)})

    async def find_many(self, ids: Sequence[str]) -> list[SiteStatus]:
        return await self._statuses.find({"_id": {"$in": list(ids)}})

    async def find_of(self, site: str) -> list[SiteStatus]:
        return await self._statuses.find({"site": site})

    async def count_of(self, site: str) -> int:
        return await self._statuses.count({"site": site})

    async def count_all(self) -> int:
        return await self._statuses.estimated_count()

    async def ages(self) -> list[StatusAge]:
        """Return when each kind of each site came last."""
        rows = await self._statuses.rows({}, {"status": False, "mark": False})
        return [
            StatusAge(
                site=row["site"],
                kind=row["kind"],
                server_timestamp_ms=row["server_timestamp_ms"],
                wx_ok=row.get("wx_ok"),
            )
            for row in rows
        ]

    async def write(self, writes: Sequence[Write]) -> set[str]:
        """Store statuses, many by one write; return the ids of those that somebody else was faster with."""
        lost = {
            each.status.status_id
            for each in writes
            if each.former_mark is None and not await self._statuses.insert(each.status)
        }
        updates = []
        for each in writes:
            if each.former_mark is not None:
                fields = each.status.stored()
                updates.append(({"_id": fields.pop("_id"), "mark": each.former_mark}, {"$set": fields}, ()))
        if await self._statuses.update_each(updates) < len(updates):
            marks = {each.status.status_id: each.status.mark for each in writes if each.former_mark is not None}
            rows = await self._statuses.rows({"_id": {"$in": list(marks)}}, {"mark": True})
            stored = {row["_id"]: row["mark"] for row in rows}
            lost |= {each for each, mark in marks.items() if stored.get(each) != mark}
        return lost

    # --- before ----------------------------------------------------------------------------------------------------

    async def keep(self, snapshot: StatusSnapshot) -> None:
        """Keep what a status is now. Kept already, the first one of its interval stays."""
        await self._history.insert(snapshot)

    async def history(self, site: str, kind: str, *, since_ms: int, limit: int, max_bytes: int) -> list[StatusSnapshot]:
        """Return what a status was, newest first."""
        return await self._history.find_within(
            {"site": site, "kind": kind, "server_timestamp_ms": {"$gte": since_ms}},
            sort=(("server_timestamp_ms", DESCENDING),),
            limit=limit,
            max_bytes=max_bytes,
        )
