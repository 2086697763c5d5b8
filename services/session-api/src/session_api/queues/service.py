"""Queues: who may use them, and what becomes of what is in them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Final

import orjson
from pydantic import JsonValue

from datalab.documents.document import Document
from datalab.errors import NotFoundError, UsageError
from datalab.events.envelope import new_id, utc_now
from datalab.platform.documents.client import DuplicateKeyError
from datalab.platform.logging import get_logger
from datalab.platform.together import Together
from session_api.queues.model import (
    LARGEST_PAYLOAD_BYTES,
    Group,
    Item,
    ItemState,
    Queue,
    digest_of,
    is_queue_name,
    milliseconds,
    new_item_id,
    notice,
)
from session_api.queues.repository import ItemRepository, QueueRepository
from session_api.queues.settings import QueueSettings
from session_api.uploads.open_sites import OpenSites, SiteWork
from session_api.web.failures import ConflictError, RefusedError, TooLargeError, TooManyError
from session_api.web.user import User
from session_api.web.window import Window

_log = get_logger(__name__)

#: Photon Ranch has some thirty sites; where anybody may write, nobody makes more than these.
_MOST_QUEUES: Final = 1000
#: Who finds a queue full comes back in this time; a full one is counted again no sooner than a second later.
_FULL_FOR_S: Final = 30
_COUNT_AGAIN_S: Final = 1.0
#: So long after its end a queue's items are looked for once more: whoever numbered one before it has stored it by then.
_LATE: Final = timedelta(minutes=2)
_MOST_PEEKED: Final = 1000
#: So long a process does not ask whether a queue is still the same: one question, not one for each item.
_ID_KNOWN_S: Final = 1.0
_LONGEST_KEY: Final = 256


@dataclass(frozen=True, slots=True)
class QueueSummary:
    """A queue, and how many items it has of each kind."""

    queue: Queue
    counts: dict[Group, int]


class QueueService:
    """A queue belongs to the site it is called after: who speaks for the site may use it."""

    def __init__(
        self,
        *,
        queues: QueueRepository,
        items: ItemRepository,
        open_sites: OpenSites,
        settings: QueueSettings,
        max_answer_bytes: int,
    ) -> None:
        self._queues = queues
        self._items = items
        self._open_sites = open_sites
        self._settings = settings
        self._max_answer_bytes = max_answer_bytes
        self._keep_items = timedelta(seconds=settings.keep_queue_items_s)
        self._keep_taken = timedelta(seconds=settings.keep_taken_items_s)
        #: Ids of queues by name, and until when they count.
        self._ids: dict[str, tuple[str, float]] = {}
        self._full_until: dict[str, float] = {}
        # All items are counted: for who asks at the same time, once.
        self._counting: Together[None, dict[str, int]] = Together(self._counts)

    # --- queues -----------------------------------------------------------------------------------------------

    async def create(self, caller: User, name: str) -> None:
        """Make a queue. Raises `ConflictError` if there is one, `RefusedError`, `UsageError`."""
        if not is_queue_name(name):
            raise UsageError("A queue's name has 1 to 256 characters; / and control characters are not among them.")
        self._require_right(caller, name)
        if await self._queues.count() >= _MOST_QUEUES:
            raise RefusedError(f"There are {_MOST_QUEUES} queues already, which is as many as are kept.")
        queue = Queue(
            queue_id=new_id(),
            name=name,
            created=utc_now(),
            room_items=self._settings.queue_max_items,
            room_bytes=self._settings.queue_max_bytes,
        )
        if not await self._queues.insert(queue):
            raise ConflictError(f"Queue already exists: {name}")
        _log.info("queues.created", queue=name)

    async def delete(self, caller: User, name: str) -> None:
        """End a queue with all that is in it. Raises `NotFoundError`, `RefusedError`."""
        self._require_right(caller, name)
        queue_id = await self._queues.delete(name)
        self._ids.pop(name, None)
        if queue_id is None:
            raise _no_queue(name)
        dropped = await self._items.delete_of(queue_id)
        _log.info("queues.deleted", queue=name, dropped=dropped)

    async def clear_away(self) -> None:
        """Finish the deletions that were cut short, and drop what came to a queue as it ended."""
        for queue_id in await self._queues.deleted_before(utc_now() - _LATE):
            await self._items.delete_of(queue_id)
            await self._queues.forget(queue_id)

    async def counts(self) -> dict[str, int]:
        """Return how many items each queue can hand out now, by name."""
        return await self._counting.ask(None)

    async def _counts(self, asked: Sequence[None]) -> list[dict[str, int]]:
        names = await self._queues.names()
        counts = await self._items.counts(names)
        return [{name: counts.get(queue_id, 0) for queue_id, name in names.items()}] * len(asked)

    async def page(self, window: Window) -> tuple[int, list[QueueSummary]]:
        """Return how many queues there are, and some of them by name."""
        queues = await self._queues.page(window)
        return await self._queues.count(), [await self._summary(queue) for queue in queues]

    async def summary(self, name: str) -> QueueSummary:
        """Return what is known of a queue. Raises `NotFoundError`."""
        return await self._summary(await self._queue(name))

    # --- items ------------------------------------------------------------------------------------------------

    async def enqueue(
        self, caller: User, name: str, payload: JsonValue, *, sender: str, key: str | None = None
    ) -> Item:
        """Put something into a queue; with a key, once, however often it is sent with this key.

        Raises `NotFoundError`, `RefusedError`, `TooLargeError`, `TooManyError` for a full queue, and `ConflictError`
        for a key that was sent with something else.
        """
        self._require_right(caller, name)
        _check_key(key)
        content = orjson.dumps(payload)
        if len(content) > LARGEST_PAYLOAD_BYTES:
            raise TooLargeError(
                f"The payload is too large: it has {len(content)} bytes, {LARGEST_PAYLOAD_BYTES} are possible."
            )
        digest = None if key is None else digest_of(content, sender)
        if key is not None and (same := await self._sent_before(name, key, digest, content)):
            return same
        queue_id, sequence = await self._number(name, len(content))
        while True:
            now = utc_now()
            created_at = milliseconds(now)
            item = Item(
                item_id=new_item_id(created_at, sequence),
                queue_id=queue_id,
                queue_name=name,
                sequence=sequence,
                payload=content.decode(),
                size_bytes=len(content),
                sender=sender,
                created_at=created_at,
                expires_at=now + self._keep_items,
                key_digest=digest,
            )
            told = notice(item.item_id, queue_name=name, sender=sender)
            if await self._items.insert(item, told, key=key):
                break
            if key is not None and (same := await self._sent_before(name, key, digest, content)):
                return same  # somebody sent it at the same time
        if not await self._queues.is_live(queue_id) and await self._items.withdraw(item):
            raise _no_queue(name)
        return item

    async def peek(self, caller: User, name: str, limit: int) -> list[Item]:
        """Return the items that would be handed out next. Raises `NotFoundError`, `RefusedError`."""
        return await self.items(caller, name, Group.WAITING, Window(limit=min(limit, _MOST_PEEKED), offset=0))

    async def items(self, caller: User, name: str, group: Group, window: Window) -> list[Item]:
        """Return items of a queue in their order. Raises `NotFoundError`, `RefusedError`."""
        self._require_right(caller, name)
        queue = await self._queue(name)
        return await self._items.first(
            queue.queue_id, group, skip=window.offset, limit=window.limit, max_bytes=self._max_answer_bytes
        )

    async def dequeue(self, caller: User, name: str, *, key: str | None = None) -> Document:
        """Take the first item for good; with a key, the same one however often it is asked for with this key.

        Raises `NotFoundError` for no queue or an empty one, `RefusedError`.
        """
        self._require_right(caller, name)
        _check_key(key)
        known_until = utc_now() + self._keep_taken

        async def take(queue_id: str) -> Document | None:
            if key is None:
                return await self._items.take(queue_id, known_until=known_until)
            if taken := await self._items.find_taken(queue_id, key):
                return taken
            try:
                return await self._items.take_with(queue_id, key, known_until=known_until)
            except DuplicateKeyError:  # the same request, at the same time
                return await self._items.find_taken(queue_id, key)

        return await self._first(name, take)

    async def lend(self, caller: User, name: str, lease_s: float) -> Document:
        """Hand out the first item for a time. Raises `NotFoundError` for no queue or an empty one, `RefusedError`."""
        self._require_right(caller, name)
        lease, most = new_id(), self._settings.queue_max_deliveries
        return await self._first(
            name, lambda queue_id: self._items.lend(queue_id, lease=lease, lease_s=lease_s, most=most)
        )

    async def acknowledge(self, caller: User, name: str, item_id: str, lease: str) -> None:
        """Have an item that is lent out done with. Repeated, it changes nothing.

        Raises `NotFoundError`, `RefusedError`, and `ConflictError` for a lease that has ended.
        """
        self._require_right(caller, name)
        queue = await self._queue(name)
        known_until = utc_now() + self._keep_taken
        if not await self._items.acknowledge(queue.queue_id, item_id, lease, known_until=known_until):
            item = await self._item(queue, item_id)
            if item.state is not ItemState.TAKEN or item.lease != lease:
                raise _not_lent(item, lease)

    async def renew(self, caller: User, name: str, item_id: str, lease: str, lease_s: float) -> Document:
        """Let a lease that holds go on for a time from now. Raises as `acknowledge` does."""
        self._require_right(caller, name)
        queue = await self._queue(name)
        renewed = await self._items.renew(queue.queue_id, item_id, lease, lease_s)
        if renewed is None:
            raise _not_lent(await self._item(queue, item_id), lease)
        return renewed

    async def give_back(self, caller: User, name: str, item_id: str, lease: str) -> None:
        """End a lease: the item is the first of its queue again, or dead. Raises as `acknowledge` does."""
        self._require_right(caller, name)
        queue = await self._queue(name)
        item = await self._item(queue, item_id)
        told = notice(item_id, queue_name=name, sender=item.sender)
        free_again = told if item.state is ItemState.WAITING else []
        if not await self._items.give_back(queue.queue_id, item_id, lease, free_again):
            raise _not_lent(await self._item(queue, item_id), lease)

    async def requeue(self, caller: User, name: str, item_ids: Sequence[str] | None) -> int:
        """Let dead items be handed out again, all of them or some; return how many. They keep their places.

        Raises `NotFoundError` for no queue, or an item that is not dead, and `RefusedError`.
        """
        self._require_right(caller, name)
        queue = await self._queue(name)
        if item_ids is None:
            window = {"limit": _MOST_PEEKED, "max_bytes": self._max_answer_bytes}
            revived = 0
            while dead := await self._items.first(queue.queue_id, Group.DEAD, **window):
                revived += sum([await self._revive(queue, item) for item in dead])
        else:
            items = [await self._item(queue, item_id) for item_id in dict.fromkeys(item_ids)]
            for item in items:
                if not item.is_dead(utc_now()):
                    raise NotFoundError(f"Item {item.item_id} of queue {name} is not dead.")
            revived = sum([await self._revive(queue, item) for item in items])
        _log.info("queues.requeued", queue=name, items=revived)
        return revived

    # --- what several need ------------------------------------------------------------------------------------

    def _require_right(self, caller: User, name: str) -> None:
        if not self._open_sites.let(caller, name, SiteWork.QUEUES):
            raise RefusedError(
                f"Queue {name[:256]!r} is used with a token only, of somebody who speaks for the site of this name."
            )

    async def _queue(self, name: str) -> Queue:
        queue = await self._queues.find(name)
        if queue is None:
            raise _no_queue(name)
        return queue

    async def _item(self, queue: Queue, item_id: str) -> Item:
        item = await self._items.find(queue.queue_id, item_id)
        if item is None:
            raise NotFoundError(f"Queue {queue.name} has no item {item_id[:100]!r}.")
        return item

    async def _first(self, name: str, take: Callable[[str], Awaitable[Document | None]]) -> Document:
        """Return what is taken from a queue by its id, which one process need not ask for each time."""
        known, until = self._ids.get(name, ("", 0.0))
        if until > monotonic() and (item := await take(known)) is not None:
            return item
        queue = await self._queues.find(name)
        if queue is None:
            self._ids.pop(name, None)
            raise _no_queue(name)
        self._ids[name] = queue.queue_id, monotonic() + _ID_KNOWN_S
        found = None if until > monotonic() and queue.queue_id == known else await take(queue.queue_id)
        if found is None:
            raise NotFoundError(f"Queue is empty: {name}")
        return found

    async def _sent_before(self, name: str, key: str, digest: str | None, content: bytes) -> Item | None:
        queue = await self._queue(name)
        item = await self._items.find_sent(queue.queue_id, key)
        if item is None:
            return None
        if item.key_digest != digest:
            raise ConflictError(f"This Idempotency-Key was sent to queue {name} with another item, {item.item_id}.")
        return item.model_copy(update={"payload": content.decode()})

    async def _number(self, name: str, size_bytes: int) -> tuple[str, int]:
        """Return the id of a queue, and the number of its next item."""
        numbered = await self._queues.number_item(name, size_bytes=size_bytes)
        if numbered is None and self._full_until.get(name, 0.0) <= monotonic():
            queue = await self._queue(name)
            items, held_bytes = await self._items.held(queue.queue_id)
            room_items, room_bytes = self._settings.queue_max_items - items, self._settings.queue_max_bytes - held_bytes
            await self._queues.note_room(queue, items=room_items, size_bytes=room_bytes)
            numbered = await self._queues.number_item(name, size_bytes=size_bytes)
            if numbered is None:
                self._full_until[name] = monotonic() + _COUNT_AGAIN_S
        if numbered is None:
            await self._queue(name)
            raise TooManyError(f"queue {name} is full", retry_after_s=_FULL_FOR_S)
        self._full_until.pop(name, None)
        return numbered

    async def _summary(self, queue: Queue) -> QueueSummary:
        return QueueSummary(queue, {group: await self._items.count(queue.queue_id, group) for group in Group})

    async def _revive(self, queue: Queue, item: Item) -> bool:
        told = notice(item.item_id, queue_name=queue.name, sender=item.sender)
        return await self._items.revive(queue.queue_id, item.item_id, told)


def _no_queue(name: str) -> NotFoundError:
    return NotFoundError(f"Queue does not exist: {name}")


def _not_lent(item: Item, lease: str) -> ConflictError:
    if item.state is ItemState.TAKEN:
        return ConflictError(f"Item {item.item_id} is done with, under another lease than this.")
    if item.lease != lease:
        return ConflictError(f"Item {item.item_id} is not lent out under this lease, or not any more: it has another.")
    ended = f"{item.free_at.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"
    what = "the item is dead" if item.state is ItemState.LAST else "the item is back in its queue"
    return ConflictError(f"The lease of item {item.item_id} ended at {ended}: {what}.")


def _check_key(key: str | None) -> None:
    if key is not None and not (key.isascii() and key.isprintable() and 0 < len(key) <= _LONGEST_KEY):
        raise UsageError(f"An Idempotency-Key has 1 to {_LONGEST_KEY} printable ASCII characters.")
