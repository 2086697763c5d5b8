"""How an all-sky image is built from its files, in whatever order they come."""

from __future__ import annotations

import mimetypes
from datetime import datetime, timedelta

from datalab.documents.allsky_image import AllskyImageDocument
from datalab.documents.document import storable_names
from datalab.documents.file_names import FileName
from datalab.documents.frame import FrameFile
from datalab.events.envelope import derived_id
from datalab.events.site_images import AllskyImageIngested
from ingest import SERVICE
from ingest.frames.model import FrameHeader


def with_file(
    image: AllskyImageDocument | None,
    *,
    site: str,
    name: FileName,
    file: FrameFile,
    header: FrameHeader | None,
    keep: timedelta,
    now: datetime,
) -> AllskyImageDocument:
    """Return the image with a file; the image itself if it has these bytes already, or later ones."""
    files = image.files if image else {}
    present = files.get(name.role)
    if image is not None and present is not None and (present == file or file.stored_at < present.stored_at):
        return image
    files = {**files, name.role: file}
    described = {"header": image.header, "header_role": image.header_role} if image else {}
    observed_at = image.observation_date if image else None
    if header is not None and _describes_better(name.role, image.header_role if image else None):
        described = {"header": storable_names(header.cards), "header_role": name.role}
        observed_at = header.observation.observation_date
    stored_at = max(each.stored_at for each in files.values())
    return AllskyImageDocument(
        basename=name.basename,
        site=site,
        data_type=name.data_type,
        file_date=f"{name.observation_day:%Y%m%d}" if name.observation_day else None,
        files=files,
        observation_date=observed_at,
        # A clock that is ahead must not keep its image on top.
        taken_at=min(observed_at, stored_at) if observed_at else stored_at,
        created=image.created if image else now,
        revision=image.revision + 1 if image else 1,
        expires_at=stored_at + keep,
        **described,
    )


def stored_file(file: FrameFile) -> FrameFile:
    """Return the file with the media type its name tells, where nobody has looked inside."""
    if file.media_type != "application/octet-stream":
        return file
    return file.model_copy(update={"media_type": mimetypes.guess_type(file.key)[0] or file.media_type})


def is_news(before: AllskyImageDocument | None, after: AllskyImageDocument, role: str) -> bool:
    """Tell whether anyone has to hear about a change: not if the same bytes were merely stored again."""
    old = before.files.get(role) if before else None
    return old is None or (old.sha256, old.key) != (after.files[role].sha256, after.files[role].key)


def allsky_image_ingested(image: AllskyImageDocument, *, role: str, correlation_id: str) -> AllskyImageIngested:
    """Return the event that tells of an image, with the same id however often it is told."""
    file = image.files[role]
    return AllskyImageIngested(
        event_id=derived_id("allsky-image.ingested", image.basename, role, file.sha256, image.revision, image.created),
        correlation_id=correlation_id,
        producer=SERVICE,
        site=image.site,
        basename=image.basename,
        key=file.key,
        roles=tuple(sorted(image.files)),
        taken_at=image.taken_at,
    )


def _describes_better(role: str, present: str | None) -> bool:
    """The text is what the observatory calls the header."""
    return present is None or (not role.startswith("txt"), role) <= (not present.startswith("txt"), present)
