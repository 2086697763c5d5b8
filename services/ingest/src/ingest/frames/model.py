"""A frame: one exposure as the archive knows it, built from whatever files have arrived so far, in whatever order."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import JsonValue

from datalab.errors import UsageError
from datalab.events.envelope import UtcDatetime, WireModel, derived_id
from datalab.events.frames import FrameIngested
from ingest.frames.names import FileName

HeaderSource = Literal["text", "fits"]

#: Which file describes the frame, best first. The text is what the observatory calls the header; a FITS file describes
#: the frame only while there is none. The files' order among themselves is that of the pixels: full size, then raw,
#: then reduced in size.
_DESCRIBING_ROLES = ("txt_00", "txt_01", "txt_10", "fits", "fits_01", "fits_00", "fits_10", "fits_13")


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


class FrameHeader(WireModel):
    """A header and what it means."""

    source: HeaderSource
    cards: dict[str, JsonValue]
    observation: Observation
    footprint: tuple[tuple[float, float], ...] | None = None
    problems: tuple[str, ...] = ()


class Inspection(WireModel):
    """What was found inside a file."""

    media_type: str
    header: FrameHeader | None = None


class Frame(WireModel):
    """The archive's knowledge of one exposure. `revision` grows with every change."""

    basename: str
    frame_id: int
    site: str
    data_type: str | None
    files: dict[str, FrameFile]
    observation: Observation
    header: dict[str, JsonValue] | None = None
    header_source: HeaderSource | None = None
    header_role: str | None = None
    problems: tuple[str, ...] = ()
    footprint: tuple[tuple[float, float], ...] | None = None
    created: UtcDatetime
    modified: UtcDatetime
    revision: int = 1


def new_frame(*, name: FileName, site: str, frame_id: int, now: datetime) -> Frame:
    """Return a frame without files; `revision` 0 says that it is not stored yet."""
    return Frame(
        basename=name.basename,
        frame_id=frame_id,
        site=site,
        data_type=name.data_type,
        files={},
        observation=_completed(Observation(), name, site),
        created=now,
        modified=now,
        revision=0,
    )


def with_file(frame: Frame, *, name: FileName, file: FrameFile, header: FrameHeader | None, now: datetime) -> Frame:
    """Return the frame with a file added or replaced; the frame itself if it has these bytes under this key already.

    Whatever the order in which files come, the same files give the same frame. Raises `UsageError` if another object
    of the same role is newer.
    """
    present = frame.files.get(name.role)
    if present == file:
        return frame
    if present is not None and present.key != file.key:
        _require_newer(file, present, name.role)
    changes: dict[str, object] = {
        "files": {**frame.files, name.role: file},
        "data_type": frame.data_type or name.data_type,
        "modified": now,
        "revision": frame.revision + 1,
    }
    if header is not None and _describes_better(name.role, frame.header_role):
        changes |= {
            "observation": _completed(header.observation, name, frame.site),
            "header": header.cards,
            "header_source": header.source,
            "header_role": name.role,
            "problems": header.problems,
            "footprint": header.footprint,
        }
    return frame.model_copy(update=changes)


def is_news(before: Frame, after: Frame, role: str) -> bool:
    """Tell whether anyone has to hear about a change: not if the same bytes were merely stored again."""
    old, new = before.files.get(role), after.files[role]
    return old is None or (old.sha256, old.key) != (new.sha256, new.key)


def frame_ingested(frame: Frame, *, role: str, correlation_id: str, producer: str) -> FrameIngested:
    """Return the event that tells a frame's present state, with the same id however often it is told."""
    file = frame.files[role]
    return FrameIngested(
        event_id=derived_id("frame.ingested", frame.basename, role, file.sha256, frame.revision),
        occurred_at=frame.modified,
        correlation_id=correlation_id,
        producer=producer,
        site=frame.site,
        frame_id=frame.frame_id,
        basename=frame.basename,
        key=file.key,
        roles=tuple(sorted(frame.files)),
        observation_date=frame.observation.observation_date,
        filter_name=frame.observation.filter_name,
        target_name=frame.observation.target_name,
        exposure_time_s=frame.observation.exposure_time_s,
        public_date=frame.observation.public_date,
        proposal_id=frame.observation.proposal_id,
    )


def _require_newer(file: FrameFile, present: FrameFile, role: str) -> None:
    """Two objects of one role (`.fits.fz` and `.fits.bz2`): the later one counts, by its key if both are as late."""
    if (file.stored_at, file.key) < (present.stored_at, present.key):
        raise UsageError(f"{present.key!r}, which was stored later, is the frame's {role} file")


def _describes_better(role: str, present: str | None) -> bool:
    return present is None or _description_rank(role) <= _description_rank(present)


def _description_rank(role: str) -> tuple[bool, int, str]:
    known = role in _DESCRIBING_ROLES
    return (not role.startswith("txt"), _DESCRIBING_ROLES.index(role) if known else len(_DESCRIBING_ROLES), role)


def _completed(observation: Observation, name: FileName, site: str) -> Observation:
    """Fill from the file name what the header leaves open."""
    day: date | None = name.observation_day
    known_by_name = {
        "site_id": site,
        "instrument_id": name.instrument,
        "observation_day": day.isoformat() if day else None,
        "reduction_level": name.reduction_level,
    }
    missing = {field: value for field, value in known_by_name.items() if getattr(observation, field) is None}
    return observation.model_copy(update=missing)
