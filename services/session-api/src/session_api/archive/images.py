"""What the Photon Ranch API says of images: packages, headers, the latest of every site."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pydantic import JsonValue
from typing_extensions import TypedDict

from datalab.documents.frame import LARGE_ROLES, PICTURE_ROLES, SMALL_ROLES, THUMBNAIL_ROLES, UPLOADS_SITE
from datalab.errors import NotFoundError
from datalab.events.envelope import utc_now
from datalab.platform.objects.links import Links
from session_api.archive.model import NEWEST_FIRST, FrameFilter, FrameOrder, Place, milliseconds
from session_api.archive.repository import FrameReader, Proposals
from session_api.archive.rows import IMAGE_FIELDS, FileRow, FrameRow, cards_of, row_of
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
        return self._package(row_of(frame))

    async def latest(self, caller: User, site: str, count: int, *, user_id: str | None = None) -> list[ImagePackage]:
        """Return the newest images of a site, or of somebody at a site."""
        equal = {"site": [site]} | ({"user_id": [user_id]} if user_id else {})
        chosen = FrameFilter(equal=equal, with_picture=True)
        limit = max(0, min(count, _MOST_LATEST))
        if not limit:
            return []
        found = await self._frames.page(
            caller.readable_proposals, chosen, NEWEST_FIRST, limit=limit, fields=IMAGE_FIELDS
        )
        return self._packages(found)

    async def latest_of_every_site(self, caller: User) -> dict[str, str]:
        """Return the link to the newest picture of every site that has one."""
        latest = {}
        for site in await self._frames.sites():
            if site == UPLOADS_SITE:  # people's own: no observatory, and no picture of the sky over one
                continue
            chosen = FrameFilter(equal={"site": [site]}, with_picture=True)
            for row in await self._frames.page(
                caller.readable_proposals, chosen, NEWEST_FIRST, limit=1, fields=IMAGE_FIELDS
            ):
                latest[site] = self._link(row["files"], PICTURE_ROLES)
        return latest

    async def header(self, caller: User, basename: str) -> Mapping[str, JsonValue]:
        """Return the header of a frame, {} while there is none. Raises `NotFoundError`."""
        frame = await self._frames.find_any(basename)
        if frame is None or not caller.may_read_frame(frame, now=utc_now()):
            raise NotFoundError(f"No fits header found in the db for {basename}")
        header = await self._frames.header_of(frame)
        if header is None:
            return {}
        return header if frame.header_source != "text" else as_texts(header)

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
        kept: list[FrameRow] = []
        while len(kept) <= wanted:
            # One more tells that there are more.
            found, is_full = await self._frames.part(
                proposals, chosen, order, limit=wanted + 1, after=after, fields=IMAGE_FIELDS
            )
            kept += await self._without_covered(proposals, chosen, found)
            ends = len(found) <= wanted and not is_full
            if ends and len(kept) <= wanted:
                return self._packages(kept), None
            after = _place(found[-1])
            if limit is None:
                return self._packages(kept), after
        return self._packages(kept[:wanted]), _place(kept[wanted - 1])

    async def _without_covered(
        self, proposals: Proposals, chosen: FrameFilter, rows: Sequence[FrameRow]
    ) -> list[FrameRow]:
        """Leave out the exposures of a smart stack for which there is a later one among all that fit."""
        stacks = {(row["site"], row["stack_id"]) for row in rows if row["stack_id"] and row["stack_number"] is not None}
        last = await self._frames.last_of_stacks(proposals, chosen, stacks)
        return [
            row
            for row in rows
            if row["stack_number"] is None or row["stack_number"] >= last.get((row["site"], row["stack_id"] or ""), 0)
        ]

    def _packages(self, rows: Iterable[FrameRow]) -> list[ImagePackage]:
        return [self._package(row) for row in rows]

    def _package(self, row: FrameRow) -> ImagePackage:
        cards, files = cards_of(row), row["files"]
        moment = milliseconds(row["capture_date"])
        folders = [_shown(cards, keyword) for keyword in ("SITEID", "INSTRUME", "DAY-OBS")]
        as_said = row["header_source"] != "text"
        return {
            "image_id": row["frame_id"],
            "base_filename": row["_id"],
            "data_type": row["data_type"],
            "site": row["site"],
            "exposure_time": row["exposure_time_s"],
            "filter_used": row["filter_name"],
            "right_ascension": row["right_ascension_deg"],
            "declination": row["declination_deg"],
            "azimuth": row["azimuth_deg"],
            "altitude": row["altitude_deg"],
            "airmass": row["airmass"],
            "fits_01_exists": _exists(files, LARGE_ROLES),
            "fits_10_exists": _exists(files, SMALL_ROLES),
            "jpg_medium_exists": _exists(files, PICTURE_ROLES),
            "jpg_small_exists": _exists(files, THUMBNAIL_ROLES),
            "s3_directory": "data",
            "username": row["username"],
            "user_id": row["user_id"],
            "fits_filename": _shown(cards, "ORIGNAME"),
            "fits_path": "/".join([*folders, "raw"]) if row["header_source"] else "",
            "SMARTSTK": cards.get("SMARTSTK", "") if as_said else _shown(cards, "SMARTSTK"),
            "SSTKNUM": cards.get("SSTKNUM", "") if as_said else _shown(cards, "SSTKNUM"),
            "capture_date": moment,
            "sort_date": moment,
            "jpg_url": self._link(files, PICTURE_ROLES),
            "jpg_thumbnail_url": self._link(files, THUMBNAIL_ROLES),
        }

    def _link(self, files: Mapping[str, FileRow], roles: Sequence[str]) -> str:
        for role in roles:
            if role in files:
                return self._links.sign_get(files[role]["key"], content_type="image/jpeg")
        return ""


def as_texts(header: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the values of a header as its text file has them, with the card that ends it."""
    return {**{keyword: _as_text(value) for keyword, value in header.items()}, "END": ""}


def _place(row: FrameRow) -> Place:
    return Place(row["capture_date"], row["frame_id"])


def _exists(files: Mapping[str, FileRow], roles: Sequence[str]) -> bool | None:
    return True if not files.keys().isdisjoint(roles) else None


def _shown(cards: Mapping[str, JsonValue], keyword: str) -> str:
    return _as_text(cards.get(keyword))


def _as_text(value: JsonValue) -> str:
    """Return a value as the card has it."""
    if isinstance(value, bool):
        return "T" if value else "F"
    return "" if value is None else str(value)
