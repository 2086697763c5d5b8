"""The outbox: a document's events live in the document until the bus has stored them.

State and event are one atomic write, so neither is ever without the other. The relay publishes at once when nudged,
and sweeps for what a crash or a failed publish left behind. A document's events are always published from the head of
its outbox: whatever failed, came late or was written by another process, the last event published is the last one
written.

What is published stays in its outbox for a moment, and is taken out together with the rest of that moment: a write for
each event would cost more than the event. Should the process end before, the bus drops what is published again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Any

from datalab.documents.document import ASCENDING, Document, Index
from datalab.errors import TransientError
from datalab.events.envelope import Event, utc_now
from datalab.platform.bus.connection import Bus
from datalab.platform.documents.client import DriverCollection, mongo_errors
from datalab.platform.logging import get_logger
from datalab.platform.metrics import OutboxMetrics
from datalab.platform.periodic import Periodic
from datalab.platform.tasks import end_tasks

_log = get_logger(__name__)

#: Younger entries are left to the nudge that follows every write.
_SWEEP_AGE = timedelta(seconds=2)
_SWEEP_BATCH = 500
#: More nudges than this waiting means the bus is away; the sweep finds the rest.
_MOST_NUDGES = 10_000

#: What waited longer may have been published by another relay, and forgotten by the bus, which knows ids for 2 min.
_STALE_S = 30.0

#: So long what is published waits to be taken out: an operation of some 50 ms is published and done by one write.
_CLEAR_AFTER_S = 0.25
#: More than this waiting to be taken out means the store is away; the sweep publishes and clears the rest again.
_MOST_UNCLEARED = 10_000
_LAST_CLEARING_S = 1.0

#: Documents with something to publish.
HAS_EVENTS: Document = {"outbox.0": {"$exists": True}}


def outbox_entries(events: Iterable[Event]) -> list[Document]:
    """Return the events as they are kept in a document's `outbox` array."""
    now = utc_now()
    return [
        {"event_id": event.event_id, "subject": event.subject, "body": event.encode().decode(), "at": now}
        for event in events
    ]


#: What the sweep needs: it holds only documents with something to publish.
OUTBOX_INDEX = Index(fields=(("outbox.at", ASCENDING),), name="outbox", where=HAS_EVENTS)


@dataclass(frozen=True, slots=True)
class _Nudge:
    """A document's outbox, as it was just after a write; None where the write did not say."""

    collection: str
    document_id: Any
    outbox: list[Document] | None
    at: float = field(default_factory=monotonic)

    @property
    def known(self) -> bool:
        return self.outbox is not None and monotonic() - self.at < _STALE_S


class OutboxRelay:
    """Publishes the outboxes of the collections it watches; the entries of one document keep their order."""

    def __init__(self, *, bus: Bus, metrics: OutboxMetrics, sweep_interval_s: float = 1.0) -> None:
        self._collections: dict[str, DriverCollection] = {}
        self._bus = bus
        self._metrics = metrics
        self._sweeping = Periodic(name="outbox sweep", every_s=sweep_interval_s, work=self.sweep)
        self._nudges: asyncio.Queue[_Nudge] = asyncio.Queue(_MOST_NUDGES)
        self._tasks: list[asyncio.Task[None]] = []
        #: What is published and still in its outbox: of each collection, the document of each event.
        self._uncleared: dict[str, dict[str, Any]] = {}
        self._published = asyncio.Event()

    def watch(self, collection: DriverCollection) -> None:
        """Publish the events of this collection's documents, too."""
        self._collections[collection.name] = collection
        self._uncleared[collection.name] = {}

    def start(self) -> None:
        """Begin relaying."""
        works = (self._relay_nudges(), self._clear_regularly(), self._sweeping.repeat())
        self._tasks = [asyncio.create_task(work) for work in works]

    async def stop(self) -> None:
        """Stop. What is not published yet is found by the next sweep, here or elsewhere."""
        await end_tasks(*self._tasks)
        with suppress(TransientError, TimeoutError):
            async with asyncio.timeout(_LAST_CLEARING_S):
                await self._clear()

    def nudge(self, collection: str, document_id: Any, outbox: list[Document] | None = None) -> None:
        """Publish soon what is in a document's outbox. Never waits and never fails.

        `outbox` is the whole of it, as the write left it; without it, it is read.
        """
        with suppress(asyncio.QueueFull):
            self._nudges.put_nowait(_Nudge(collection, document_id, outbox))

    async def sweep(self) -> int:
        """Publish every entry old enough to have been forgotten; return how many."""
        published = 0
        for collection in self._collections.values():
            with mongo_errors():
                documents = await (
                    collection.find({**HAS_EVENTS, "outbox.at": {"$lt": utc_now() - _SWEEP_AGE}}, {"outbox": True})
                    .sort("outbox.at", ASCENDING)
                    .limit(_SWEEP_BATCH)
                    .to_list(_SWEEP_BATCH)
                )
            try:
                published += await self._publish(
                    [_Nudge(collection.name, document["_id"], document["outbox"]) for document in documents]
                )
            finally:
                if documents:
                    await self._clear()
        self._metrics.swept(published)
        return published

    async def _relay_nudges(self) -> None:
        while True:
            nudges = [await self._nudges.get()]
            while not self._nudges.empty() and len(nudges) < _SWEEP_BATCH:
                nudges.append(self._nudges.get_nowait())
            try:
                await self._publish(nudges)
            except TransientError as error:
                _log.warning("outbox.nudge_failed", reason=error.message)
            except Exception:  # noqa: BLE001 - one bad document must not end the relaying; the sweep tries it again
                _log.exception("outbox.nudge_failed")

    async def _publish(self, nudges: Sequence[_Nudge]) -> int:
        """Publish documents side by side, the entries of each in order."""
        outboxes = await self._outboxes(nudges)
        results = await asyncio.gather(*map(self._publish_entries, outboxes.values()))
        published = 0
        for (name, document_id), (event_ids, _) in zip(outboxes, results, strict=True):
            uncleared = self._uncleared[name]
            if len(uncleared) > _MOST_UNCLEARED:
                uncleared.clear()
            uncleared.update(dict.fromkeys(event_ids, document_id))
            published += len(event_ids)
        if published:
            self._published.set()
        self._metrics.relayed(published)
        for _, error in results:
            if error is not None:
                raise error
        return published

    async def _clear_regularly(self) -> None:
        while True:
            await self._published.wait()
            await asyncio.sleep(_CLEAR_AFTER_S)
            self._published.clear()
            try:
                await self._clear()
            except TransientError as error:
                _log.warning("outbox.clearing_failed", reason=error.message)
                self._published.set()
            except Exception:  # noqa: BLE001 - it must not end; the sweep tries again what is left
                _log.exception("outbox.clearing_failed")

    async def _clear(self) -> None:
        """Take what is published out of the outboxes: of a document all of it at once, so that its head stays first."""
        for name, uncleared in self._uncleared.items():
            event_ids = list(uncleared)
            if not event_ids:
                continue
            with mongo_errors():
                await self._collections[name].update_many(
                    {"_id": {"$in": list(set(uncleared.values()))}},
                    {"$pull": {"outbox": {"event_id": {"$in": event_ids}}}},
                )
            for event_id in event_ids:
                uncleared.pop(event_id, None)

    async def _outboxes(self, nudges: Sequence[_Nudge]) -> dict[tuple[str, Any], list[Document]]:
        """Return what is to be published of each document, from the head of its outbox.

        An entry that a later write did not find any more had been published: it may follow what came after it, as
        the bus drops it.
        """
        outboxes: dict[tuple[str, Any], dict[str, Document]] = {}
        unknown: dict[str, set[Any]] = {}
        for nudge in nudges:
            entries = outboxes.setdefault((nudge.collection, nudge.document_id), {})
            if nudge.known:
                for entry in nudge.outbox or ():
                    entries.setdefault(entry["event_id"], entry)
            else:
                unknown.setdefault(nudge.collection, set()).add(nudge.document_id)
        for name, ids in unknown.items():
            with mongo_errors():
                found = await self._collections[name].find({"_id": {"$in": list(ids)}}, {"outbox": True}).to_list(None)
            kept = {document["_id"]: document.get("outbox", []) for document in found}
            for document_id in ids:
                outboxes[name, document_id] = {entry["event_id"]: entry for entry in kept.get(document_id, ())}
        return {
            document: [entry for event_id, entry in entries.items() if event_id not in self._uncleared[document[0]]]
            for document, entries in outboxes.items()
        }

    async def _publish_entries(self, entries: Sequence[Document]) -> tuple[list[str], Exception | None]:
        """Publish in order, up to the first failure; return the ids of what was published, and the failure."""
        event_ids: list[str] = []
        for entry in entries:
            try:
                await self._bus.publish_encoded(
                    subject=entry["subject"], body=entry["body"].encode(), event_id=entry["event_id"]
                )
            except Exception as error:  # noqa: BLE001 - what was published is cleared first; then it is raised
                return event_ids, error
            event_ids.append(entry["event_id"])
        return event_ids, None
