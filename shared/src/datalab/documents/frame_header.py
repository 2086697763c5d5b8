"""The header of a frame, in a collection of its own: lists of frames do without it. Ingest writes these documents.

A frame names its header, by a name that follows from what it says: what differs in one card is another header, written
before the frame that names it. So whoever has read a frame finds the header that belongs to it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import Field, JsonValue, field_serializer

from datalab.documents.document import ASCENDING, Index, StoredDocument
from datalab.events.envelope import UtcDatetime

COLLECTION = "frame_headers"
INDEXES = (
    Index(fields=(("basename", ASCENDING),)),
    Index(fields=(("doubtful_since", ASCENDING),), where={"doubtful_since": {"$exists": True}}),
)

#: The integers a document can hold.
_INT64 = range(-(2**63), 2**63)


class HeaderDocument(StoredDocument):
    """A header of a frame. `doubtful_since` until it was seen that the frame names it."""

    header_id: str = Field(alias="_id")
    basename: str
    cards: dict[str, JsonValue]
    doubtful_since: UtcDatetime | None = None

    @field_serializer("cards")
    def _storable_cards(self, cards: Mapping[str, JsonValue]) -> dict[str, Any]:
        return storable(cards)


def header_id(basename: str, cards: Mapping[str, JsonValue]) -> str:
    """Return the name of the header of a frame that says this."""
    return f"{basename}/{hashlib.sha256(json.dumps(cards).encode()).hexdigest()}"


def storable(cards: Mapping[str, JsonValue]) -> dict[str, Any]:
    """Return a header without NUL in a name and integers beyond 64 bits: a document cannot hold them."""
    return {
        keyword.replace("\0", ""): float(value) if isinstance(value, int) and value not in _INT64 else value
        for keyword, value in cards.items()
    }
