"""What the Photon Ranch API says of images: packages, headers, the latest of every site."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pydantic import JsonValue
from typing_extensions import TypedDict

from datalab.documents.frame import LARGE_ROLES, PICTURE_ROLES, SMALL_ROLES, THUMBNAIL_ROLES, FrameDocument
from datalab.errors import NotFoundError
from datalab.events.envelope import utc_now
from datalab.platform.objects.links import Links
from session_api.archive.model import NEWEST_FIRST, FrameFilter, FrameOrder, Place, milliseconds
from session_api.archive.repository import FrameReader, Proposals
from session_api.web.user import User

#: More than any answer can hold: where no limit is given, its size is the limit.
_NO_LIMIT = 100_000
_MOST_LATEST = 1000


class ImagePackage(TypedDict):
    """An image. Angles in degrees, times in s or, where they are dates, ms since 1970; flags are null until true."""

    image_id: int
    base_filename: str
    data_type: str | None
    site: str
    exposure_time: float | None
    filter_used: str | None
    right_ascension: float | None
    declination: float | None
    azimuth: float | None
    altitude: float | None
    airmass: float | None
    fits_01_exists: bool | None
    fits_10_exists: bool | None
    jpg_medium_exists: bool | None
    jpg_small_exists: bool | None
    s3_directory: str
    username: str | None
    user_id: str | None
    fits_filename: str
    fits_path: str
    SMARTSTK: JsonValue
    SSTKNUM: JsonValue
    capture_date: int
    sort_date: int
    jpg_url: str
    jpg_thumbnail_url: str


class ImageService:
    """Answers about images. A frame without a picture to look at is none; who may not read it, does not find it."""

    def __init__(self, *, frames: FrameReader, links: Links) -> None:
        self._frames = frames
        self._links = links

    async def image(self, caller: User, basename: str) -> ImagePackage:
        """Return one image. Raises `NotFoundError`."""
        frame = await self._frames.find_any(basename)
        if frame is None or not frame.has_picture or not caller.may_read_frame(frame, now=utc_now()):
            raise NotFoundError(f"No results found for {basename}")
        return self._package(frame)

    async def latest(self, caller: User, site: str, count: int, *, user_id: str | None = None) -> list[ImagePackage]:
        """Return the newest images of a site, or of somebody at a site."""
        equal = {"site": [site]} | ({"user_id": [user_id]} if user_id else {})
        chosen = FrameFilter(equal=equal, with_picture=True)
        limit = max(0, min(count, _MOST_LATEST))
        if not limit:
            return []
        found = await self._frames.page(caller.readable_proposals, chosen, NEWEST_FIRST, limit=limit)
        return self._packages(found)

    async def latest_of_every_site(self, caller: User) -> dict[str, str]:
        """Return the link to the newest picture of every site that has one."""
        latest = {}
        for site in await self._frames.sites():
            chosen = FrameFilter(equal={"site": [site]}, with_picture=True)
            for frame in await self._frames.page(caller.readable_proposals, chosen, NEWEST_FIRST, limit=1):
                latest[site] = self._link(frame, PICTURE_ROLES)
        return latest

    async def header(self, caller: User, basename: str) -> Mapping[str, JsonValue]:
        """Return the header of a frame, {} while there is none. Raises `NotFoundError`."""
        frame = await self._frames.find_any(basename)
        if frame is None or not caller.may_read_frame(frame, now=utc_now()):
            raise NotFoundError(f"No fits header found in the db for {basename}")
        if frame.header is None:
            return {}
        if frame.header_source != "text":
            return frame.header
        return as_texts(frame.header)

    async def filtered(
        self,
        caller: User,
        chosen: FrameFilter,
        order: FrameOrder = NEWEST_FIRST,
        *,
        limit: int | None = None,
        after: Place | None = None,
    ) -> tuple[list[ImagePackage], Place | None]:
        """Return the images that fit, of a smart stack the last only; and where to go on if there are more."""
        chosen = replace(chosen, with_picture=True)
        proposals = caller.readable_proposals
        wanted = limit or _NO_LIMIT
        kept: list[FrameDocument] = []
        while len(kept) < wanted:
            found = await self._frames.page(proposals, chosen, order, limit=wanted, after=after)
            kept += await self._without_covered(proposals, chosen, found)
            if found:
                after = _place(found[-1])
            if not found or limit is None:
                break
        if len(kept) > wanted:
            kept = kept[:wanted]
            after = _place(kept[-1])
        more = bool(found) and await self._frames.page(proposals, chosen, order, limit=1, after=after)
        return self._packages(kept), after if more else None

    async def _without_covered(
        self, proposals: Proposals, chosen: FrameFilter, frames: Sequence[FrameDocument]
    ) -> list[FrameDocument]:
        """Leave out the exposures of a smart stack for which there is a later one among all that fit."""
        stacks = {(frame.site, frame.stack_id) for frame in frames if frame.stack_id and frame.stack_number is not None}
        last = await self._frames.last_of_stacks(proposals, chosen, stacks)
        return [
            frame
            for frame in frames
            if frame.stack_number is None or frame.stack_number >= last.get((frame.site, frame.stack_id or ""), 0)
        ]

    def _packages(self, frames: Iterable[FrameDocument]) -> list[ImagePackage]:
        return [self._package(frame) for frame in frames]

    def _package(self, frame: FrameDocument) -> ImagePackage:
        header = frame.header or {}
        moment = milliseconds(frame.capture_date)
        folders = [_shown(header, keyword) for keyword in ("SITEID", "INSTRUME", "DAY-OBS")]
        as_said = frame.header_source != "text"
        return ImagePackage(
            image_id=frame.frame_id,
            base_filename=frame.basename,
            data_type=frame.data_type,
            site=frame.site,
            exposure_time=frame.exposure_time_s,
            filter_used=frame.filter_name,
            right_ascension=frame.right_ascension_deg,
            declination=frame.declination_deg,
            azimuth=frame.azimuth_deg,
            altitude=frame.altitude_deg,
            airmass=frame.airmass,
            fits_01_exists=_exists(frame, LARGE_ROLES),
            fits_10_exists=_exists(frame, SMALL_ROLES),
            jpg_medium_exists=_exists(frame, PICTURE_ROLES),
            jpg_small_exists=_exists(frame, THUMBNAIL_ROLES),
            s3_directory="data",
            username=frame.username,
            user_id=frame.user_id,
            fits_filename=_shown(header, "ORIGNAME"),
            fits_path="/".join([*folders, "raw"]) if frame.header_source else "",
            SMARTSTK=header.get("SMARTSTK", "") if as_said else _shown(header, "SMARTSTK"),
            SSTKNUM=header.get("SSTKNUM", "") if as_said else _shown(header, "SSTKNUM"),
            capture_date=moment,
            sort_date=moment,
            jpg_url=self._link(frame, PICTURE_ROLES),
            jpg_thumbnail_url=self._link(frame, THUMBNAIL_ROLES),
        )

    def _link(self, frame: FrameDocument, roles: Sequence[str]) -> str:
        file = next((frame.files[role] for role in roles if role in frame.files), None)
        return "" if file is None else self._links.sign_get(file.key, content_type="image/jpeg")


def as_texts(header: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the values of a header as its text file has them, with the card that ends it."""
    return {**{keyword: _as_text(value) for keyword, value in header.items()}, "END": ""}


def _place(frame: FrameDocument) -> Place:
    return Place(frame.capture_date, frame.frame_id)


def _exists(frame: FrameDocument, roles: Sequence[str]) -> bool | None:
    return any(role in frame.files for role in roles) or None


def _shown(header: Mapping[str, JsonValue], keyword: str) -> str:
    return _as_text(header.get(keyword))


def _as_text(value: JsonValue) -> str:
    """Return a value as the card has it."""
    if isinstance(value, bool):
        return "T" if value else "F"
    return "" if value is None else str(value)
