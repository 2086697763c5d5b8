"""Frames as clients of OCS archives see them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NotRequired

from pydantic import JsonValue
from typing_extensions import TypedDict

from datalab.documents.frame import PICTURE_ROLES, THUMBNAIL_ROLES, FrameDocument
from datalab.documents.sky import ring
from datalab.platform.objects.links import Links
from session_api.archive.file_numbers import FIRST_THUMBNAIL, number_of, placed
from session_api.archive.rows import FileRow, FrameRow, PictureRow, notes_of, row_of
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
    """A frame; the names in capitals are the former ones of OCS archives.

    `notes` are what of its header and file was left out or mended, and why.
    """

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
    notes: list[str]
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
        row = found.frame
        versions = [self._version(row, place, file) for place, file in _versions(row)]
        date, public_date = _shown(row["observation_date"]), _shown(row["public_date"])
        proposal_id, instrument_id, target_name = (
            row["proposal_id"] or "",
            row["instrument_id"] or "",
            row["target_name"] or "",
        )
        observation_id, request_id = _number(row["observation_id"]), _number(row["request_id"])
        site_id, telescope_id = row["site_id"] or "", row["telescope_id"] or ""
        filter_name, configuration_type = row["filter_name"] or "", row["configuration_type"] or ""
        view: FrameView = {
            "id": row["frame_id"],
            "basename": row["_id"],
            "observation_date": date,
            "observation_day": row["observation_day"],
            "proposal_id": proposal_id,
            "instrument_id": instrument_id,
            "target_name": target_name,
            "reduction_level": row["reduction_level"],
            "site_id": site_id,
            "telescope_id": telescope_id,
            "exposure_time": row["exposure_time_s"],
            "primary_optical_element": filter_name,
            "public_date": public_date,
            "configuration_type": configuration_type,
            "observation_id": observation_id,
            "request_id": request_id,
            "notes": list(notes_of(row)),
            "version_set": versions,
            "url": versions[0]["url"] if versions else "",
            "filename": versions[0]["key"].rpartition("/")[2] if versions else row["_id"],
            "DATE_OBS": date,
            "DAY_OBS": row["observation_day"],
            "PROPID": proposal_id,
            "INSTRUME": instrument_id,
            "OBJECT": target_name,
            "RLEVEL": row["reduction_level"],
            "SITEID": site_id,
            "TELID": telescope_id,
            "EXPTIME": row["exposure_time_s"],
            "FILTER": filter_name,
            "L1PUBDAT": public_date,
            "OBSTYPE": configuration_type,
            "BLKUID": observation_id,
            "REQNUM": request_id,
        }
        if row["footprint"]:
            view["area"] = ring(row["footprint"])
        if with_related:
            view["related_frames"] = list(found.related)
        if with_thumbnails:
            view["thumbnails"] = self.thumbnails(row)
        return view

    def frames(
        self, found: Iterable[FoundFrame], *, with_thumbnails: bool = False, with_related: bool = True
    ) -> list[FrameView]:
        """Return several frames."""
        return [self.frame(each, with_thumbnails=with_thumbnails, with_related=with_related) for each in found]

    def files(self, frame: FrameDocument) -> list[VersionView]:
        """Return every file of a frame that has a checksum OCS ingesters know it by, also pictures."""
        row = row_of(frame)
        pictures = [
            (FIRST_THUMBNAIL + number, row["files"][role])
            for number, (_, roles) in enumerate(_THUMBNAILS)
            for role in roles
            if role in row["files"]
        ]
        return [self._version(row, place, file) for place, file in (*_versions(row), *pictures)]

    def picture(self, frame: FrameDocument, role: str, *, size: str) -> ThumbnailView:
        """Return one picture of a frame, by its role, with the size a client calls it by."""
        number = next(number for number, (_, roles) in enumerate(_THUMBNAILS) if role in roles)
        row = row_of(frame)
        return self._thumbnail(row, number, size, row["files"][role])

    def link(self, key: str, media_type: str) -> str:
        """Return where a file can be fetched for a while."""
        return self._links.sign_get(key, content_type=media_type)

    def _version(self, row: FrameRow, number: int, file: FileRow) -> VersionView:
        return {
            "id": number_of(row["frame_id"], number),
            "key": file["key"],
            "md5": file.get("md5") or (file["etag"] if len(file["etag"]) == _MD5_CHARACTERS else ""),
            "extension": _extension(file["key"]),
            "url": self.link(file["key"], file["media_type"]),
            "created": shown_datetime(file["stored_at"]),
        }

    def thumbnails(self, row: FrameRow) -> list[ThumbnailView]:
        """Return pictures of both sizes, if there is one at all: the client asks for them by their size."""
        files = row["files"]
        named = {size: next((role for role in roles if role in files), None) for size, roles in _THUMBNAILS}
        there = [role for role in named.values() if role]
        return [
            self._thumbnail(row, number, size, files[role or there[0]])
            for number, (size, role) in enumerate(named.items())
            if there
        ]

    def _thumbnail(self, row: FrameRow, number: int, size: str, file: PictureRow) -> ThumbnailView:
        return {
            "id": number_of(row["frame_id"], FIRST_THUMBNAIL + number),
            "frame": row["frame_id"],
            "size": size,
            "basename": f"{row['_id']}-{size}",
            "extension": _extension(file["key"]),
            "key": file["key"],
            "url": self._links.sign_get(file["key"], content_type="image/jpeg"),
        }


_MOST_DIGITS = 15  # JavaScript holds these exactly
_MD5_CHARACTERS = hashlib.md5(usedforsecurity=False).digest_size * 2


def _versions(row: FrameRow) -> list[tuple[int, FileRow]]:
    return placed(row["files"], row.get("former") or ())


def _shown(moment: datetime | None) -> str | None:
    return None if moment is None else shown_datetime(moment)


def _number(text: str | None) -> int | str | None:
    """Return what OCS numbers as a number, for clients that count on it."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else text


def _extension(key: str) -> str:
    """Return what follows the base name: from the first point on."""
    _, point, rest = key.rpartition("/")[2].partition(".")
    return point + rest
