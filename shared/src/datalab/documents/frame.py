"""A frame: one exposure as the archive knows it. Ingest writes these documents, the session API reads them."""

from __future__ import annotations

from collections.abc import Collection as Several
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field, JsonValue, field_serializer

from datalab.documents.document import ASCENDING, DESCENDING, Document, Index, StoredDocument
from datalab.events.envelope import UtcDatetime, WireModel

COLLECTION = "frames"

HeaderSource = Literal["text", "fits"]

#: The file of a frame that operations compute with: the first of these it has. `fits` is the one file of frames in
#: the naming of LCO; the others are Photon Ranch's, where 01 is reduced and large, 00 raw and large, 10 and 13 small.
SCIENCE_ROLES = ("fits", "fits_01", "fits_00", "fits_10", "fits_13")
#: Which file describes the frame, best first. The text is what the observatory calls the header; a FITS file describes
#: the frame only while there is none. The files' order among themselves is that of the pixels: full size, then raw,
#: then reduced in size.
DESCRIBING_ROLES = ("txt_00", "txt_01", "txt_10", "fits", "fits_01", "fits_00", "fits_10", "fits_13")

#: Every list of frames is by time, newest first; the number settles ties, so that pages never overlap.
NEWEST_FIRST = (("observation_date", DESCENDING), ("frame_id", DESCENDING))
INDEXES = (
    Index(fields=(("frame_id", ASCENDING),), unique=True),
    Index(fields=NEWEST_FIRST),
    *(Index(fields=((field, ASCENDING), *NEWEST_FIRST)) for field in ("site", "proposal_id", "user_id")),
)

#: Where frames come from that are people's own. Too long for the site in a file name of the Photon Ranch convention.
UPLOADS_SITE = "uploads"

#: The integers a document can hold.
_INT64 = range(-(2**63), 2**63)


class FrameFile(WireModel):
    """One file of a frame, as it is in the object store."""

    key: str
    size_bytes: int
    sha256: str
    etag: str
    media_type: str
    stored_at: UtcDatetime

    @property
    def modified_at(self) -> datetime:
        """When the object was stored, by the name the object store uses."""
        return self.stored_at


class Observation(WireModel):
    """What the header says about the exposure; every value optional. Angles in degrees, times in UTC."""

    observation_date: UtcDatetime | None = None
    right_ascension_deg: float | None = None
    declination_deg: float | None = None
    altitude_deg: float | None = None
    azimuth_deg: float | None = None
    airmass: float | None = None
    exposure_time_s: float | None = None
    filter_name: str | None = None
    username: str | None = None
    user_id: str | None = None
    target_name: str | None = None
    proposal_id: str | None = None
    observation_id: str | None = None
    request_id: str | None = None
    site_id: str | None = None
    telescope_id: str | None = None
    instrument_id: str | None = None
    observation_day: str | None = None
    reduction_level: int | None = None
    configuration_type: str | None = None
    public_date: UtcDatetime | None = None


class FrameDocument(StoredDocument, Observation):
    """The archive's knowledge of one exposure, with what its header says. `revision` grows with every change.

    `public_dates` has what each file's header says of it, by role: None for a date that cannot be read. `public_date`
    is what follows from all of them.
    """

    basename: str = Field(alias="_id")
    frame_id: int
    site: str
    data_type: str | None = None
    files: dict[str, FrameFile]
    header: dict[str, JsonValue] | None = None
    header_source: HeaderSource | None = None
    header_role: str | None = None
    problems: tuple[str, ...] = ()
    public_dates: dict[str, UtcDatetime | None] = Field(default_factory=dict)
    footprint: tuple[tuple[float, float], ...] | None = None
    created: UtcDatetime
    modified: UtcDatetime
    revision: int = 1

    @property
    def science_file(self) -> FrameFile | None:
        """The file to compute with, None while only others have arrived."""
        return next((self.files[role] for role in SCIENCE_ROLES if role in self.files), None)

    @field_serializer("header")
    def _storable_header(self, header: Mapping[str, JsonValue] | None) -> dict[str, Any] | None:
        """No NUL in a name, no integer beyond 64 bits: a document cannot hold them."""
        if header is None:
            return None
        return {
            keyword.replace("\0", ""): float(value) if isinstance(value, int) and value not in _INT64 else value
            for keyword, value in header.items()
        }


def own_proposal(username: str) -> str:
    """Return the proposal of a user's own uploads, of which the user alone is a member."""
    return f"~{username}"


def may_read_frame(
    proposals: Several[str] | None, *, public_date: datetime | None, proposal_id: str | None, now: datetime
) -> bool:
    """Tell whether a frame may be shown to a member of `proposals`; None is somebody who may read everything.

    A frame is public from its public date on; until then, and without one, only its proposal's members see it.
    `readable_frames` is the same rule for the document store.
    """
    if proposals is None or (public_date is not None and public_date <= now):
        return True
    return proposal_id is not None and proposal_id in proposals


def readable_frames(proposals: Several[str] | None, *, now: datetime) -> Document:
    """Return the filter of the frames that `may_read_frame` lets a member of `proposals` read."""
    if proposals is None:
        return {}
    return {
        "$or": [
            {"public_date": {"$lte": now}},
            {"proposal_id": {"$in": sorted(proposals)}},
        ]
    }
