"""What may be uploaded, and under which name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import Field, JsonValue

from datalab.documents.document import StoredDocument
from datalab.documents.file_names import Convention, FileName, frame_file_name, parse_file_name, shown
from datalab.errors import UsageError
from datalab.events.envelope import UtcDatetime
from datalab.events.object_keys import ALLSKY, DATA, INFO_IMAGES, TRIALS, version_key
from session_api.uploads.header_text import header_text
from session_api.web.failures import RefusedError

#: The texts are the reference's: clients log them.
_FOLDER_REFUSED: Final = "s3_directory must be either 'data', 'info-images', or 'allsky'."
_CHANNEL_REFUSED: Final = "Value for info_channel must be either 1, 2, or 3. Received {} instead."
_FOLDERS: Final = frozenset(family.removesuffix("/") for family in (DATA, INFO_IMAGES, ALLSKY, TRIALS))
_CHANNELS: Final = frozenset({1, 2, 3})
#: What observatories call their files; the longest name a file system takes.
_NAME: Final = re.compile(r"[^\s./\\][^/\\]{0,254}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedUpload:
    """A file somebody is about to upload. `frame_name` is what its name says, for a file that makes a frame.

    Names that say nothing are taken as well: so it has always been, and ingest says what is wrong with them.
    `announced_site` is the site whose file it is said to be, for a name that tells of none.
    """

    key: str
    name: str
    folder: str
    channel: int | None
    frame_name: FileName | None
    header: bytes | None
    announced_site: str | None

    @property
    def site(self) -> str:
        """The site the file belongs to, empty for a name that tells of none."""
        prefix = self.name.partition("-")[0] if "-" in self.name else ""
        if self.frame_name is None:  # no frame's rules say more
            return prefix or self.announced_site or ""
        return self.frame_name.site or self.announced_site or prefix

    @property
    def header_key(self) -> str:
        """Where the header goes that came with the request: the file of text that would have come beside this one."""
        base, _, kind = self.name.partition(".")[0].rpartition("-")
        return f"{self.folder}/{base}-{kind[:-2]}00.txt"


def wanted_upload(
    *, name: str, folder: str, channel: JsonValue, header: dict[str, JsonValue] | None, site: str | None = None
) -> WantedUpload:
    """Return what is asked for. Raises `RefusedError` in the words clients know, `UsageError`."""
    key = object_key(folder=folder, name=name)
    wanted = WantedUpload(
        key=key,
        name=name,
        folder=folder,
        channel=_checked_channel(channel) if folder == "info-images" else None,
        frame_name=frame_name(key),
        header=None if header is None else header_text(header),
        announced_site=site,
    )
    if site is not None and wanted.site != site:
        raise UsageError(f"object_name says site {wanted.site!r}, not {site!r}; it is {shown(name)}.")
    if wanted.folder == "info-images" and not wanted.site:
        raise UsageError(f"object_name must begin with the code of a site and a hyphen; it is {shown(name)}.")
    if header is not None and parse_file_name(name).convention is not Convention.PHOTON_RANCH:
        raise UsageError(
            "header_data needs a file named {site}-{instrument}-{YYYYMMDD}-{8 digits}-{type}{2 digits}.{extension}."
        )
    return wanted


def frame_name(key: str) -> FileName | None:
    """Return what the name of an object says of a frame, None if it makes none."""
    try:
        file_name = frame_file_name(key)
        return parse_file_name(file_name) if file_name else None
    except UsageError:
        return None


def object_key(*, folder: str, name: str) -> str:
    """Return where the file of a name is. Raises `RefusedError` for another folder, in clients' words, `UsageError`."""
    if folder not in _FOLDERS:
        raise RefusedError(_FOLDER_REFUSED)
    if not _NAME.fullmatch(name) or not name.isprintable() or len(name.encode(errors="replace")) > 255:
        raise UsageError(
            f"object_name must be a plain file name of at most 255 bytes, without folders; it is {shown(name)}."
        )
    return f"{folder}/{name}"


def _checked_channel(channel: JsonValue) -> int:
    text = str(channel).strip()
    number = int(text) if re.fullmatch(r"[0-9]{1,3}", text) else 0
    if number not in _CHANNELS:
        raise RefusedError(_CHANNEL_REFUSED.format(text[:100]))
    return number


class FileState(StrEnum):
    """How far a file has come. Nothing follows the last four."""

    AWAITED = "awaited"
    STORED = "stored"
    INGESTED = "ingested"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    #: It is none that the archive makes something of.
    KEPT = "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFate:
    """What has become of a file: the frame it is part of, or why it is not; the checksum of what came through us."""

    key: str
    state: FileState
    sha256: str | None = None
    frame: str | None = None
    reason: str | None = None


class FileVersion(StoredDocument):
    """A file that was replaced: what was at `key` until then is kept at `version_key`."""

    version_key: str = Field(alias="_id")
    key: str
    size_bytes: int
    etag: str
    stored_at: UtcDatetime
    replaced_at: UtcDatetime


def version_of(*, key: str, size_bytes: int, etag: str, stored_at: datetime, replaced_at: datetime) -> FileVersion:
    """Return a stored file as a former version, under the same name however often it is said."""
    return FileVersion(
        version_key=version_key(key, stored_at=stored_at, etag=etag),
        key=key,
        size_bytes=size_bytes,
        etag=etag,
        stored_at=stored_at,
        replaced_at=replaced_at,
    )
