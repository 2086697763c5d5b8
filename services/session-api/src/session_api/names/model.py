"""A name that was looked up."""

from __future__ import annotations

import re

from pydantic import Field

from datalab.documents.document import StoredDocument
from datalab.events.envelope import UtcDatetime

MAX_CHARACTERS = 64
_BLANKS = re.compile(r"\s+")


class KnownName(StoredDocument):
    """What is known of a name: where its object is, ICRS degrees, or that there is none. Removed at `expires_at`."""

    name: str = Field(alias="_id")
    main_name: str | None = None
    right_ascension_deg: float | None = None
    declination_deg: float | None = None
    expires_at: UtcDatetime


def usual(name: str) -> str:
    """Return the form under which a name is kept."""
    return _BLANKS.sub(" ", name).strip().casefold()
