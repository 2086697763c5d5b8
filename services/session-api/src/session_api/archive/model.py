"""Which frames somebody asks for, in which order, and from where on."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from datalab.documents.document import Document
from datalab.documents.header_terms import term_of
from datalab.errors import UsageError

#: A value that frames are compared with; None is the value of those that have none.
Value = str | int | None

#: From a moment until another, which is not included.
Span = tuple[datetime, datetime]

#: Kinds of exposures that OCS counts among science, all others being calibrations.
SCIENCE_TYPES = ("EXPOSE", "TARGET", "SPECTRUM", "CATALOG", "OBJECT")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR = re.compile(r"(-?\d{1,15})_(\d{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFilter:
    """Which frames; all that is given has to hold.

    equal, unequal: values by field, of which a frame has one, or none; fields are those of `frame.FILTERED_BY`.
    closed: only frames that not everybody may read yet.
    captured, exposed_s: from and until, both included, each None where there is no limit.
    during: the frame was captured in this span, too.
    basename: the whole name, or a pattern of it.
    header_terms: see `datalab.documents.header_terms`.
    numbers: of which the frame's is one.
    touches: shapes (GeoJSON) that the image must have a part of, each of them. With points it covers them all.
    """

    equal: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    unequal: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    captured: tuple[datetime | None, datetime | None] = (None, None)
    during: Span | None = None
    exposed_s: tuple[float | None, float | None] = (None, None)
    public_date: datetime | None = None
    closed: bool = False
    basename: str | re.Pattern[str] | None = None
    target_name: re.Pattern[str] | None = None
    header_terms: Sequence[str] = ()
    touches: Sequence[Document] = ()
    with_picture: bool = False
    with_science: bool = False
    numbers: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A frame's place in lists by time."""

    capture_date: datetime
    frame_id: int

    def cursor(self) -> str:
        """Return the place as clients are given it."""
        text = f"{milliseconds(self.capture_date)}_{self.frame_id}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def of_cursor(cls, cursor: str) -> Place:
        """Return the place a client names. Raises `UsageError`."""
        try:
            text = base64.urlsafe_b64decode(cursor.encode("ascii", "replace") + b"==").decode("ascii", "replace")
            match = _CURSOR.fullmatch(text)
            if match:
                return cls(_EPOCH + timedelta(milliseconds=int(match[1])), int(match[2]))
        except (binascii.Error, OverflowError):
            pass
        raise UsageError("The cursor is none of ours: take it from the answer before.")


@dataclass(frozen=True, slots=True)
class FrameOrder:
    """By what a list is ordered, a field of frames, and whether the largest comes first."""

    field: str = "capture_date"
    descending: bool = True

    @property
    def by_time(self) -> bool:
        return self.field == "capture_date"


NEWEST_FIRST = FrameOrder()
OLDEST_FIRST = FrameOrder(descending=False)


def header_term(text: str) -> str | None:
    """Return the term of `KEYWORD=value`; None for what is no such text, or is not searched."""
    keyword, separator, value = text.partition("=")
    return term_of(keyword, value) if separator and keyword.strip() else None


def milliseconds(moment: datetime) -> int:
    """Return a moment as milliseconds since 1970."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def containing(text: str) -> re.Pattern[str]:
    """Return the pattern of what contains the text, in either case."""
    return re.compile(re.escape(text), re.IGNORECASE)


def like(pattern: str) -> str | re.Pattern[str]:
    """Return what SQL's LIKE means: `%` is any text, `_` any character, everything else is itself."""
    if not set(pattern) & set("%_"):
        return pattern
    parts = {"%": ".*", "_": "."}
    return re.compile("^" + "".join(parts.get(character) or re.escape(character) for character in pattern) + "$")
