"""A message of a site."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from pydantic import Field, JsonValue

from datalab.documents.document import StoredDocument
from datalab.errors import UsageError
from datalab.events.envelope import UtcDatetime
from session_api.web.bodies import number_in

#: What a client that names no level means, as the first service had it.
USUAL_LEVEL: Final = "info"
#: The last second a date can be in.
_LAST_S: Final = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())


class MessageKind(StrEnum):
    """What a message is for."""

    LOG = "log"
    PHASE = "phase"


class SiteMessage(StoredDocument):
    """Something a site said; `timestamp` is in seconds since 1970, of a phase by our clock, of a log by the site's."""

    message_id: str = Field(alias="_id")
    site: str
    kind: MessageKind
    timestamp: float
    message: str
    log_level: str | None = None
    kept_until: UtcDatetime


def seconds_of(value: JsonValue, *, name: str) -> int:
    """Return whole seconds since 1970: a number, or one in a text. Raises `UsageError`."""
    number = number_in(value)
    if number is None or not 0 <= number <= _LAST_S:
        raise UsageError(f"{name}: give a moment in seconds since 1970.")
    return int(number)
