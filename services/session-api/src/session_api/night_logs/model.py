"""A note: what it says, and until when."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, JsonValue, PlainSerializer

from datalab.documents.document import StoredDocument
from datalab.errors import UsageError
from datalab.events.envelope import UtcDatetime
from session_api.web.bodies import JsonObject, number_in
from session_api.web.user import User

_HOUR_S: Final = 3600
_LONGEST_HOURS: Final = 366 * 24


def _read(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


class Note(StoredDocument):
    """A note in the night log of a site. The newest one counts, until it expires or is taken away; none follows it.

    `by` is who wrote it, `removed_by` who took it away.
    """

    number: int = Field(alias="_id")
    site: str
    by: str
    created_timestamp: int = Field(description="in seconds since 1970")
    ttl_timestamp_seconds: int = Field(description="when it expires, likewise")
    # Kept as its JSON, as configurations of sites are: names in it are whatever somebody made up.
    note_data: Annotated[JsonObject, BeforeValidator(_read), PlainSerializer(json.dumps, return_type=str)]
    removed_at: UtcDatetime | None = None
    removed_by: str | None = None
    kept_until: UtcDatetime

    def holds(self, *, now: datetime) -> bool:
        """Tell whether it is to be shown."""
        return self.removed_at is None and now.timestamp() < self.ttl_timestamp_seconds


def lifetime_s(note_data: JsonObject) -> int:
    """Return for how long a note is to be shown: `ttl_hours`, a number or one in a text. Raises `UsageError`."""
    hours = number_in(note_data.get("ttl_hours"))
    if hours is None:
        raise UsageError("note_data.ttl_hours: say after how many hours the note expires.")
    if not 0 < hours <= _LONGEST_HOURS:
        raise UsageError(f"note_data.ttl_hours: a note expires after more than 0 and at most {_LONGEST_HOURS} hours.")
    return max(1, round(hours * _HOUR_S))


def without_signatures(note_data: JsonObject) -> JsonObject:
    """Return a note whose `selected_image` keeps no signed links: they let in whoever reads them, and expire."""
    image = note_data.get("selected_image")
    if not isinstance(image, dict):
        return note_data
    return {**note_data, "selected_image": {name: _without_query(value) for name, value in image.items()}}


def may_write(caller: User, site: str) -> bool:
    """Tell whether somebody writes in the night log of a site, and reads what it said before: staff, and its own."""
    return caller.operates or caller.may_speak_for(site)


def kept_until(*, created: datetime, expires_s: int, history: timedelta) -> datetime:
    """Return until when a note is kept, which is never before it expires."""
    return max(created + history, datetime.fromtimestamp(expires_s, created.tzinfo))


def _without_query(value: JsonValue) -> JsonValue:
    is_link = isinstance(value, str) and value.startswith(("http://", "https://"))
    return value.partition("?")[0] if is_link and isinstance(value, str) else value
