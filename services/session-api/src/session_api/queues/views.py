"""Queues and items as clients see them."""

from __future__ import annotations

import orjson
from pydantic import JsonValue
from typing_extensions import TypedDict

from datalab.documents.document import Document
from datalab.events.envelope import utc_now
from session_api.queues.model import Group, Item, milliseconds
from session_api.queues.service import QueueSummary
from session_api.web.replies import shown_datetime


class ItemView(TypedDict):
    """An item; `created_at` in ms since 1970."""

    id: str
    queue_name: str
    payload: JsonValue
    created_at: int
    sender: str


class LeaseView(ItemView):
    """An item that is lent out until a moment, in ms since 1970; `lease` is how its borrower is known."""

    lease: str
    lease_until: int
    deliveries: int


class HeldItemView(ItemView):
    """An item of a queue, for who looks after it: lent out until a moment, if it is, and how often it was lent out."""

    size_bytes: int
    deliveries: int
    lease_until: int | None


class QueueView(TypedDict):
    """A queue, and how many items it has: free to be taken, lent out, dead."""

    name: str
    created: str
    enqueued: int
    waiting: int
    leased: int
    dead: int


def item_view(item: Item) -> ItemView:
    """Return an item that is in its queue."""
    return _view(item.item_id, item.queue_name, item.payload, item.created_at, item.sender)


def taken_view(row: Document) -> ItemView:
    """Return an item that was taken, as the document store handed it out."""
    return _view(row["_id"], row["queue_name"], row["payload"], row["created_at"], row["sender"])


def lease_view(row: Document) -> LeaseView:
    """Return an item that is lent out, likewise."""
    return {
        **taken_view(row),
        "lease": row["lease"],
        "lease_until": milliseconds(row["free_at"]),
        "deliveries": row["deliveries"],
    }


def held_item_view(item: Item) -> HeldItemView:
    """Return what is known of an item."""
    lent = item.lease is not None and item.free_at > utc_now()
    return {
        **item_view(item),
        "size_bytes": item.size_bytes,
        "deliveries": item.deliveries,
        "lease_until": milliseconds(item.free_at) if lent else None,
    }


def queue_view(summary: QueueSummary) -> QueueView:
    """Return what is known of a queue."""
    return {
        "name": summary.queue.name,
        "created": shown_datetime(summary.queue.created),
        "enqueued": summary.queue.last,
        "waiting": summary.counts[Group.WAITING],
        "leased": summary.counts[Group.LEASED],
        "dead": summary.counts[Group.DEAD],
    }


def _view(item_id: str, queue_name: str, payload: str | None, created_at: int, sender: str) -> ItemView:
    # The payload is JSON already, and goes out as it is.
    content: JsonValue = orjson.Fragment(payload or "null")  # type: ignore[assignment]
    return {"id": item_id, "queue_name": queue_name, "payload": content, "created_at": created_at, "sender": sender}
