"""A version of an object, what is said of it, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydantic import Field

from datalab.documents import upload
from datalab.documents.document import StoredDocument
from datalab.documents.frame import FrameFile
from datalab.documents.upload import Outcome
from datalab.events.envelope import UtcDatetime


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What is said of a file, beside that it is there; `at` is when somebody said so."""

    key: str
    correlation_id: str
    sha256: str | None = None
    channel: int | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a file, and why it became nothing."""

    outcome: Outcome
    reason: str | None = None


#: Why a file changes nothing that came before.
KNOWN = "its image has this file already"


def same_version(first: StoredVersion, second: StoredVersion) -> bool:
    """Tell whether two descriptions of one key are of the same bytes.

    Listings of some servers carry no ETag; then the time decides, in whole seconds: that is all Last-Modified has.
    """
    if first.size_bytes != second.size_bytes:
        return False
    if first.etag and second.etag:
        return first.etag == second.etag
    return first.modified_at.replace(microsecond=0) == second.modified_at.replace(microsecond=0)


def is_known(file: FrameFile | None, said: Said, stored: StoredVersion) -> bool:
    """Tell whether a file that is known is the one in the store, and the one that is meant."""
    return (
        file is not None
        and file.key == stored.key
        and same_version(file, stored)
        and said.sha256 in {None, file.sha256}
    )


def version_id(stored: StoredVersion) -> str:
    """Return an id of these bytes under this key, the same for everyone who announces them."""
    return upload.version_id(stored.key, size_bytes=stored.size_bytes, stored_at=stored.modified_at)


class RefusedVersion(StoredDocument):
    """An object that was of no use when it looked like this."""

    key: str = Field(alias="_id")
    size_bytes: int
    etag: str
    modified_at: UtcDatetime
    reason: str
    refused_at: UtcDatetime
