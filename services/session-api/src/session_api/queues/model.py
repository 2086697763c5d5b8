"""Queues, and what is in them."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from enum import StrEnum
from secrets import token_hex
from typing import Final

from pydantic import Field

from datalab.documents.document import StoredDocument
from datalab.events import site_codes
from datalab.events.envelope import UtcDatetime
from datalab.events.feed import ItemEnqueued

#: What one item could have in the first service, with all that belongs to it.
LARGEST_PAYLOAD_BYTES: Final = 400 * 1024
#: Since when what nobody has borrowed yet is free.
ALWAYS: Final = datetime.fromtimestamp(0, UTC)
_RIGHT_NAME: Final = re.compile(r"[^/\x00-\x1f\x7f]{1,256}")


class ItemState(StrEnum):
    """An item that is lent out for the last time is `last`: when that lease ends, it is dead."""

    WAITING = "waiting"
    LAST = "last"
    TAKEN = "taken"


class Group(StrEnum):
    """What the items of a queue are at a moment: free to be taken, lent out, or dead."""

    WAITING = "waiting"
    LEASED = "leased"
    DEAD = "dead"


class Queue(StoredDocument):
    """A queue. Another one of the same name, later, is not the same: its items are its own.

    `last` is the number of its newest item. `room_items` and `room_bytes` are what certainly fits beside what is in it:
    counted now and then, since nothing is written here when an item leaves.
    """

    queue_id: str = Field(alias="_id")
    name: str
    live: bool = True
    created: UtcDatetime
    deleted: UtcDatetime | None = None
    last: int = 0
    room_items: int
    room_bytes: int


class Item(StoredDocument):
    """Something to do. It is free from `free_at` on, by the clock of the document store, and goes by its `sequence`.

    The payload is kept as its JSON: a document store has opinions on names and numbers. `key_digest` tells which item
    a sender's `key` stands for. What is taken stays without its payload for a while.
    """

    item_id: str = Field(alias="_id")
    queue_id: str
    queue_name: str
    sequence: int
    payload: str | None = None
    size_bytes: int
    sender: str
    created_at: int = Field(description="ms since 1970")
    state: ItemState = ItemState.WAITING
    free_at: UtcDatetime = ALWAYS
    deliveries: int = 0
    lease: str | None = None
    expires_at: UtcDatetime
    key_digest: str | None = None

    def is_dead(self, now: datetime) -> bool:
        """Tell whether it was lent out for the last time, and that is over."""
        return self.state is ItemState.LAST and self.free_at <= now


def is_queue_name(name: str) -> bool:
    """Tell whether a queue can be called so, and be named in the path of a request."""
    return _RIGHT_NAME.fullmatch(name) is not None and name not in {".", ".."}


def new_item_id(created_at: int, sequence: int) -> str:
    """Return an id as clients know it: the moment in ms and eight hexadecimal digits.

    Those of one millisecond are in the order of their sequence.
    """
    return f"{created_at}_{sequence % 65_536:04x}{token_hex(2)}"


def digest_of(payload: bytes, sender: str) -> str:
    """Return what tells one item from another."""
    return hashlib.sha256(payload + b"\x00" + sender.encode()).hexdigest()


def notice(item_id: str, *, queue_name: str, sender: str) -> list[ItemEnqueued]:
    """Return what the feed is told of an item that can be taken; nothing if no site can be called as the queue is."""
    if not re.fullmatch(site_codes.PATTERN, queue_name):
        return []
    return [ItemEnqueued(producer="session-api", site=queue_name, item_id=item_id, sender=sender)]


def milliseconds(moment: datetime) -> int:
    """Return an instant in ms since 1970."""
    return round(moment.timestamp() * 1000)
