"""An upload ticket: a form that was handed out for one file, and what became of it.

The session API writes them; ingest reads which channel an info image was meant for.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from datalab.documents.document import ASCENDING, DESCENDING, Index, StoredDocument
from datalab.events.envelope import UtcDatetime

COLLECTION = "upload_tickets"
INDEXES = (
    # Of several tickets for one file, the latest one counts.
    Index(fields=(("key", ASCENDING), ("asked_at", DESCENDING))),
    Index(fields=(("kept_until", ASCENDING),), expires_after_s=0),
)


class TicketState(StrEnum):
    """How far an upload has come. `CLAIMED` is a content that has come whole, and is being stored."""

    OPEN = "open"
    CLAIMED = "claimed"
    STORED = "stored"


class UploadTicket(StoredDocument):
    """`channel` is that of an info image; checksum and size are those of what was stored through us.

    `announced_site` is the site that was named with the request; `repeated` says that the same file was there before.
    """

    ticket_id: str = Field(alias="_id")
    key: str
    site: str
    announced_site: str | None = None
    channel: int | None = None
    state: TicketState = TicketState.OPEN
    max_bytes: int
    asked_at: UtcDatetime
    expires_at: UtcDatetime
    kept_until: UtcDatetime
    sha256: str | None = None
    size_bytes: int | None = None
    stored_at: UtcDatetime | None = None
    repeated: bool = False
