"""What is remembered of frames that went. This service is the only writer."""

from __future__ import annotations

from collections.abc import Sequence

from datalab.documents.removed_frame import COLLECTION, INDEXES, RemovedFrame
from datalab.events.envelope import Event
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection
from datalab.platform.documents.outbox import OutboxRelay


class RemovedFrameRepository:
    """Collection `removed_frames`."""

    def __init__(self, *, database: Database, relay: OutboxRelay) -> None:
        self._removed = Collection(database, COLLECTION, RemovedFrame, indexes=INDEXES, relay=relay)
        self.ensure_indexes = self._removed.ensure_indexes

    async def remember(self, frame: RemovedFrame, events: Sequence[Event]) -> bool:
        """Store what is remembered, with its event; return False if that was done before."""
        return await self._removed.insert(frame, events)
