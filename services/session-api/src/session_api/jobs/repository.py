"""Jobs, in MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from datalab.documents.document import ASCENDING, DESCENDING, Index, StoredDocument
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection
from datalab.platform.documents.outbox import OutboxRelay
from session_api.jobs.model import UNREAD, Job, JobQueue, changed

_IN_ORDER: Final = (("sequence", ASCENDING),)
#: Clients sort jobs by their moment, so no job is earlier than the one before it. A clock that was ahead by more than
#: this, in ms, is no longer heeded.
_MOST_AHEAD_MS: Final = 60_000


class _Numbers(StoredDocument):
    """The last job of a site: its number and moment are those the next one is beyond."""

    last: int
    moment_ms: int


class JobRepository:
    """Collection `jobs`, and the numbers of a site's jobs in `job_numbers`."""

    def __init__(self, *, database: Database, relay: OutboxRelay) -> None:
        self._jobs = Collection(
            database,
            "jobs",
            Job,
            indexes=[
                *(
                    Index(
                        fields=(("site", ASCENDING), ("sequence", ASCENDING)), name=queue.value, where={queue: UNREAD}
                    )
                    for queue in JobQueue
                ),
                *(
                    Index(
                        fields=(("site", ASCENDING), (queue.again_at, ASCENDING)),
                        name=queue.again_at,
                        where={queue.again_at: {"$type": "date"}},
                    )
                    for queue in JobQueue
                ),
                Index(fields=(("site", ASCENDING), ("timestamp_ms", DESCENDING))),
                Index(fields=(("expires_at", ASCENDING),), expires_after_s=0),
            ],
            relay=relay,
        )
        self._numbers = Collection(database, "job_numbers", _Numbers)
        self.ensure_indexes = self._jobs.ensure_indexes

    async def next_number(self, site: str) -> tuple[int, int]:
        """Return the number and the moment, in ms since 1970, of a site's next job, by the clock of the store."""
        now = {"$toLong": "$$NOW"}
        last = {"$ifNull": ["$moment_ms", 0]}
        ahead = {"$gt": [last, {"$add": [now, _MOST_AHEAD_MS]}]}
        row = await self._numbers.change_first(
            {"_id": site},
            [
                {
                    "$set": {
                        "last": {"$add": [{"$ifNull": ["$last", 0]}, 1]},
                        "moment_ms": {"$cond": [ahead, now, {"$max": [last, now]}]},
                    }
                }
            ],
            sort=(),
            create=True,
        )
        assert row is not None
        return row["last"], row["moment_ms"]

    async def insert(self, job: Job) -> bool:
        return await self._jobs.insert(job, [changed(job)])

    async def find(self, site: str, ulid: str) -> Job | None:
        return await self._jobs.find_one({"_id": ulid, "site": site})

    async def count_unread(self, site: str, *, most: int) -> int:
        return await self._jobs.count({"site": site, JobQueue.PRIMARY: UNREAD}, most=most)

    async def unread(self, site: str, queue: JobQueue, *, limit: int) -> list[Job]:
        return await self._jobs.find({"site": site, queue: UNREAD}, sort=_IN_ORDER, limit=limit)

    async def lent(self, site: str, queue: JobQueue, *, limit: int) -> list[Job]:
        """Return jobs that were handed out for a time, over or not, and of which nothing was said."""
        return await self._jobs.find({"site": site, queue.again_at: {"$type": "date"}}, sort=_IN_ORDER, limit=limit)

    async def recent(self, site: str, *, since_ms: int, limit: int, max_bytes: int) -> list[Job]:
        """Return the newest jobs of a site from a moment on, in their order."""
        newest = await self._jobs.find_within(
            {"site": site, "timestamp_ms": {"$gte": since_ms}},
            sort=(("timestamp_ms", DESCENDING),),
            limit=limit,
            max_bytes=max_bytes,
        )
        return sorted(newest, key=lambda job: job.sequence)

    async def due_again(self, site: str, queue: JobQueue, now: datetime) -> list[Job]:
        """Return jobs that were handed out for a time that is over, and of which nothing was said."""
        return await self._jobs.find({"site": site, queue.again_at: {"$lte": now}}, sort=_IN_ORDER)

    async def replace(self, job: Job) -> None:
        """Keep a changed job. Raises `LostRaceError` if another change was faster."""
        fields = job.stored()
        query = {"_id": fields.pop("_id"), "revision": job.revision - 1}
        await self._jobs.replace(query, fields, [changed(job)])

    async def replace_all(self, jobs: Sequence[Job]) -> None:
        """Keep those of several changed jobs of which no other change was faster."""
        updates = []
        for job in jobs:
            fields = job.stored()
            query = {"_id": fields.pop("_id"), "revision": job.revision - 1}
            updates.append((query, {"$set": fields}, [changed(job)]))
        await self._jobs.update_each(updates)
