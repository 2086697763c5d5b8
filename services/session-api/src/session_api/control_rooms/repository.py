"""Control rooms, in MongoDB."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection
from session_api.control_rooms.model import ControlRoom, Room


class ControlRoomRepository:
    """Collection `control_rooms`, one document for each site that has one, or had it in hand."""

    def __init__(self, database: Database) -> None:
        self._rooms = Collection(database, "control_rooms", ControlRoom)

    async def find(self, site: str) -> ControlRoom | None:
        return await self._rooms.find_one({"_id": site})

    async def count(self) -> int:
        return await self._rooms.estimated_count()

    async def begin(self, site: str, *, until: datetime) -> ControlRoom | None:
        """Take a site in hand that has had no room; None if somebody else was faster."""
        first = ControlRoom(site=site, revision=1, in_hand_until=until)
        return first if await self._rooms.insert(first) else None

    async def take_in_hand(
        self, site: str, *, now: datetime, until: datetime, opened_before: datetime | None = None
    ) -> ControlRoom | None:
        """Take the room of a site in hand, if nobody has it; if a moment is given, only one that was opened before."""
        free = [{"in_hand_until": None}, {"in_hand_until": {"$lte": now}}]
        older: dict[str, Any] = {} if opened_before is None else {"opened_at": {"$lt": opened_before}}
        return await self._rooms.change_and_find(
            {"_id": site, "$or": free, **older}, {"$set": {"in_hand_until": until}, "$inc": {"revision": 1}}
        )

    async def put_down(self, taken: ControlRoom, room: Room | None, *, opened_at: datetime | None) -> bool:
        """Store the room that is there now; return False if somebody else has taken it in hand meanwhile."""
        stored = None if room is None else room.model_dump()
        return await self._rooms.update(
            {"_id": taken.site, "revision": taken.revision},
            {"$set": {"room": stored, "opened_at": opened_at, "in_hand_until": None}, "$inc": {"revision": 1}},
        )

    async def delete(self, taken: ControlRoom) -> None:
        """Forget the room, unless somebody else has taken it in hand meanwhile."""
        await self._rooms.delete({"_id": taken.site, "revision": taken.revision})
