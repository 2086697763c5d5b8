"""Keeps the tallies of frames. This service is their only writer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from time import monotonic

from datalab.documents import frame
from datalab.documents.document import ASCENDING, Document
from datalab.documents.frame import CLOSED, COMPLETE, OPEN, FrameDocument
from datalab.documents.frame_tally import (
    COLLECTION,
    COMPLETE_ID,
    EVERY_DAY,
    TALLIED_BY,
    TallyDocument,
    beginning_of,
    end_of,
    month_of,
    packed_counts,
    span_of_day,
)
from datalab.events.envelope import utc_now
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection

#: A day is tallied when it was last marked so long ago: who marked it has written his frames.
QUIET = timedelta(seconds=120)
#: A mark is good for the frames of so many seconds. Together with the longest write (30 s) far less than `QUIET`.
_MARK_GOOD_FOR_S = 10.0
_MOST_REMEMBERED = 10_000
_LOOK_AGAIN = timedelta(days=1)
#: A month of 300,000 frames takes a second or two; between a few of them others have their turn.
_MOST_AT_ONCE = 3
#: More kinds of frames in a month: 5 MB of them, and nothing that frames could be told apart by.
MOST_CELLS = 20_000


class TallyRepository:
    """Collection `frame_tallies`."""

    def __init__(self, *, database: Database) -> None:
        self._tallies = Collection(database, COLLECTION, TallyDocument)
        self._frames = Collection(database, frame.COLLECTION, FrameDocument)
        self._marked_at: dict[str, float] = {}
        self._complete = False

    async def mark(self, moments: Iterable[datetime]) -> None:
        """Say that frames captured then are going to be written."""
        now = monotonic()
        for day in {moment.astimezone(UTC).isoformat()[:10] for moment in moments}:
            if now - self._marked_at.get(day, -_MARK_GOOD_FOR_S) < _MARK_GOOD_FOR_S:
                continue
            await self._mark(day[:7], day[8:])
            if len(self._marked_at) >= _MOST_REMEMBERED:
                self._marked_at.clear()
            self._marked_at[day] = now

    async def _mark(self, month: str, day: str) -> None:
        mark: Document = {"$set": {f"marked.{day}": utc_now()}, "$inc": {"revision": 1}}
        if await self._tallies.update({"_id": month}, mark):
            return
        # Nobody tallied this month: of its other days nothing is known either.
        await self._tallies.insert(TallyDocument(month=month, marked={EVERY_DAY: utc_now()}))
        await self._tallies.update({"_id": month}, mark)

    async def tally(self, *, quiet: timedelta = QUIET, most: int = _MOST_AT_ONCE) -> int:
        """Tally months with days that were marked some time ago, so many at the most; return how many there were.

        And one that was not for a day, if there is one: so much later is seen what was written without a mark.
        """
        if not self._complete:
            await self._begin_all()
        tallied = 0
        now = utc_now()
        fields: Document = {"revision": True, "marked": True, "tallied_at": True}
        rows = await self._tallies.rows({"_id": {"$ne": COMPLETE_ID}}, fields)
        due = [row for row in rows if any(marked_at < now - quiet for marked_at in row["marked"].values())]
        old = [row for row in rows if row not in due and row["tallied_at"] and row["tallied_at"] < now - _LOOK_AGAIN]
        for row in (*due, *old[:1])[:most]:
            tallied += await self._tally(row["_id"], row["revision"], row["marked"], quiet_since=now - quiet)
        return tallied

    async def _tally(self, month: str, revision: int, marked: dict[str, datetime], *, quiet_since: datetime) -> bool:
        """Tally a month but for the days that are still written to. Return False if one more is, meanwhile."""
        left_out = {day: marked_at for day, marked_at in marked.items() if marked_at >= quiet_since}
        inside: Document = {"$gte": beginning_of(month), "$lt": end_of(month)}
        query: Document = {"release": {"$in": [CLOSED, OPEN, COMPLETE]}, "capture_date": inside, "has_science": True}
        if EVERY_DAY in left_out:
            return False
        now = utc_now()
        if left_out:
            days = [span_of_day(month, int(day) - 1) for day in left_out]
            query["$nor"] = [{"capture_date": {"$gte": since, "$lt": until}} for since, until in days]
        kind = {field: f"${field}" for field in TALLIED_BY}
        day = {"$subtract": [{"$dayOfMonth": "$capture_date"}, 1]}
        rows = await self._frames.aggregate(
            [
                {"$match": query},
                {"$group": {"_id": {"kind": kind, "day": day}, "count": {"$sum": 1}}},
                {"$group": {"_id": "$_id.kind", "days": {"$push": {"day": "$_id.day", "count": "$count"}}}},
                {"$limit": MOST_CELLS + 1},
            ],
            limit=MOST_CELLS + 1,
        )
        cells = [
            {
                "values": [row["_id"].get(field) for field in TALLIED_BY],
                "counts": packed_counts({each["day"]: each["count"] for each in row["days"]}),
            }
            for row in rows
        ]
        found = {"cells": cells if len(cells) <= MOST_CELLS else None, "marked": left_out, "tallied_at": now}
        return await self._tallies.update(
            {"_id": month, "revision": revision}, {"$set": found, "$inc": {"revision": 1}}
        )

    async def _begin_all(self) -> None:
        """Mark every month that has frames and no tally: what was written before there were any is not marked."""
        if not await self._tallies.count({"_id": COMPLETE_ID}, most=1):
            month = await self._next_month(None)
            while month is not None:
                long_ago = beginning_of("1970-01")
                await self._tallies.insert(TallyDocument(month=month, marked={EVERY_DAY: long_ago}))
                month = await self._next_month(end_of(month))
            await self._tallies.insert(TallyDocument(month=COMPLETE_ID))
        self._complete = True

    async def _next_month(self, beginning: datetime | None) -> str | None:
        """Return the first month with frames from a moment on."""
        later: Document = {} if beginning is None else {"capture_date": {"$gte": beginning}}
        found: list[datetime] = []
        for release in (CLOSED, OPEN, COMPLETE):
            rows = await self._frames.rows(
                {"release": release, **later},
                {"capture_date": True},
                sort=[("capture_date", ASCENDING), ("frame_id", ASCENDING)],
                limit=1,
            )
            found += [row["capture_date"] for row in rows]
        return month_of(min(found)) if found else None
