"""Frames as lists read them: what is stored, some fields of it, and no model: that would take longer than the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NotRequired, cast

from pydantic import JsonValue
from typing_extensions import TypedDict

from datalab.documents.document import Document
from datalab.documents.frame import PICTURE_ROLES, SCIENCE_ROLES, SHOWN_KEYWORDS, THUMBNAIL_ROLES, FrameDocument


class PictureRow(TypedDict):
    """A picture of a frame: see `FrameFile`."""

    key: str


class FileRow(PictureRow):
    """A file of a frame, likewise."""

    etag: str
    md5: NotRequired[str | None]
    media_type: str
    stored_at: datetime


class FrameRow(TypedDict):
    """A frame: see `FrameDocument`. Lists have of it what was asked for."""

    _id: str
    frame_id: int
    site: str
    data_type: str | None
    files: Mapping[str, FileRow]
    former: NotRequired[Sequence[FileRow]]
    cards: NotRequired[Mapping[str, JsonValue]]
    header: NotRequired[Mapping[str, JsonValue] | None]
    header_source: str | None
    footprint: Sequence[tuple[float, float]] | None
    capture_date: datetime
    stack_id: str | None
    stack_number: int | None
    related: Sequence[str]
    observation_date: datetime | None
    right_ascension_deg: float | None
    declination_deg: float | None
    altitude_deg: float | None
    azimuth_deg: float | None
    airmass: float | None
    exposure_time_s: float | None
    filter_name: str | None
    username: str | None
    user_id: str | None
    target_name: str | None
    proposal_id: str | None
    observation_id: str | None
    request_id: str | None
    site_id: str | None
    telescope_id: str | None
    instrument_id: str | None
    observation_day: str | None
    reduction_level: int | None
    configuration_type: str | None
    public_date: datetime | None
    notes: NotRequired[Sequence[str]]
    problems: NotRequired[Sequence[str]]


_PICTURES = (*PICTURE_ROLES, *THUMBNAIL_ROLES)
#: What frames need, and images: each field costs its part of the time that a page takes.
FRAME_FIELDS: Document = {
    **dict.fromkeys(("frame_id", "capture_date", "observation_date", "observation_day", "public_date"), True),
    **dict.fromkeys(("site_id", "telescope_id", "instrument_id", "filter_name", "exposure_time_s"), True),
    **dict.fromkeys(("proposal_id", "observation_id", "request_id", "target_name", "configuration_type"), True),
    # Frames as they were stored until 2026-11 have their notes as problems.
    **dict.fromkeys(("reduction_level", "footprint", "related", "former", "notes", "problems"), True),
    **{f"files.{role}.{name}": True for role in SCIENCE_ROLES for name in FileRow.__annotations__},
    **{f"files.{role}.key": True for role in _PICTURES},
}
IMAGE_FIELDS: Document = {
    **dict.fromkeys(
        ("frame_id", "site", "data_type", "header_source", "capture_date", "stack_id", "stack_number"), True
    ),
    **dict.fromkeys(("right_ascension_deg", "declination_deg", "altitude_deg", "azimuth_deg", "airmass"), True),
    **dict.fromkeys(("exposure_time_s", "filter_name", "username", "user_id"), True),
    **{f"files.{role}.key": True for role in (*SCIENCE_ROLES, *_PICTURES)},
    # Until ingest has changed them all, there are frames with the whole header in them.
    **{f"{kept}.{keyword}": True for kept in ("cards", "header") for keyword in SHOWN_KEYWORDS},
}


def row_of(frame: FrameDocument) -> FrameRow:
    """Return a frame as lists read it."""
    return cast("FrameRow", frame.stored())


def notes_of(row: FrameRow) -> Sequence[str]:
    """Return what of a frame's file was left out or mended, and why."""
    notes = row.get("notes")
    return row.get("problems", ()) if notes is None else notes


def cards_of(row: FrameRow) -> Mapping[str, JsonValue]:
    """Return the cards a frame has kept of its header."""
    return row.get("cards") or row.get("header") or {}
