"""A file that is said to be in the object store, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from datalab.events.envelope import derived_id
from datalab.platform.errors import UsageError
from ingest.domain.names import Convention, FileName

#: The site in a rejection when neither the announcement nor the file name tells it.
UNKNOWN_SITE = "unknown"


class AnnouncementError(UsageError):
    """What was said about a file is wrong; nothing is known against the file."""


class Origin(StrEnum):
    """Who says that the file is there."""

    OBSERVATORY = "observatory"
    OBJECT_STORE = "object-store"
    RECONCILER = "reconciler"


class Outcome(StrEnum):
    """What became of a file."""

    INGESTED = "ingested"
    UNCHANGED = "unchanged"
    IGNORED = "ignored"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One file said to be stored under `key`. What else is said (`site`, size, checksum) is checked."""

    key: str
    origin: Origin
    correlation_id: str
    site: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None


class StoredVersion(Protocol):
    """An object as the store describes it now."""

    @property
    def key(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def etag(self) -> str: ...
    @property
    def modified_at(self) -> datetime: ...


def same_version(first: StoredVersion, second: StoredVersion) -> bool:
    """Tell whether two descriptions of one key are of the same bytes.

    Listings of some servers carry no ETag; then the time decides, in whole seconds: that is all Last-Modified has.
    """
    if first.size_bytes != second.size_bytes:
        return False
    if first.etag and second.etag:
        return first.etag == second.etag
    return first.modified_at.replace(microsecond=0) == second.modified_at.replace(microsecond=0)


def version_id(stored: StoredVersion) -> str:
    """Return an id of these bytes under this key, the same for everyone who announces them."""
    moment = stored.modified_at.replace(microsecond=0)
    return derived_id("object-version", stored.key, stored.size_bytes, moment.isoformat())


def site_of(name: FileName, arrival: Arrival) -> str | None:
    """Return the site a file belongs to; None for a name without one that no observatory has announced.

    Raises `AnnouncementError` when the name belongs to another site than the announcing one: an observatory writes its
    own frames only.
    """
    if name.site is None or arrival.site is None:
        return name.site or arrival.site
    if name.site != arrival.site:
        whose = "telescope" if name.convention is Convention.LCO else "name"
        raise AnnouncementError(f"the file's {whose} says site {name.site!r}, it was announced by {arrival.site!r}")
    return name.site
