"""The log of uploads: what ingest was told of and what became of it. Ingest writes it, the session API shows it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from datalab.documents.document import ASCENDING, DESCENDING, Index, StoredDocument
from datalab.events.envelope import UtcDatetime

COLLECTION = "upload_log"
NEWEST_FIRST = (("uploaded_at", DESCENDING),)
INDEXES = (
    Index(fields=(("expires_at", ASCENDING),), expires_after_s=0),
    Index(fields=(("site", ASCENDING), *NEWEST_FIRST)),
    Index(fields=NEWEST_FIRST),
)


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
