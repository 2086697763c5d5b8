"""How many frames there are of each kind, month by month: what counts are made of. Ingest writes these documents.

Whoever writes a frame marks its day first. Of days that are marked a tally tells nothing: these are counted among the
frames themselves, until nothing has been written to them for a while and the month is tallied anew. What a tally says
is always right, and what it does not say is a few days.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pydantic import Field

from datalab.documents.document import StoredDocument
from datalab.events.envelope import UtcDatetime

COLLECTION = "frame_tallies"
#: What frames are told apart by; `release` and `proposal_id` say who may read them.
TALLIED_BY = (
    "release",
    "proposal_id",
    "site_id",
    "telescope_id",
    "instrument_id",
    "filter_name",
    "configuration_type",
    "reduction_level",
)
#: Stands for all days of a month, as long as it was never tallied.
EVERY_DAY = "every"
#: A document that is there when every month with frames has its tally, or is marked.
COMPLETE_ID = "complete"
#: Days of a month have the numbers 0 to 30.
_DAYS = 31
_COUNTS = struct.Struct(f"<{_DAYS}I")

TallyValue = str | int | None


class TallyCell(StoredDocument):
    """Frames that are alike: their values by `TALLIED_BY`, and how many each day of the month has."""

    values: tuple[TallyValue, ...]
    counts: bytes


class TallyDocument(StoredDocument):
    """The frames of a month that have a file to compute with.

    cells: None if there are too many kinds.
    marked: days (`01`), or `EVERY_DAY`, of which the counts may be wrong, and when a frame of them was last written.
    """

    month: str = Field(alias="_id")
    revision: int = 0
    cells: tuple[TallyCell, ...] | None = None
    marked: dict[str, UtcDatetime] = Field(default_factory=dict)
    tallied_at: UtcDatetime | None = None


def packed_counts(counts: Mapping[int, int]) -> bytes:
    """Return counts by the day's number as they are stored."""
    return _COUNTS.pack(*(counts.get(day, 0) for day in range(_DAYS)))


def unpacked_counts(counts: bytes) -> tuple[int, ...]:
    """Return the counts of 31 days."""
    return _COUNTS.unpack(counts)


def month_of(moment: datetime) -> str:
    """Return the month of a moment, `YYYY-MM`."""
    return moment.isoformat()[:7]


def span_of_day(month: str, number: int) -> tuple[datetime, datetime]:
    """Return when a day of a month begins and when it ends."""
    beginning, end = beginning_of(month), end_of(month)
    since = beginning + timedelta(days=number)
    return since, end if end - since <= timedelta(days=1) else since + timedelta(days=1)


def beginning_of(month: str) -> datetime:
    """Return when a month begins."""
    return datetime(int(month[:4]), int(month[5:]), 1, tzinfo=UTC)


def end_of(month: str) -> datetime:
    """Return when the next month begins; of the last month there can be, the last moment."""
    if month == "9999-12":
        return datetime.max.replace(tzinfo=UTC)
    return (beginning_of(month) + timedelta(days=32)).replace(day=1)
