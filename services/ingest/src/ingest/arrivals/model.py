"""A file that is said to be in the object store, and what became of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from datalab.documents.file_names import (
    Convention,
    FileName,
    frame_file_name,
    parse_file_name,
    recorded_file_name,
    uploaded_file_name,
)
from datalab.documents.frame import UPLOADS_SITE
from datalab.errors import UsageError
from datalab.events import site_codes
from datalab.events.frames import FileRecordRequested
from datalab.events.object_keys import split_key
from ingest.uploads.model import Said

#: The site in a rejection when neither the announcement nor the file name tells it.
UNKNOWN_SITE = "unknown"


class AnnouncementError(UsageError):
    """What was said about a file is wrong; nothing is known against the file."""


class Origin(StrEnum):
    """Who says that the file is there."""

    OBSERVATORY = "observatory"
    UPLOAD = "upload"
    INGESTER = "ingester"
    OBJECT_STORE = "object-store"
    RECONCILER = "reconciler"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One file said to be stored under `key`. What else is said (`site`, size, checksum) is checked.

    A user's own file has an `owner`, and the `file_name` it has for the user. One of an OCS ingester is `recorded`:
    what it belongs to was said, and is not read from its name. An info image may have a `channel`; `said_at` is when
    the site said so.
    """

    key: str
    origin: Origin
    correlation_id: str
    site: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    owner: str | None = None
    file_name: str | None = None
    recorded: FileRecordRequested | None = None
    channel: int | None = None
    said_at: datetime | None = None

    @property
    def said(self) -> Said:
        """What is said of the file, for those who know nothing of arrivals."""
        return Said(
            key=self.key,
            correlation_id=self.correlation_id,
            sha256=self.sha256,
            channel=self.channel,
            at=self.said_at,
        )

    @property
    def apparent_site(self) -> str | None:
        """The site that the key seems to name, whatever else is wrong with it: it can be told of that."""
        site, dash, _ = split_key(self.key)[1].partition("-")
        return site if dash and re.fullmatch(site_codes.PATTERN, site) else None


def named(arrival: Arrival) -> FileName | None:
    """Return what a file's name says, None for one that makes no frame. Raises `UsageError`."""
    if arrival.owner is not None:
        return uploaded_file_name(arrival.file_name or "", owner=arrival.owner)
    if (said := arrival.recorded) is not None:
        return recorded_file_name(said.basename, said.extension, role=said.role)
    file_name = frame_file_name(arrival.key)
    return parse_file_name(file_name) if file_name else None


def site_of(name: FileName, arrival: Arrival) -> str | None:
    """Return the site a file belongs to; None for a name without one that no observatory has announced.

    Raises `AnnouncementError` when the name belongs to another site than the announcing one: an observatory writes its
    own frames only.
    """
    if arrival.owner is not None:
        return UPLOADS_SITE
    if name.site is None or arrival.site is None:
        return name.site or arrival.site
    if name.site != arrival.site:
        whose = "telescope" if name.convention is Convention.LCO else "name"
        raise AnnouncementError(f"the file's {whose} says site {name.site!r}, it was announced by {arrival.site!r}")
    return name.site


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadVersion:
    """A version of an object all of which was read: its bytes, or a local file that lives as long as its context."""

    content: bytes | Path
    key: str
    size_bytes: int
    etag: str
    sha256: str
    modified_at: datetime
