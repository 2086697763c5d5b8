"""Which image a channel shows, and of which files, in whatever order they and the words about them come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import JsonValue

from datalab.documents.document import storable_names
from datalab.documents.file_names import FileName
from datalab.documents.frame import FrameFile
from datalab.documents.info_image import ChannelImage, InfoImageDocument, place_of
from datalab.events.envelope import derived_id
from datalab.events.site_images import InfoImageIngested
from ingest import SERVICE

#: Images a channel remembers, so that what comes late is known for it: a few are on their way at the same time.
_MOST_IMAGES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """For which channel a file is meant, and when that was said first and last."""

    channel: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFile:
    """A file of an info image, as it is in the store, with its header if it is the text of one."""

    name: FileName
    file: FrameFile
    header: Mapping[str, JsonValue] | None


def with_file(
    document: InfoImageDocument | None,
    *,
    site: str,
    asked: Asked,
    image_file: ImageFile,
    keep: timedelta,
    now: datetime,
) -> InfoImageDocument:
    """Return what a channel shows once it has a file; the document itself if it knew all that is said.

    Whatever the order in which files come, the same files give the same document.
    """
    images = {each.basename: each for each in (document.images if document else ())}
    basename = image_file.name.basename
    after = _image_with(images.get(basename), asked=asked, image_file=image_file)
    if document is not None and after == images.get(basename):
        return document
    images[basename] = after
    latest = sorted(images.values(), key=lambda each: (each.begun, each.basename))[-_MOST_IMAGES:]
    shown = latest[-1]
    return InfoImageDocument(
        place=place_of(site, asked.channel),
        basename=shown.basename,
        data_type=shown.data_type,
        file_date=shown.file_date,
        files=shown.files,
        header=shown.header,
        images=tuple(latest),
        created=document.created if document else now,
        revision=document.revision + 1 if document else 1,
        expires_at=max(file.stored_at for file in shown.files.values()) + keep,
    )


def is_news(before: InfoImageDocument | None, after: InfoImageDocument) -> bool:
    """Tell whether the channel shows something else: not if only a file came that it does not show."""
    return before is None or _shown(before) != _shown(after)


def info_image_ingested(
    document: InfoImageDocument, *, site: str, channel: int, role: str, correlation_id: str
) -> InfoImageIngested:
    """Return the event that tells what a channel shows, with the same id however often it is told.

    `role` is that of the file that brought the news, which may be one of another image than the one shown now.
    """
    file = document.files.get(role) or next(iter(document.files.values()))
    return InfoImageIngested(
        event_id=derived_id("info-image.ingested", document.place, document.revision, document.created, file.sha256),
        correlation_id=correlation_id,
        producer=SERVICE,
        site=site,
        channel=channel,
        basename=document.basename,
        key=file.key,
        roles=tuple(sorted(document.files)),
    )


def _shown(document: InfoImageDocument) -> tuple[str, dict[str, tuple[str, str]]]:
    return document.basename, {role: (file.key, file.sha256) for role, file in document.files.items()}


def _image_with(image: ChannelImage | None, *, asked: Asked, image_file: ImageFile) -> ChannelImage:
    name, file = image_file.name, image_file.file
    role = name.role
    if image is None:
        day = name.observation_day
        image = ChannelImage(
            basename=name.basename,
            data_type=name.data_type or "",
            file_date=f"{day:%Y%m%d}" if day else "",
            first_asked={role: asked.first},
            last_asked={role: asked.last},
        )
    first, last = image.first_asked.get(role, asked.first), image.last_asked.get(role, asked.last)
    changes: dict[str, object] = {
        "first_asked": {**image.first_asked, role: min(first, asked.first)},
        "last_asked": {**image.last_asked, role: max(last, asked.last)},
    }
    present = image.files.get(role)
    if present is None or (present.stored_at, present.key) <= (file.stored_at, file.key):
        changes["files"] = dict(sorted({**image.files, role: file}.items()))
        if image_file.header is not None and (image.header_role is None or role <= image.header_role):
            changes |= {"header": storable_names(image_file.header), "header_role": role}
    return image.model_copy(update=changes)
