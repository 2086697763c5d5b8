"""The log of uploads: what ingest was told of and what became of it. Ingest writes it, the session API shows it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from datalab.documents.document import ASCENDING, DESCENDING, Index, StoredDocument
from datalab.events.envelope import UtcDatetime, derived_id

COLLECTION = "upload_log"
NEWEST_FIRST = (("uploaded_at", DESCENDING),)
INDEXES = (
    Index(fields=(("expires_at", ASCENDING),), expires_after_s=0),
    Index(fields=(("site", ASCENDING), *NEWEST_FIRST)),
    Index(fields=NEWEST_FIRST),
)


def version_id(key: str, *, size_bytes: int, stored_at: datetime) -> str:
    """Return an id of what is stored under a key, the same for everyone who looks at it."""
    return derived_id("object-version", key, size_bytes, stored_at.replace(microsecond=0).isoformat())


class Outcome(StrEnum):
    """What became of a file."""

    INGESTED = "ingested"
    UNCHANGED = "unchanged"
    IGNORED = "ignored"
    REJECTED = "rejected"


class Upload(StoredDocument):
    """One entry of the upload log: an object version and what became of it; removed at `expires_at`."""

    version_id: str = Field(alias="_id")
    site: str
    key: str
    size_bytes: int
    uploaded_at: UtcDatetime
    outcome: Outcome
    reason: str | None = None
    expires_at: UtcDatetime | None = None
