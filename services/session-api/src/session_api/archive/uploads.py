"""What the Photon Ranch API says of uploads, and of the info images and all-sky images of a site."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict

from datalab.documents.allsky_image import AllskyImageDocument
from datalab.documents.file_names import parse_file_name
from datalab.documents.info_image import InfoImageDocument
from datalab.documents.upload import Outcome, Upload
from datalab.errors import UsageError
from datalab.events.envelope import utc_now
from datalab.events.object_keys import ALLSKY, INFO_IMAGES, split_key
from datalab.platform.objects.links import Links
from session_api.archive.images import as_texts
from session_api.archive.model import milliseconds
from session_api.archive.repository import AllskyImageReader, FrameReader, InfoImageReader, UploadReader
from session_api.web.user import User

EVERY_SITE = "all"
#: Two days of ten busy sites.
_MOST_UPLOADS = 10_000
#: The flags that every package has, and the link it has with each: flag, role, link.
_SHOWN = (
    ("jpg_medium_exists", "jpg_10", "jpg_url"),
    ("jpg_small_exists", "jpg_11", "jpg_small_url"),
    ("fits_01_exists", "fits_01", "fits_01_url"),
    ("fits_10_exists", "fits_10", "fits_10_url"),
)


class UploadView(TypedDict):
    """An upload; times in s since 1970. Of one that came to nothing the `reason` is said, to those who see it."""

    site: str
    upload_timestamp_s: int
    expire_timestamp_s: int
    filename: str
    size_bytes: int
    reason: NotRequired[str]


class UploadLog:
    """The latest uploads: to each caller those of frames they may read, and of site images.

    To whoever looks after the system all, and to those who send for a site all of its.
    """

    def __init__(self, *, uploads: UploadReader, frames: FrameReader) -> None:
        self._uploads = uploads
        self._frames = frames

    async def latest(self, caller: User, site: str) -> list[UploadView]:
        """Return the uploads of a site, or of all, the oldest first."""
        entries = await self._uploads.latest_any(None if site == EVERY_SITE else site, limit=_MOST_UPLOADS)
        if not caller.operates:
            theirs = {entry.version_id for entry in entries if caller.may_ingest(entry.site)}
            entries = [each for each in entries if each.outcome is Outcome.INGESTED or each.version_id in theirs]
            named = {entry.version_id: _basename(entry) for entry in entries if not _is_for_everybody(entry)}
            readable = await self._frames.readable(caller.readable_proposals, {name for name in named.values() if name})
            entries = [
                each
                for each in entries
                if each.version_id in theirs or _is_for_everybody(each) or named.get(each.version_id) in readable
            ]
        return [_shown(entry) for entry in entries]


class InfoImages:
    """What sites show on their channels."""

    def __init__(self, *, images: InfoImageReader, links: Links) -> None:
        self._images = images
        self._links = links

    async def package(self, site: str, channel: str) -> dict[str, Any] | None:
        """Return what a channel shows, None if nothing."""
        found = await self._images.find(site, channel, now=utc_now())
        return None if found is None else self._package(found, site, channel)

    def _package(self, image: InfoImageDocument, site: str, channel: str) -> dict[str, Any]:
        package: dict[str, Any] = {
            "pk": image.place,
            "base_filename": image.basename,
            "expiration_timestamp": int(image.expires_at.timestamp()),
            "data_type": image.data_type,
            "file_date": image.file_date,
        }
        package |= {f"{role}_file_path": file.key for role, file in image.files.items()}
        package |= {_flag(role): True for role in image.files}
        if image.header is not None:
            package["header"] = dict(as_texts(image.header))
        package |= {"site": site, "channel": channel}
        package |= {flag: role in image.files for flag, role, _ in _SHOWN}
        package["s3_directory"] = "info-images"
        for _, role, link in _SHOWN:
            if role in image.files:
                package[link] = self._links.sign_get(image.files[role].key, content_type=image.files[role].media_type)
        return package


class AllskyImages:
    """The sky over sites."""

    def __init__(self, *, images: AllskyImageReader, links: Links) -> None:
        self._images = images
        self._links = links

    async def package(self, site: str) -> dict[str, Any] | None:
        """Return the latest image of a site, None if there is none."""
        found = await self._images.latest(site, now=utc_now())
        return None if found is None else self._package(found)

    def _package(self, image: AllskyImageDocument) -> dict[str, Any]:
        package: dict[str, Any] = {
            "base_filename": image.basename,
            "site": image.site,
            "data_type": image.data_type,
            "file_date": image.file_date,
            "capture_date": milliseconds(image.taken_at),
            "expiration_timestamp": int(image.expires_at.timestamp()),
            "s3_directory": "allsky",
        }
        package |= {f"{role}_file_path": file.key for role, file in sorted(image.files.items())}
        if image.header is not None:
            package["header"] = as_texts(image.header)
        picture = image.picture
        if picture is not None:
            package["jpg_url"] = self._links.sign_get(picture.key, content_type=picture.media_type)
        return package


def _is_for_everybody(entry: Upload) -> bool:
    return split_key(entry.key)[0] in {INFO_IMAGES, ALLSKY}


def _flag(role: str) -> str:
    known = {shown: flag for flag, shown, _ in _SHOWN}
    if role in known:
        return known[role]
    return f"{role}_exists" if role.startswith("fits_") else f"other_{role}_exists"


def _basename(entry: Upload) -> str | None:
    try:
        return parse_file_name(split_key(entry.key)[1]).basename
    except UsageError:
        return None


def _shown(entry: Upload) -> UploadView:
    view = UploadView(
        site=entry.site,
        upload_timestamp_s=int(entry.uploaded_at.timestamp()),
        expire_timestamp_s=int((entry.expires_at or entry.uploaded_at).timestamp()),
        filename=entry.key,
        size_bytes=entry.size_bytes,
    )
    return view if entry.reason is None else {**view, "reason": entry.reason}
