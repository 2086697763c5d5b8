"""An info image: the picture a site shows on one of its channels, of whatever files of it have come.

Ingest writes these documents, the session API shows them.
"""

from __future__ import annotations

from pydantic import Field, JsonValue

from datalab.documents.document import ASCENDING, Index, StoredDocument
from datalab.documents.frame import FrameFile
from datalab.events.envelope import UtcDatetime

COLLECTION = "info_images"
#: Removed by the store, whose look may come a minute late.
INDEXES = (Index(fields=(("expires_at", ASCENDING),), expires_after_s=0),)


class InfoImageDocument(StoredDocument):
    """What a channel of a site shows; `files` by role, as those of frames."""

    place: str = Field(alias="_id")
    basename: str
    data_type: str
    file_date: str
    files: dict[str, FrameFile]
    header: dict[str, JsonValue] | None = None
    expires_at: UtcDatetime


def place_of(site: str, channel: str) -> str:
    """Return the id of the document of a site's channel."""
    return f"{site}#{channel}"
