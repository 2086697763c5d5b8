"""Query parameters that several routes share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query
from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from datalab.events.spelling import Spelled

#: Metadata of a text that is looked for: the document store's regular expressions take no null characters.
WITHOUT_NULLS = Spelled(r"[^\x00]*", "a text without null characters")


def moment(text: str) -> datetime:
    """Return an ISO 8601 date and time as UTC, which it is without an offset. Raises `ValueError`."""
    # A plus sign that was not escaped in the query string arrives as a space.
    try:
        parsed = datetime.fromisoformat(text.strip().replace(" ", "T" if text.count(":") < 3 else "+"))
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:  # the year 0 or 10,000 in UTC
        raise ValueError("a year no calendar has") from None


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        return moment(text)
    except ValueError:
        raise PydanticCustomError("moment", "Enter a valid date/time: 2026-05-04, or 2026-05-04T22:00:00Z.") from None


_MOMENT = "ISO 8601; without an offset it is UTC"
#: A date and time, in a query string as any other text.
Moment = Annotated[
    datetime | None,
    BeforeValidator(_moment),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}], "description": _MOMENT}),
]
MomentParameter = Annotated[Moment, Query(description=_MOMENT)]
