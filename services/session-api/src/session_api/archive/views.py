"""Frames as clients of OCS archives see them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, NotRequired

from pydantic import JsonValue
from typing_extensions import TypedDict

from datalab.documents.frame import PICTURE_ROLES, THUMBNAIL_ROLES, FrameDocument, FrameFile
from datalab.documents.sky import ring
from datalab.platform.objects.links import Links
from session_api.archive import file_numbers
from session_api.archive.file_numbers import FIRST_THUMBNAIL, file_number
from session_api.archive.service import FoundFrame
from session_api.web.bodies import Page
from session_api.web.replies import shown_datetime

#: Roles of thumbnails by their size.
_THUMBNAILS = (("small", THUMBNAIL_ROLES), ("large", PICTURE_ROLES))


class VersionView(TypedDict):
    """A file of a frame. `md5` is empty where the store told none."""

    id: int
    key: str
    md5: str
    extension: str
    url: str
    created: str


class ThumbnailView(TypedDict):
    """A picture of a frame."""

    id: int
    frame: int
    size: str
    basename: str
    extension: str
    key: str
    url: str


class FrameView(TypedDict):
    """A frame; the names in capitals are the former ones of OCS archives."""

    id: int
    basename: str
    observation_date: str | None
    observation_day: str | None
    proposal_id: str
    instrument_id: str
    target_name: str
    reduction_level: int | None
    site_id: str
    telescope_id: str
    exposure_time: float | None
    primary_optical_element: str
    public_date: str | None
    configuration_type: str
    observation_id: int | str | None
    request_id: int | str | None
    version_set: list[VersionView]
    url: str
    filename: str
    area: NotRequired[dict[str, Any]]
    related_frames: NotRequired[list[int]]
    thumbnails: NotRequired[list[ThumbnailView]]
    DATE_OBS: str | None
    DAY_OBS: str | None
    PROPID: str
    INSTRUME: str
    OBJECT: str
    RLEVEL: int | None
    SITEID: str
    TELID: str
    EXPTIME: float | None
    FILTER: str
    L1PUBDAT: str | None
    OBSTYPE: str
    BLKUID: int | str | None
    REQNUM: int | str | None


class FramePage(Page[FrameView]):
    """A part of a list of frames; of more than 100,000 the count is estimated."""

    count_estimated: bool


class FrameCursorPage(TypedDict):
    """A part of a list of frames that is not counted."""

    next: str | None
    previous: str | None
    results: list[FrameView]


class FrameHeader(TypedDict):
    """The header of a frame."""

    data: dict[str, JsonValue]


class FrameAggregate(TypedDict):
    """The values that frames have."""

    sites: list[str]
    telescopes: list[str]
    filters: list[str]
    instruments: list[str]
    obstypes: list[str]
    proposals: list[str]


class FramePresenter:
    """Makes views of frames."""

    def __init__(self, *, links: Links) -> None:
        self._links = links

    def frame(self, found: FoundFrame, *, with_thumbnails: bool = False, with_related: bool = True) -> FrameView:
        """Return a frame."""
        frame = found.frame
        versions = [self._version(frame, place, file) for place, file in file_numbers.versions(frame)]
        date = shown_datetime(frame.observation_date) if frame.observation_date else None
        public_date = shown_datetime(frame.public_date) if frame.public_date else None
        view = FrameView(
            id=frame.frame_id,
            basename=frame.basename,
            observation_date=date,
            observation_day=frame.observation_day,
            proposal_id=frame.proposal_id or "",
            instrument_id=frame.instrument_id or "",
            target_name=frame.target_name or "",
            reduction_level=frame.reduction_level,
            site_id=frame.site_id or "",
            telescope_id=frame.telescope_id or "",
            exposure_time=frame.exposure_time_s,
            primary_optical_element=frame.filter_name or "",
            public_date=public_date,
            configuration_type=frame.configuration_type or "",
            observation_id=_number(frame.observation_id),
            request_id=_number(frame.request_id),
            version_set=versions,
            url=versions[0]["url"] if versions else "",
            filename=versions[0]["key"].rpartition("/")[2] if versions else frame.basename,
            DATE_OBS=date,
            DAY_OBS=frame.observation_day,
            PROPID=frame.proposal_id or "",
            INSTRUME=frame.instrument_id or "",
            OBJECT=frame.target_name or "",
            RLEVEL=frame.reduction_level,
            SITEID=frame.site_id or "",
            TELID=frame.telescope_id or "",
            EXPTIME=frame.exposure_time_s,
            FILTER=frame.filter_name or "",
            L1PUBDAT=public_date,
            OBSTYPE=frame.configuration_type or "",
            BLKUID=_number(frame.observation_id),
            REQNUM=_number(frame.request_id),
        )
        if frame.footprint:
            view["area"] = ring(frame.footprint)
        if with_related:
            view["related_frames"] = list(found.related)
        if with_thumbnails:
            view["thumbnails"] = self.thumbnails(frame)
        return view

    def frames(
        self, found: Iterable[FoundFrame], *, with_thumbnails: bool = False, with_related: bool = True
    ) -> list[FrameView]:
        """Return several frames."""
        return [self.frame(each, with_thumbnails=with_thumbnails, with_related=with_related) for each in found]

    def files(self, frame: FrameDocument) -> list[VersionView]:
        """Return every file of a frame that has a checksum OCS ingesters know it by, also pictures."""
        pictures = [
            (FIRST_THUMBNAIL + number, frame.files[role])
            for number, (_, roles) in enumerate(_THUMBNAILS)
            for role in roles
            if role in frame.files
        ]
        return [self._version(frame, place, file) for place, file in (*file_numbers.versions(frame), *pictures)]

    def picture(self, frame: FrameDocument, role: str, *, size: str) -> ThumbnailView:
        """Return one picture of a frame, by its role, with the size a client calls it by."""
        number = next(number for number, (_, roles) in enumerate(_THUMBNAILS) if role in roles)
        return self._thumbnail(frame, number, size, frame.files[role])

    def link(self, file: FrameFile) -> str:
        """Return where a file can be fetched for a while."""
        return self._links.sign_get(file.key, content_type=file.media_type)

    def _version(self, frame: FrameDocument, number: int, file: FrameFile) -> VersionView:
        return VersionView(
            id=file_number(frame, number),
            key=file.key,
            md5=file.md5 or (file.etag if len(file.etag) == _MD5_CHARACTERS else ""),
            extension=_extension(file.key),
            url=self.link(file),
            created=shown_datetime(file.stored_at),
        )

    def thumbnails(self, frame: FrameDocument) -> list[ThumbnailView]:
        """Return pictures of both sizes, if there is one at all: the client asks for them by their size."""
        named = {size: next((role for role in roles if role in frame.files), None) for size, roles in _THUMBNAILS}
        there = [role for role in named.values() if role]
        return [
            self._thumbnail(frame, number, size, frame.files[role or there[0]])
            for number, (size, role) in enumerate(named.items())
            if there
        ]

    def _thumbnail(self, frame: FrameDocument, number: int, size: str, file: FrameFile) -> ThumbnailView:
        return ThumbnailView(
            id=file_number(frame, FIRST_THUMBNAIL + number),
            frame=frame.frame_id,
            size=size,
            basename=f"{frame.basename}-{size}",
            extension=_extension(file.key),
            key=file.key,
            url=self._links.sign_get(file.key, content_type="image/jpeg"),
        )


_MOST_DIGITS = 15  # JavaScript holds these exactly
_MD5_CHARACTERS = hashlib.md5(usedforsecurity=False).digest_size * 2


def _number(text: str | None) -> int | str | None:
    """Return what OCS numbers as a number, for clients that count on it."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else text


def _extension(key: str) -> str:
    """Return what follows the base name: from the first point on."""
    _, point, rest = key.rpartition("/")[2].partition(".")
    return point + rest
