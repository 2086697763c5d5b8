"""How a frame is built from whatever files have arrived so far, in whatever order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from pydantic import JsonValue

from datalab.documents.file_names import FileName
from datalab.documents.frame import (
    DESCRIBING_ROLES,
    LARGE_ROLES,
    PICTURE_ROLES,
    SCIENCE_ROLES,
    SMALL_ROLES,
    THUMBNAIL_ROLES,
    FrameDocument,
    FrameFile,
    HeaderSource,
    Observation,
    kept_cards,
    own_proposal,
)
from datalab.documents.frame_header import HeaderDocument, header_id
from datalab.documents.header_terms import terms_of
from datalab.errors import UsageError
from datalab.events.envelope import WireModel, derived_id
from datalab.events.frames import FrameIngested, FrameRecord
from datalab.events.object_keys import RECORDED
from ingest.frames.previews import planned, without_displaced


class FrameHeader(WireModel):
    """A header and what it means; `states_public_date` also when the date it states cannot be read."""

    source: HeaderSource
    cards: dict[str, JsonValue]
    observation: Observation
    footprint: tuple[tuple[float, float], ...] | None = None
    notes: tuple[str, ...] = ()
    states_public_date: bool = False


class Inspection(WireModel):
    """What was found inside a file."""

    media_type: str
    header: FrameHeader | None = None


def private_inspection(inspection: Inspection, *, owner: str) -> Inspection:
    """Return what was found in a user's own file, with the rights of the user, whatever the header says of others'."""
    header = inspection.header
    if header is None:
        raise UsageError("the file has no FITS header")
    rights = {"proposal_id": own_proposal(owner), "public_date": None}
    return inspection.model_copy(
        update={
            "header": header.model_copy(
                update={
                    "observation": header.observation.model_copy(update=rights),
                    "states_public_date": False,
                }
            )
        }
    )


def recorded_inspection(inspection: Inspection, record: FrameRecord) -> Inspection:
    """Return what was found in a file, with what an OCS ingester says of it, which counts where the two differ.

    The ingester mends headers (the kind of exposure from the name, the public date from the proposal), and everybody
    who asks an OCS archive is told what it has made of them.
    """
    header = inspection.header
    if header is None:
        raise UsageError("the file has no FITS header")
    said = record.model_dump(exclude={"headers", "area"}, exclude_none=True)
    return inspection.model_copy(
        update={
            "header": header.model_copy(
                update={
                    "cards": {**header.cards, **record.headers},
                    "observation": header.observation.model_copy(update=said),
                    "footprint": header.footprint or record.area,
                    "states_public_date": header.states_public_date or record.public_date is not None,
                }
            )
        }
    )


def new_frame(
    *, name: FileName, site: str, frame_id: int, now: datetime, life: timedelta | None = None
) -> FrameDocument:
    """Return a frame without files, to be kept for as long as its `life`; `revision` 0: it is not stored yet."""
    return FrameDocument(
        **_completed(Observation(), name, site),
        basename=name.basename,
        frame_id=frame_id,
        site=site,
        data_type=name.data_type,
        files={},
        created=now,
        modified=now,
        revision=0,
        expires_at=None if life is None else now + life,
    )


def with_file(
    frame: FrameDocument,
    *,
    name: FileName,
    file: FrameFile,
    header: FrameHeader | None,
    now: datetime,
    open_site: bool = False,
    picture_patience: timedelta = timedelta(0),
) -> FrameDocument:
    """Return the frame with a file added or replaced; the frame itself if it has these bytes under this key already.

    Whatever the order in which files come, the same files give the same frame. Frames of an open site are public when
    none of their headers says from when on. `picture_patience` is how long a JPEG may take to follow a FITS file.
    Raises `UsageError` if another object of the same role is newer.
    """
    present = frame.files.get(name.role)
    if present == file or any(file.key == former.key for former in frame.former):
        return frame
    # An ingester's versions count in the order in which they are told of: stores remember the second only.
    if (
        present is not None
        and present.key != file.key
        and present.made_of is None
        and not file.key.startswith(RECORDED)
    ):
        _require_newer(file, present, name.role)
    changes: dict[str, object] = {
        "files": {**without_displaced(frame.files, name.role), name.role: file},
        "former": _former(frame, present, file, name.role),
        "data_type": frame.data_type or name.data_type,
        "modified": now,
        "revision": frame.revision + 1,
    }
    if header is not None and _describes_better(name.role, frame.header_role):
        changes |= {
            **_completed(header.observation, name, frame.site),
            "header": None,
            "header_id": header_id(frame.basename, header.cards),
            "cards": kept_cards(header.cards),
            "header_terms": terms_of(header.cards),
            "header_source": header.source,
            "header_role": name.role,
            "notes": header.notes,
            "footprint": header.footprint,
        }
    changes |= _openness(frame, role=name.role, header=header, open_site=open_site)
    changed = frame.model_copy(update=changes)
    return changed.model_copy(update={"preview": planned(changed, now=now, patience=picture_patience)})


def _former(frame: FrameDocument, present: FrameFile | None, file: FrameFile, role: str) -> tuple[FrameFile, ...]:
    """Return the versions a frame has had. Only FITS files of ingesters are kept, under keys of their own."""
    if present is None or present.key == file.key or role not in SCIENCE_ROLES or not present.key.startswith(RECORDED):
        return frame.former
    return (*frame.former, present)


def header_document(
    frame: FrameDocument, *, role: str, header: FrameHeader | None, now: datetime
) -> HeaderDocument | None:
    """Return the header that the frame has from a file it was just given, None if it has another file's."""
    if header is None or frame.header_id is None or frame.header_role != role:
        return None
    return HeaderDocument(header_id=frame.header_id, basename=frame.basename, cards=header.cards, doubtful_since=now)


def _openness(frame: FrameDocument, *, role: str, header: FrameHeader | None, open_site: bool) -> dict[str, object]:
    """Return from when on the frame is public: the latest date any header states, never if one cannot be read."""
    stated = {key: moment for key, moment in frame.public_dates.items() if key != role}
    if header is not None and header.states_public_date:
        stated[role] = header.observation.public_date
    dates = [moment for moment in stated.values() if moment is not None]
    if stated:
        public_date = max(dates) if len(dates) == len(stated) else None
    else:
        described = header is not None or frame.header_role is not None
        public_date = frame.created if open_site and described else None
    return {"public_dates": stated, "public_date": public_date}


def is_news(before: FrameDocument, after: FrameDocument, role: str) -> bool:
    """Tell whether anyone has to hear about a change: not if the same bytes were merely stored again."""
    old, new = before.files.get(role), after.files[role]
    return old is None or (old.sha256, old.key) != (new.sha256, new.key)


def image_changed(before: FrameDocument, after: FrameDocument) -> bool:
    """Tell whether who looks at the frame's image sees another than before: not while there is no picture of it."""
    return after.has_picture and _seen(before) != _seen(after)


def frame_ingested(
    frame: FrameDocument, *, before: FrameDocument, role: str, correlation_id: str, producer: str
) -> FrameIngested:
    """Return the event that tells a frame's present state, with the same id however often it is told."""
    file = frame.files[role]
    return FrameIngested(
        # The moment tells it from the same frame in an earlier document store, beside a bus that remembers.
        event_id=derived_id("frame.ingested", frame.basename, role, file.sha256, frame.revision, frame.created),
        occurred_at=frame.modified,
        correlation_id=correlation_id,
        producer=producer,
        site=frame.site,
        frame_id=frame.frame_id,
        basename=frame.basename,
        key=file.key,
        roles=tuple(sorted(frame.files)),
        observation_date=frame.observation_date,
        filter_name=frame.filter_name,
        target_name=frame.target_name,
        exposure_time_s=frame.exposure_time_s,
        public_date=frame.public_date,
        proposal_id=frame.proposal_id,
        image_changed=image_changed(before, frame),
    )


def _seen(frame: FrameDocument) -> tuple[object, ...]:
    """Return what an image package depends on: pictures, header, which FITS files there are, and who may read it."""
    pictures = [_shown(frame, roles) for roles in (PICTURE_ROLES, THUMBNAIL_ROLES)]
    header = frame.files[frame.header_role].sha256 if frame.header_role else None
    flags = [any(role in frame.files for role in roles) for roles in (LARGE_ROLES, SMALL_ROLES)]
    return *pictures, header, *flags, frame.public_date, frame.proposal_id


def _shown(frame: FrameDocument, roles: Sequence[str]) -> tuple[str, str] | None:
    file = next((frame.files[role] for role in roles if role in frame.files), None)
    return None if file is None else (file.key, file.sha256)


def _require_newer(file: FrameFile, present: FrameFile, role: str) -> None:
    """Two objects of one role (`.fits.fz` and `.fits.bz2`): the later one counts, by its key if both are as late."""
    if (file.stored_at, file.key) < (present.stored_at, present.key):
        raise UsageError(f"{present.key!r}, which was stored later, is the frame's {role} file")


def _describes_better(role: str, present: str | None) -> bool:
    return present is None or _description_rank(role) <= _description_rank(present)


def _description_rank(role: str) -> tuple[bool, int, str]:
    known = role in DESCRIBING_ROLES
    return (not role.startswith("txt"), DESCRIBING_ROLES.index(role) if known else len(DESCRIBING_ROLES), role)


def _completed(observation: Observation, name: FileName, site: str) -> dict[str, Any]:
    """Return what the header says, filled from the file name where it says nothing."""
    day: date | None = name.observation_day
    said = observation.model_dump()
    known_by_name = {
        "site_id": site,
        "instrument_id": name.instrument,
        "observation_day": day.isoformat() if day else None,
        "reduction_level": name.reduction_level,
    }
    return said | {field: value for field, value in known_by_name.items() if said[field] is None}
