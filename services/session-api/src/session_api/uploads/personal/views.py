"""Uploads as they are shown."""

from __future__ import annotations

from typing_extensions import TypedDict

from session_api.uploads.personal.model import PersonalUpload, UploadState
from session_api.web.replies import shown_datetime


class PersonalUploadView(TypedDict):
    """`missing` are the parts to be sent, by number from 1; `frame` is the basename of the frame it has become."""

    id: str
    file_name: str
    site: str | None
    size_bytes: int
    sha256: str
    part_bytes: int
    part_count: int
    missing: list[int]
    state: UploadState
    frame: str | None
    reason: str | None
    created: str


class PartView(TypedDict):
    """The part that was stored, by its checksum."""

    number: int
    sha256: str
    missing: list[int]


def upload_view(upload: PersonalUpload) -> PersonalUploadView:
    return PersonalUploadView(
        id=upload.upload_id,
        file_name=upload.file_name,
        site=upload.site,
        size_bytes=upload.size_bytes,
        sha256=upload.sha256,
        part_bytes=upload.part_bytes,
        part_count=upload.part_count,
        missing=upload.missing if upload.state is UploadState.RECEIVING else [],
        state=upload.state,
        frame=upload.frame,
        reason=upload.reason,
        created=shown_datetime(upload.created),
    )
