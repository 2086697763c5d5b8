"""A file that somebody sends in parts."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from datalab.documents.document import StoredDocument
from datalab.documents.file_names import FileName, parse_file_name, shown, uploaded_file_name
from datalab.errors import UsageError
from datalab.events.envelope import UtcDatetime
from datalab.events.object_keys import data_key, personal_key


class UploadState(StrEnum):
    """How far an upload has come: parts are taken, all are stored and ingest has to look, what ingest said."""

    RECEIVING = "receiving"
    STORED = "stored"
    INGESTED = "ingested"
    REFUSED = "refused"


class PersonalUpload(StoredDocument):
    """A file in parts of `part_bytes`, the last of them what is left; `parts` has the SHA-256 of those there.

    With a `site` it is a file of that site, sent for it by an operator; else it is its owner's.
    """

    upload_id: str = Field(alias="_id")
    owner: str
    site: str | None = None
    file_name: str
    key: str
    size_bytes: int
    sha256: str
    part_bytes: int
    parts: dict[str, str] = Field(default_factory=dict)
    state: UploadState = UploadState.RECEIVING
    frame: str | None = None
    reason: str | None = None
    created: UtcDatetime
    modified: UtcDatetime

    @property
    def part_count(self) -> int:
        return max(1, -(-self.size_bytes // self.part_bytes))

    @property
    def missing(self) -> list[int]:
        """The numbers of the parts that have still to come, from 1."""
        return [number for number in range(1, self.part_count + 1) if str(number) not in self.parts]

    def size_of(self, number: int) -> int:
        """Return how many bytes a part has."""
        return min(self.part_bytes, self.size_bytes - (number - 1) * self.part_bytes)


def new_upload(
    *,
    upload_id: str,
    owner: str,
    site: str | None,
    file_name: str,
    size_bytes: int,
    sha256: str,
    part_bytes: int,
    now: datetime,
) -> PersonalUpload:
    """Return an upload that begins. Raises `UsageError` for a name that can make no frame."""
    name = frame_name(file_name, owner=owner, site=site)
    return PersonalUpload(
        upload_id=upload_id,
        owner=owner,
        site=site,
        file_name=file_name,
        key=data_key(file_name) if site else personal_key(owner=owner, upload_id=upload_id, name=_stored_name(name)),
        size_bytes=size_bytes,
        sha256=sha256,
        part_bytes=part_bytes,
        created=now,
        modified=now,
    )


def frame_name(file_name: str, *, owner: str, site: str | None) -> FileName:
    """Return what the name says of the frame the file will make. Raises `UsageError`."""
    if site is None:
        return uploaded_file_name(file_name, owner=owner)
    name = parse_file_name(file_name)
    if name.site not in {None, site}:
        raise UsageError(f"the file name {shown(file_name)} says site {name.site!r}, not {site!r}")
    return name


def _stored_name(name: FileName) -> str:
    """Return a name any store takes, that still tells what the file is."""
    ending = f".fits.{name.compression}" if name.compression else ".fits"
    return f"{name.basename.partition('~')[2][:200]}{ending}"
