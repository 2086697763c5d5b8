"""What is remembered of a frame that went. Ingest writes it."""

from __future__ import annotations

from pydantic import Field

from datalab.documents.document import ASCENDING, Index, StoredDocument
from datalab.events.envelope import UtcDatetime
from datalab.events.frames import RemovalCause

COLLECTION = "removed_frames"
INDEXES = (
    Index(fields=(("basename", ASCENDING), ("removed_at", ASCENDING))),
    Index(fields=(("forgotten_at", ASCENDING),), expires_after_s=0),
)


class RemovedFrame(StoredDocument):
    """A frame that went, and who could see it: its number is no other's, its name may be that of a later one."""

    frame_id: int = Field(alias="_id")
    basename: str
    site: str
    cause: RemovalCause
    public_date: UtcDatetime | None = None
    proposal_id: str | None = None
    removed_at: UtcDatetime
    forgotten_at: UtcDatetime
