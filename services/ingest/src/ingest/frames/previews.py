"""Which pictures a frame lacks, and when somebody is asked to make them.

A frame with a JPEG lacks a thumbnail of it, if none was sent. One with FITS files only lacks both, once its observatory
has had the time to send a JPEG itself. What was sent always counts: a picture of ours never takes its place, and leaves
it when one comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from datalab.documents.frame import PICTURE_ROLES, THUMBNAIL_ROLES, UPLOADS_SITE, FrameDocument, FrameFile, PreviewState
from datalab.events.envelope import derived_id
from datalab.events.object_keys import preview_key
from datalab.events.previews import (
    PREVIEW_TYPE,
    MadePreview,
    PreviewKind,
    PreviewMade,
    PreviewRequested,
    PreviewSource,
    WantedPreview,
)

#: What previews are made of where there is no JPEG: the smallest file first, which shows as much.
_SOURCES = ("fits_10", "fits_13", "fits", "fits_01", "fits_00")
_MEDIUM, _THUMBNAIL = PICTURE_ROLES[0], THUMBNAIL_ROLES[0]
_KINDS = {_MEDIUM: PreviewKind.MEDIUM, _THUMBNAIL: PreviewKind.THUMBNAIL}
#: After so long ingest asks again, each time after twice as long, in the end once a day: runners may be away.
_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=15), timedelta(days=1)
#: The name of a picture must fit a file system, whatever the frame is called.
_MOST_BASENAME_BYTES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """The pictures a frame lacks, by role, and the file they can be made of."""

    roles: tuple[str, ...]
    source_role: str
    source: FrameFile


def lacking(frame: FrameDocument) -> Lacking | None:
    """Return what a frame lacks that can be made of its files; None if nothing."""
    sources = _sources(frame)
    if not sources:
        return None
    wanted = (_THUMBNAIL,) if sources[0] in PICTURE_ROLES else (_MEDIUM, _THUMBNAIL)
    current = {frame.files[role].sha256 for role in sources}
    roles = tuple(role for role in wanted if _is_lacking(frame.files.get(role), current))
    return Lacking(roles=roles, source_role=sources[0], source=frame.files[sources[0]]) if roles else None


def planned(frame: FrameDocument, *, now: datetime, patience: timedelta) -> PreviewState | None:
    """Return what is to be done about a frame as it is now.

    `patience` is how long an observatory may take to send a JPEG after the FITS file. For people's own none comes.
    """
    lacks = lacking(frame)
    if lacks is None:
        return None
    at_once = lacks.source_role in PICTURE_ROLES or frame.site == UPLOADS_SITE
    known = frame.preview
    if known is not None and known.source_sha256 == lacks.source.sha256 and (known.asked or not at_once):
        return known  # asked for, waited for, or impossible
    state = PreviewState(source_sha256=lacks.source.sha256, due=now + patience)
    return asked_again(state, now=now) if at_once else state


def asked_again(state: PreviewState, *, now: datetime) -> PreviewState:
    """Return a state when the pictures have been asked for once more."""
    wait = min(_FIRST_WAIT * 2 ** min(state.asked, 10), _LONGEST_WAIT)
    return state.model_copy(update={"asked": state.asked + 1, "due": now + wait})


def asks(before: FrameDocument | None, after: FrameDocument) -> bool:
    """Tell whether a change of a frame is to ask for pictures."""
    state = after.preview
    return state is not None and state.asked > 0 and state != (before.preview if before else None)


def preview_requested(frame: FrameDocument, *, producer: str) -> PreviewRequested:
    """Return the request for what a frame lacks; the same until it is asked for again."""
    lacks, state = lacking(frame), frame.preview
    if lacks is None or state is None:
        raise ValueError(f"frame {frame.basename!r} lacks no picture")
    identity = (frame.basename, frame.created, lacks.source.sha256, *lacks.roles)
    return PreviewRequested(
        event_id=derived_id("preview.requested", *identity, state.asked, frame.revision),
        # Not that of the file: whoever announced it waits for one answer.
        correlation_id=derived_id("preview", *identity),
        producer=producer,
        basename=frame.basename,
        source=PreviewSource(
            content="jpeg" if lacks.source_role in PICTURE_ROLES else "fits",
            key=lacks.source.key,
            sha256=lacks.source.sha256,
            size_bytes=lacks.source.size_bytes,
        ),
        wanted=tuple(
            WantedPreview(
                kind=_KINDS[role],
                role=role,
                key=preview_key(source_sha256=lacks.source.sha256, name=_name(frame, role)),
            )
            for role in lacks.roles
        ),
    )


def with_previews(frame: FrameDocument, made: PreviewMade, *, now: datetime) -> FrameDocument:
    """Return the frame with those pictures it lacks; itself if it lacks none of them, or has other files by now."""
    sources = {frame.files[role].sha256 for role in _sources(frame)}
    if made.source_sha256 not in sources:
        return frame
    added = {
        each.role: _file(each, made_of=made.source_sha256)
        for each in made.previews
        if each.role in _KINDS and _is_lacking(frame.files.get(each.role), sources)
    }
    if not added:
        return frame
    changed = frame.model_copy(
        update={"files": {**frame.files, **added}, "modified": now, "revision": frame.revision + 1}
    )
    return changed.model_copy(update={"preview": frame.preview if lacking(changed) else None})


def with_problem(frame: FrameDocument, *, source_sha256: str, problem: str) -> PreviewState | None:
    """Return the state of a frame, of whose file no picture can be made; None if that is not waited for any more."""
    state = frame.preview
    if state is None or state.source_sha256 != source_sha256:
        return None
    return state.model_copy(update={"due": None, "problem": problem})


def without_displaced(files: Mapping[str, FrameFile], role: str) -> dict[str, FrameFile]:
    """Return the files of a frame without the pictures of ours that a file sent as `role` takes the place of."""
    displaced = PICTURE_ROLES if role in PICTURE_ROLES else (role,)
    return {name: file for name, file in files.items() if name not in displaced or file.made_of is None}


def _sources(frame: FrameDocument) -> list[str]:
    """Return the roles of the files that pictures are made of: all JPEG or all FITS, the one to take first."""
    pictures = [role for role in PICTURE_ROLES if _was_sent(frame.files.get(role))]
    return pictures or [role for role in _SOURCES if _was_sent(frame.files.get(role))]


def _was_sent(file: FrameFile | None) -> bool:
    return file is not None and file.made_of is None


def _is_lacking(file: FrameFile | None, sources: set[str]) -> bool:
    return file is None or (file.made_of is not None and file.made_of not in sources)


def _file(made: MadePreview, *, made_of: str) -> FrameFile:
    return FrameFile(
        key=made.key,
        size_bytes=made.size_bytes,
        sha256=made.sha256,
        etag=made.etag,
        media_type=PREVIEW_TYPE,
        stored_at=made.stored_at,
        made_of=made_of,
    )


def _name(frame: FrameDocument, role: str) -> str:
    """Return what the file is called: as an observatory would have called it."""
    basename = frame.basename.encode()[:_MOST_BASENAME_BYTES].decode(errors="ignore")
    return f"{basename}-{frame.data_type or ''}{role.rpartition('_')[2]}.jpg"
