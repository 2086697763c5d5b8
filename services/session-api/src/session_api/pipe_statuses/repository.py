"""Statuses of PIPE machines, in MongoDB."""

from __future__ import annotations

from typing import Final

from datalab.documents.document import ASCENDING, Index
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection
from session_api.pipe_statuses.model import PipeStatus

#: A machine that is back says so at once; nobody waits for one that was silent for so long.
_KEEP_S: Final = 90 * 86_400


class PipeStatusRepository:
    """Collection `pipe_statuses`: they are everybody's to read."""

    def __init__(self, database: Database) -> None:
        self._statuses = Collection(
            database,
            "pipe_statuses",
            PipeStatus,
            indexes=[Index(fields=(("last_updated", ASCENDING),), expires_after_s=_KEEP_S)],
        )
        self.ensure_indexes = self._statuses.ensure_indexes

    async def find(self, pipe_id: str) -> PipeStatus | None:
        return await self._statuses.find_one({"_id": pipe_id})

    async def find_all(self) -> list[PipeStatus]:
        return await self._statuses.find({})

    async def count_others(self, pipe_id: str) -> int:
        return await self._statuses.count({"_id": {"$ne": pipe_id}})

    async def keep(self, status: PipeStatus) -> None:
        await self._statuses.upsert(status)

    async def delete(self, pipe_id: str) -> None:
        await self._statuses.delete({"_id": pipe_id})
