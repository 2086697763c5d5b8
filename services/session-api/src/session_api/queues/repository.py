"""Queues and their items, in MongoDB.

An item is one document from its coming to its end, so that each step of it is one atomic write, which holds only if the
item is still free. Who takes gets the first free one; those who take at the same time get different ones. Leases run by
the store's own clock (`$$NOW`), the same for all processes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection as Several
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from datalab.documents.document import ASCENDING, Document, Index
from datalab.errors import TransientError
from datalab.events.envelope import Event, new_id, utc_now
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection
from datalab.platform.documents.outbox import OutboxRelay
from datalab.platform.logging import get_logger
from datalab.platform.together import Together
from session_api.queues.model import Group, Item, ItemState, Queue
from session_api.web.window import Window

_log = get_logger(__name__)

_FREE: Final[Document] = {"$lte": ["$free_at", "$$NOW"]}
_LENT: Final[Document] = {"$gt": ["$free_at", "$$NOW"]}
_IN_ORDER: Final = (("sequence", ASCENDING),)
_WAITING_INDEX: Final = "waiting"
#: Items taken together; 16 MB of payloads at the most.
_MOST_AT_ONCE: Final = 40
#: So often whoever took some items and was not answered looks which they are, and waits in between, in seconds: longer
#: each time. What is not found out by then is lost, as if it had been handed out and the answer had not arrived.
_MOST_LOOKS: Final = 4
_LOOK_AGAIN_S: Final = 0.5
#: What whoever takes an item is told.
_HANDED_OUT: Final[Document] = dict.fromkeys(
    ("queue_name", "payload", "sender", "created_at", "free_at", "deliveries", "lease", "state", "expires_at"), True
)
_OPEN: Final[Document] = {"$in": [ItemState.WAITING, ItemState.LAST]}
_GROUPS: Final[Mapping[Group, Document]] = {
    Group.WAITING: {"state": ItemState.WAITING, "$expr": _FREE},
    Group.LEASED: {"state": _OPEN, "$expr": _LENT},
    Group.DEAD: {"state": ItemState.LAST, "$expr": _FREE},
}


class QueueRepository:
    """Collection `queues`."""

    def __init__(self, database: Database) -> None:
        self._queues = Collection(
            database,
            "queues",
            Queue,
            indexes=[
                Index(fields=(("name", ASCENDING),), name="live", unique=True, where={"live": True}),
                Index(fields=(("deleted", ASCENDING),), name="deleted", where={"live": False}),
            ],
        )
        self.ensure_indexes = self._queues.ensure_indexes

    async def insert(self, queue: Queue) -> bool:
        """Return False if there is one of this name."""
        return await self._queues.insert(queue)

    async def find(self, name: str) -> Queue | None:
        return await self._queues.find_one({"name": name, "live": True})

    async def is_live(self, queue_id: str) -> bool:
        return await self._queues.count({"_id": queue_id, "live": True}, most=1) > 0

    async def count(self) -> int:
        return await self._queues.count({"live": True})

    async def page(self, window: Window) -> list[Queue]:
        return await self._queues.find(
            {"live": True}, sort=(("name", ASCENDING),), skip=window.offset, limit=window.limit
        )

    async def names(self) -> dict[str, str]:
        """Return the names of all, by id."""
        rows = await self._queues.rows({"live": True}, {"name": True}, sort=(("name", ASCENDING),))
        return {row["_id"]: row["name"] for row in rows}

    async def number_item(self, name: str, *, size_bytes: int) -> tuple[str, int] | None:
        """Count an item that is about to come; return the queue's id and the item's number, None if it has no room."""
        row = await self._queues.change_first(
            {"name": name, "live": True, "room_items": {"$gt": 0}, "room_bytes": {"$gte": size_bytes}},
            {"$inc": {"last": 1, "room_items": -1, "room_bytes": -size_bytes}},
            sort=(),
            fields={"last": True},
        )
        return None if row is None else (row["_id"], row["last"])

    async def note_room(self, queue: Queue, *, items: int, size_bytes: int) -> None:
        """Keep how much room there is; it holds unless an item was numbered meanwhile."""
        await self._queues.update(
            {"_id": queue.queue_id, "last": queue.last}, {"$set": {"room_items": items, "room_bytes": size_bytes}}
        )

    async def delete(self, name: str) -> str | None:
        """End a queue, from this write on for everybody; return its id."""
        row = await self._queues.change_first(
            {"name": name, "live": True}, {"$set": {"live": False, "deleted": utc_now()}}, sort=(), fields={"_id": True}
        )
        return None if row is None else str(row["_id"])

    async def deleted_before(self, moment: datetime) -> list[str]:
        """Return the ids of queues that ended some time ago, and are still known."""
        rows = await self._queues.rows({"live": False, "deleted": {"$lt": moment}}, {"_id": True})
        return [row["_id"] for row in rows]

    async def forget(self, queue_id: str) -> None:
        await self._queues.delete({"_id": queue_id, "live": False})


class ItemRepository:
    """Collection `queue_items`. Items of a queue that ended are nobody's."""

    def __init__(self, *, database: Database, relay: OutboxRelay) -> None:
        self._items = Collection(
            database,
            "queue_items",
            Item,
            indexes=[
                # With `free_at`, what is lent out is passed over without being read.
                Index(
                    fields=(("queue_id", ASCENDING), ("sequence", ASCENDING), ("free_at", ASCENDING)),
                    name=_WAITING_INDEX,
                    where={"state": ItemState.WAITING},
                ),
                Index(
                    fields=(("queue_id", ASCENDING), ("sequence", ASCENDING)),
                    name="last",
                    where={"state": ItemState.LAST},
                ),
                _unique_key("sent_with"),
                _unique_key("taken_with"),
                Index(fields=(("expires_at", ASCENDING),), expires_after_s=0),
            ],
            relay=relay,
        )
        self._taking: Together[tuple[str, datetime], Document | None] = Together(
            self._take_all, most=_MOST_AT_ONCE, unwanted=self._put_back
        )
        self.ensure_indexes = self._items.ensure_indexes

    # --- coming -----------------------------------------------------------------------------------------------

    async def insert(self, item: Item, events: Sequence[Event], *, key: str | None) -> bool:
        """Return False if there is one of this id, or one sent with this key."""
        fields = {} if key is None else {"sent_with": key}
        return await self._items.insert(item, events, **fields)

    async def find_sent(self, queue_id: str, key: str) -> Item | None:
        """Return the item a sender gave this key, also when it is taken."""
        return await self._items.find_one({"queue_id": queue_id, "sent_with": key})

    async def withdraw(self, item: Item) -> bool:
        """Take an item back that nobody has taken."""
        return await self._items.delete({"_id": item.item_id, "state": {"$ne": ItemState.TAKEN}}) > 0

    # --- going ------------------------------------------------------------------------------------------------

    async def take(self, queue_id: str, *, known_until: datetime) -> Document | None:
        """Take the first free item for good. It is known until a moment, without its payload."""
        return await self._taking.ask((queue_id, known_until))

    async def take_with(self, queue_id: str, key: str, *, known_until: datetime) -> Document | None:
        """Take the first free item for good, which keeps its payload for who asks again with this key.

        Raises `DuplicateKeyError` if one was taken with this key.
        """
        changes = {"$set": {"state": ItemState.TAKEN, "expires_at": known_until, "taken_with": key, "lease": None}}
        return await self._items.change_first(
            _waiting(queue_id), changes, sort=_IN_ORDER, index=_WAITING_INDEX, fields=_HANDED_OUT, as_before=True
        )

    async def _take_all(self, asked: Sequence[tuple[str, datetime]]) -> list[Document | Exception | None]:
        """Take an item for each who asks at the same time: of a queue, the first one for who asked first."""
        asking = Counter(queue_id for queue_id, _ in asked)
        known_until = max(until for _, until in asked)
        taken = await asyncio.gather(
            *(self._take_first(queue_id, count, known_until) for queue_id, count in asking.items())
        )
        by_queue = {queue_id: iter(rows) for queue_id, rows in zip(asking, taken, strict=True)}
        return [next(by_queue[queue_id]) for queue_id, _ in asked]

    async def _take_first(
        self, queue_id: str, count: int, known_until: datetime
    ) -> list[Document | TransientError | None]:
        """Take the first free items, as many as there are: for sixteen, a third of what sixteen writes cost.

        Who gets none gets None, or why it cannot be told: what was taken before the store failed is handed out.
        """
        taken: list[Document] = []
        without: TransientError | None = None
        try:
            while len(taken) < count:
                free = await self._items.rows(
                    _waiting(queue_id), _HANDED_OUT, sort=_IN_ORDER, limit=count - len(taken), index=_WAITING_INDEX
                )
                if not free:
                    break
                won, without = await self._claim(free, known_until)
                taken += won
                if without is not None:
                    break
        except TransientError as error:
            without = error
        return [*taken, *[without] * (count - len(taken))]

    async def _claim(
        self, free: Sequence[Document], known_until: datetime
    ) -> tuple[Sequence[Document], TransientError | None]:
        """Take those of some items that nobody else has taken; return them, and what the store failed with.

        A write whose answer is lost may have been done all the same: then these are nobody's but ours.
        """
        claim = new_id()
        changes = {
            "$set": {"state": ItemState.TAKEN, "expires_at": known_until, "claim": claim, "lease": None},
            "$unset": {"payload": ""},
        }
        failure: TransientError | None = None
        try:
            won = await self._items.update_each(
                [({"_id": row["_id"], **_GROUPS[Group.WAITING]}, changes, ()) for row in free]
            )
        except TransientError as error:
            failure = error
        else:
            if won == len(free):
                return free, None
        query = {"_id": {"$in": [row["_id"] for row in free]}, "claim": claim}
        for turn in range(_MOST_LOOKS):
            try:
                mine = {row["_id"] for row in await self._items.rows(query, {"_id": True})}
                return [row for row in free if row["_id"] in mine], failure
            except TransientError as error:
                failure = error
                await asyncio.sleep(_LOOK_AGAIN_S * turn)
        return [], failure

    async def _put_back(self, taken: Sequence[Document | None]) -> None:
        """Put items back into their places: who took them left before they could be handed out."""
        rows = [row for row in taken if row is not None]
        changes = [
            {
                "$set": {"state": ItemState.WAITING, "payload": row["payload"], "expires_at": row["expires_at"]},
                "$unset": {"claim": ""},
            }
            for row in rows
        ]
        try:
            await self._items.update_each(
                [
                    ({"_id": row["_id"], "state": ItemState.TAKEN}, change, ())
                    for row, change in zip(rows, changes, strict=True)
                ]
            )
        except TransientError as error:  # lost, as if the answer had not arrived
            _log.warning("queues.not_put_back", items=[row["_id"] for row in rows], reason=error.message)

    async def find_taken(self, queue_id: str, key: str) -> Document | None:
        rows = await self._items.rows({"queue_id": queue_id, "taken_with": key}, _HANDED_OUT, limit=1)
        return rows[0] if rows else None

    async def lend(self, queue_id: str, *, lease: str, lease_s: float, most: int) -> Document | None:
        """Lend the first free item out; the time it is lent out for `most` times is its last."""
        deliveries = {"$add": ["$deliveries", 1]}
        return await self._items.change_first(
            _waiting(queue_id),
            [
                {
                    "$set": {
                        "lease": lease,
                        "free_at": _after(lease_s),
                        "deliveries": deliveries,
                        "state": {"$cond": [{"$gte": [deliveries, most]}, ItemState.LAST, ItemState.WAITING]},
                    }
                }
            ],
            sort=_IN_ORDER,
            index=_WAITING_INDEX,
            fields=_HANDED_OUT,
        )

    async def acknowledge(self, queue_id: str, item_id: str, lease: str, *, known_until: datetime) -> bool:
        """Take for good what is lent out under a lease; return False if the lease does not hold."""
        return await self._items.update(
            _lent(queue_id, item_id, lease),
            {"$set": {"state": ItemState.TAKEN, "expires_at": known_until}, "$unset": {"payload": ""}},
        )

    async def renew(self, queue_id: str, item_id: str, lease: str, lease_s: float) -> Document | None:
        """Make a lease that holds end later, or sooner."""
        changes = [{"$set": {"free_at": _after(lease_s)}}]
        return await self._items.change_first(_lent(queue_id, item_id, lease), changes, sort=(), fields=_HANDED_OUT)

    async def give_back(self, queue_id: str, item_id: str, lease: str, events: Sequence[Event]) -> bool:
        """End a lease that holds: the item is free, or dead."""
        return await self._items.update(
            _lent(queue_id, item_id, lease), {"$currentDate": {"free_at": True}, "$set": {"lease": None}}, events
        )

    async def revive(self, queue_id: str, item_id: str, events: Sequence[Event]) -> bool:
        """Let a dead item be handed out again as if it never had been; return False if it is not dead."""
        return await self._items.update(
            {"_id": item_id, "queue_id": queue_id, **_GROUPS[Group.DEAD]},
            {"$set": {"state": ItemState.WAITING, "deliveries": 0, "lease": None}},
            events,
        )

    # --- looking ----------------------------------------------------------------------------------------------

    async def find(self, queue_id: str, item_id: str) -> Item | None:
        return await self._items.find_one({"_id": item_id, "queue_id": queue_id})

    async def first(self, queue_id: str, group: Group, *, limit: int, max_bytes: int, skip: int = 0) -> list[Item]:
        """Return items in their order, fewer where they would be more bytes."""
        return await self._items.find_within(
            {"queue_id": queue_id, **_GROUPS[group]}, sort=_IN_ORDER, skip=skip, limit=limit, max_bytes=max_bytes
        )

    async def count(self, queue_id: str, group: Group) -> int:
        return await self._items.count({"queue_id": queue_id, **_GROUPS[group]})

    async def counts(self, queue_ids: Several[str]) -> dict[str, int]:
        """Return how many items each queue can hand out now."""
        rows = await self._items.aggregate(
            [
                {"$match": {"queue_id": {"$in": list(queue_ids)}, **_GROUPS[Group.WAITING]}},
                {"$group": {"_id": "$queue_id", "count": {"$sum": 1}}},
            ],
            limit=len(queue_ids),
        )
        return {row["_id"]: row["count"] for row in rows}

    async def held(self, queue_id: str) -> tuple[int, int]:
        """Return how many items a queue holds, dead or not, and their bytes."""
        rows = await self._items.aggregate(
            [
                {"$match": {"queue_id": queue_id, "state": _OPEN}},
                {"$group": {"_id": None, "count": {"$sum": 1}, "size_bytes": {"$sum": "$size_bytes"}}},
            ],
            limit=1,
        )
        return (rows[0]["count"], rows[0]["size_bytes"]) if rows else (0, 0)

    async def delete_of(self, queue_id: str) -> int:
        """Remove what a queue holds; return how many items that were. What was taken goes in its time."""
        waiting, last = [
            await self._items.delete({"queue_id": queue_id, "state": state})
            for state in (ItemState.WAITING, ItemState.LAST)  # each has its index
        ]
        return waiting + last


def _waiting(queue_id: str) -> Document:
    return {"queue_id": queue_id, **_GROUPS[Group.WAITING]}


def _lent(queue_id: str, item_id: str, lease: str) -> Document:
    return {"_id": item_id, "queue_id": queue_id, "lease": lease, **_GROUPS[Group.LEASED]}


def _after(seconds: float) -> Document:
    return {"$add": ["$$NOW", timedelta(seconds=seconds) // timedelta(milliseconds=1)]}


def _unique_key(field: str) -> Index:
    """Return the index that lets a key be used once in a queue; most items have none."""
    return Index(
        fields=(("queue_id", ASCENDING), (field, ASCENDING)),
        name=field,
        unique=True,
        where={field: {"$type": "string"}},
    )
