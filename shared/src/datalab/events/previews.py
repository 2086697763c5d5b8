"""Previews: the pictures of frames that nobody sent. Ingest asks for them, runners make them, ingest notes them."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from datalab.events.envelope import Event, UtcDatetime, WireModel
from datalab.events.operations import Lane, Sha256Hex

PREVIEW_TYPE = "image/jpeg"


class PreviewKind(StrEnum):
    """What is wanted of a picture."""

    MEDIUM = "medium"
    THUMBNAIL = "thumbnail"


class PreviewSource(WireModel):
    """The file to make previews of, as it is stored."""

    content: Literal["jpeg", "fits"]
    key: str = Field(min_length=1)
    sha256: Sha256Hex
    size_bytes: int = Field(gt=0)


class WantedPreview(WireModel):
    """One picture to make, the file of its frame it is to be (`role`), and where it goes."""

    kind: PreviewKind
    role: str
    key: str = Field(min_length=1)


class MadePreview(WireModel):
    """One picture that was made and stored."""

    role: str
    key: str = Field(min_length=1)
    sha256: Sha256Hex
    size_bytes: int = Field(gt=0)
    etag: str
    stored_at: UtcDatetime


class PreviewRequested(Event):
    """Please make these pictures. A thumbnail of a JPEG is quick; an image takes its time to read."""

    type: Literal["preview.requested.v1"] = "preview.requested.v1"
    basename: str
    source: PreviewSource
    wanted: tuple[WantedPreview, ...] = Field(min_length=1)

    @property
    def lane(self) -> Lane:
        return Lane.FAST if self.source.content == "jpeg" else Lane.SLOW

    @property
    def subject(self) -> str:
        return f"datalab.{self.type}.{self.lane}"


class PreviewMade(Event):
    """The pictures are stored."""

    type: Literal["preview.made.v1"] = "preview.made.v1"
    basename: str
    source_sha256: Sha256Hex
    previews: tuple[MadePreview, ...] = Field(min_length=1)


class PreviewFailed(Event):
    """No picture can be made of this file, however often it is tried."""

    type: Literal["preview.failed.v1"] = "preview.failed.v1"
    basename: str
    source_sha256: Sha256Hex
    reason: str
