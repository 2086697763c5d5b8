"""What an OCS ingester has stored, and what it says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import Field

from datalab.documents.document import StoredDocument
from datalab.documents.frame import FrameDocument
from datalab.events.envelope import UtcDatetime
from datalab.events.frames import FrameRecord

#: Where pictures go that an ingester calls so.
PICTURE_ROLES: Final = {"small": "jpg_11", "medium": "jpg_13", "large": "jpg_10"}
FITS_ROLE: Final = "fits"


class IngesterFile(StoredDocument):
    """A file that came through the S3 door, until it is part of a frame.

    Its id is what we call this version of it. While it comes it has no checksums. `frame` is the base name of the frame
    that somebody wants it to be part of.
    """

    version: str = Field(alias="_id")
    owner: str
    file_name: str
    key: str
    size_bytes: int = 0
    sha256: str = ""
    md5: str = ""
    frame: str | None = None
    created: UtcDatetime

    def is_part_of(self, frame: FrameDocument) -> bool:
        """Tell whether this very object is one of a frame's files, present or former."""
        return any(file.key == self.key for file in frame.every_file)


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidVersion:
    """A file as the ingester tells of it: by what we called its version, its checksum and the end of its name."""

    version: str
    md5: str
    extension: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidFrame:
    """A FITS file and the frame it makes."""

    basename: str
    site: str
    file: SaidVersion
    record: FrameRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidPicture:
    """A picture of a frame."""

    basename: str
    frame_basename: str
    size: str
    file: SaidVersion
