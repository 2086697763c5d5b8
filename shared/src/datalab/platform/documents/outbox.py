"""The outbox: a document's events live in the document until the bus has stored them.

State and event are one atomic write, so neither is ever without the other. The relay publishes at once when nudged,
and sweeps for what a crash left behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from datalab.documents.document import ASCENDING, Document, Index
from datalab.errors import TransientError
from datalab.events.envelope import Event, utc_now
from datalab.platform.bus.connection import Bus
from datalab.platform.documents.client import DriverCollection, UpdateOne, mongo_errors
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

#: Collection, document id, entries just written.
_Nudge = tuple[str, Any, list[Document]]

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


class OutboxRelay:
    """Publishes the outboxes of the collections it watches; the entries of one document keep their order."""

    def __init__(self, *, bus: Bus, metrics: OutboxMetrics, sweep_interval_s: float = 1.0) -> None:
        self._collections: dict[str, DriverCollection] = {}
        self._bus = bus
        self._metrics = metrics
        self._sweeping = Periodic(name="outbox sweep", every_s=sweep_interval_s, work=self.sweep)
        self._nudges: asyncio.Queue[_Nudge] = asyncio.Queue(_MOST_NUDGES)
        self._tasks: list[asyncio.Task[None]] = []

    def watch(self, collection: DriverCollection) -> None:
        """Publish the events of this collection's documents, too."""
        self._collections[collection.name] = collection

    def start(self) -> None:
        """Begin relaying."""
        self._tasks = [asyncio.create_task(self._relay_nudges()), asyncio.create_task(self._sweeping.repeat())]

    async def stop(self) -> None:
        """Stop. What is not published yet is found by the next sweep, here or elsewhere."""
        await end_tasks(*self._tasks)

    def nudge(self, collection: str, document_id: Any, entries: list[Document]) -> None:
        """Publish soon what was just written into a document. Never waits and never fails."""
        with suppress(asyncio.QueueFull):
            self._nudges.put_nowait((collection, document_id, entries))

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
            published += await self._publish(
                [(collection.name, document["_id"], document["outbox"]) for document in documents]
            )
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
        """Publish documents side by side, the entries of each in order; then clear what was published."""
        by_document: dict[tuple[str, Any], list[Document]] = {}
        for name, document_id, entries in nudges:
            by_document.setdefault((name, document_id), []).extend(entries)
        results = await asyncio.gather(
            *(self._publish_entries(entries) for entries in by_document.values()), return_exceptions=True
        )
        clearings: dict[str, list[UpdateOne]] = {}
        published = 0
        for ((name, document_id), entries), result in zip(by_document.items(), results, strict=True):
            if result is None:
                event_ids = [entry["event_id"] for entry in entries]
                clearing = UpdateOne({"_id": document_id}, {"$pull": {"outbox": {"event_id": {"$in": event_ids}}}})
                clearings.setdefault(name, []).append(clearing)
                published += len(entries)
        with mongo_errors():
            for name, updates in clearings.items():
                await self._collections[name].bulk_write(updates, ordered=False)
        self._metrics.relayed(published)
        for result in results:
            if result is not None:
                raise result
        return published

    async def _publish_entries(self, entries: Sequence[Document]) -> None:
        for entry in entries:
            await self._bus.publish_encoded(
                subject=entry["subject"], body=entry["body"].encode(), event_id=entry["event_id"]
            )
