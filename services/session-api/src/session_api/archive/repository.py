"""The archive's frames, read-only: ingest writes them."""

from __future__ import annotations

import re
from collections.abc import Collection as Several
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from datalab.documents import allsky_image, frame_header, info_image, removed_frame, upload
from datalab.documents.allsky_image import AllskyImageDocument
from datalab.documents.document import ASCENDING, DESCENDING, Document
from datalab.documents.frame import (
    CLOSED,
    COLLECTION,
    COMPLETE,
    NEWEST_FIRST,
    OPEN,
    SKY_INDEX,
    FrameDocument,
    readable_frames,
)
from datalab.documents.frame_header import HeaderDocument
from datalab.documents.info_image import InfoImageDocument
from datalab.documents.removed_frame import RemovedFrame
from datalab.documents.upload import Upload
from datalab.errors import TransientError
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection, Sort
from datalab.platform.together import Together
from session_api.archive.model import FrameFilter, FrameOrder, Place
from session_api.archive.rows import FRAME_FIELDS, FrameRow

#: As many as one operation may have: reading them takes some 20 ms, in which nobody else is served.
_MOST_AT_ONCE = 1000
#: What nobody needs of a frame but who searches by it.
_HEADER = ("header", "header_terms")
#: The same file under several names; whoever asks wants to know that there is one.
_MOST_WITH_ONE_FILE = 10
#: What an answer has beside what is stored: names, and signed links of 500 bytes each.
_ANSWER_BYTES = 1500

#: As many questions as one request asks: the store takes no more than a thousand.
_ASKED_AT_ONCE = 100
#: More than there can be in a day.
_MOST_KINDS = 100_000

#: Whose frames somebody may read before they are public; None stands for everybody's.
Proposals = Several[str] | None


class FrameReader:
    """Collections `frames` and `frame_headers`.

    What `proposals` let nobody read is not found, unless the method says so.
    """

    def __init__(self, database: Database, *, max_answer_bytes: int) -> None:
        self._frames = Collection(database, COLLECTION, FrameDocument)
        self._headers = Collection(database, frame_header.COLLECTION, HeaderDocument)
        self._looking = Together(self._look_for, most=_MOST_AT_ONCE, size=len)
        self._max_answer_bytes = max_answer_bytes

    async def find_any_by_basename(self, basenames: Sequence[str]) -> dict[str, FrameDocument]:
        """Return frames without their headers, whoever may see them: callers check."""
        return await self._looking.ask(frozenset(basenames)) if basenames else {}

    async def _look_for(self, asked: Sequence[frozenset[str]]) -> list[dict[str, FrameDocument] | Exception]:
        query = {"_id": {"$in": list(frozenset().union(*asked))}}
        found = {
            frame.basename: frame for frame in await self._frames.find(query, without=[*_HEADER, "footprint", "sky"])
        }
        return [{name: found[name] for name in names if name in found} for names in asked]

    async def find_any(self, basename: str) -> FrameDocument | None:
        """Return a frame, whoever may see it: callers check."""
        return await self._frames.find_one({"_id": basename})

    async def header_of(self, frame: FrameDocument) -> dict[str, JsonValue] | None:
        """Return the header of a frame that somebody may see, as it was when the frame was read; None without one."""
        if frame.header_id is None:
            return frame.header
        found = await self._headers.find_one({"_id": frame.header_id})
        if found is None:
            raise TransientError(f"the header of {frame.basename} is not there")
        return found.cards

    async def find_any_by_number(self, frame_id: int) -> FrameDocument | None:
        """Return a frame, whoever may see it: callers check."""
        return await self._frames.find_one({"frame_id": frame_id})

    async def find_any_by_md5(self, md5: str) -> list[FrameDocument]:
        """Return frames that have, or had, a file of an OCS ingester with this checksum; callers check who asks."""
        return await self._frames.find({"md5s": md5, "removal": None}, without=_HEADER, limit=_MOST_WITH_ONE_FILE)

    async def page(
        self,
        proposals: Proposals,
        chosen: FrameFilter,
        order: FrameOrder,
        *,
        limit: int,
        skip: int = 0,
        after: Place | None = None,
        fields: Document = FRAME_FIELDS,
    ) -> list[FrameRow]:
        """Return the first frames that fit, `limit` at the most: see `part`."""
        rows, _ = await self.part(proposals, chosen, order, limit=limit, skip=skip, after=after, fields=fields)
        return rows

    async def part(
        self,
        proposals: Proposals,
        chosen: FrameFilter,
        order: FrameOrder,
        *,
        limit: int,
        skip: int = 0,
        after: Place | None = None,
        fields: Document = FRAME_FIELDS,
    ) -> tuple[list[FrameRow], bool]:
        """Return the first frames that fit, `limit` at the most, and whether there are more than an answer can hold.

        They come after a place, which only lists by time have, or after the first `skip`; and end before their answer
        is larger than allowed.
        """
        conditions = [*_conditions(chosen), *_after(after, order)]
        found: tuple[list[Any], bool] = await self._frames.rows_within(
            _readable(proposals, conditions, complete=chosen.with_science),
            fields,
            sort=_sort(order),
            skip=skip,
            limit=limit,
            max_bytes=self._max_answer_bytes,
            beside_bytes=_ANSWER_BYTES,
            # Left to itself, the store may go through all frames by date until enough of them lie in a small circle.
            index=SKY_INDEX if chosen.touches else None,
        )
        return found

    async def count(self, proposals: Proposals, chosen: FrameFilter, *, most: int) -> int:
        """Return how many frames fit, `most` at the most."""
        counts = [
            await self._frames.count(_all_of([branch, *_conditions(chosen)]), most=most)
            for branch in readable_frames(proposals, complete=chosen.with_science)
        ]
        return min(sum(counts), most)

    async def largest_number(self) -> int:
        """Return the largest number of a frame, whoever may read it; 0 if there is none."""
        rows = await self._frames.rows({}, {"frame_id": True}, sort=[("frame_id", DESCENDING)], limit=1)
        return rows[0]["frame_id"] if rows else 0

    async def sites(self) -> list[str]:
        """Return every site that has a frame, whoever may read it."""
        # Apart: an index is only skipped through from one value to the next behind a single one.
        found = [await self._frames.distinct("site", {"release": each}) for each in (CLOSED, OPEN, COMPLETE)]
        return sorted({site for sites in found for site in sites})

    async def values(self, proposals: Proposals, chosen: FrameFilter, field: str) -> list[str]:
        """Return the values that a field has in the frames that fit, each once, in order.

        No frames are gone through: an index tells the values there are, and each is looked for among what fits.
        """
        releases = [COMPLETE] if proposals is not None and not proposals else [COMPLETE, CLOSED]
        there = [await self._frames.distinct(field, {"release": release}) for release in releases]
        candidates = sorted({value for values in there for value in values if value})
        found: list[str] = []
        for first in range(0, len(candidates), _ASKED_AT_ONCE):
            looks: list[list[Document]] = [
                [
                    {
                        "$match": _readable(
                            proposals, [{field: value}, *_conditions(chosen)], complete=chosen.with_science
                        )
                    },
                    {"$limit": 1},
                    {"$project": {"_id": False, "value": f"${field}"}},
                ]
                for value in candidates[first : first + _ASKED_AT_ONCE]
            ]
            others: list[Document] = [{"$unionWith": {"coll": COLLECTION, "pipeline": look}} for look in looks[1:]]
            rows = await self._frames.aggregate([*looks[0], *others], limit=_ASKED_AT_ONCE)
            found += [row["value"] for row in rows]
        return found

    async def kinds(self, proposals: Proposals, chosen: FrameFilter, fields: Sequence[str]) -> list[Document]:
        """Return what values some fields have together in the frames that fit: each of these is read."""
        query = _readable(proposals, _conditions(chosen), complete=chosen.with_science)
        kind = {field: f"${field}" for field in fields}
        rows = await self._frames.aggregate([{"$match": query}, {"$group": {"_id": kind}}], limit=_MOST_KINDS)
        return [row["_id"] for row in rows]

    async def last_of_stacks(
        self, proposals: Proposals, chosen: FrameFilter, stacks: Several[tuple[str, str]]
    ) -> Mapping[tuple[str, str], int]:
        """Return the largest number among the frames that fit, for each smart stack, given by site and id."""
        if not stacks:
            return {}
        conditions: list[Document] = [
            {"site": {"$in": sorted({site for site, _ in stacks})}},
            {"stack_id": {"$in": sorted({stack for _, stack in stacks}), "$type": "string"}},
            *_conditions(chosen),
        ]
        rows = await self._frames.aggregate(
            [
                {"$match": _readable(proposals, conditions)},
                {"$group": {"_id": {"site": "$site", "stack": "$stack_id"}, "last": {"$max": "$stack_number"}}},
            ],
            limit=len(stacks) ** 2,
        )
        return {(row["_id"]["site"], row["_id"]["stack"]): row["last"] for row in rows if row["last"] is not None}

    async def numbers_of(self, proposals: Proposals, basenames: Several[str]) -> Mapping[str, int]:
        """Return the numbers of frames by their base names."""
        if not basenames:
            return {}
        query = _readable(proposals, [{"_id": {"$in": sorted(basenames)}}])
        return {row["_id"]: row["frame_id"] for row in await self._frames.rows(query, {"frame_id": True})}

    async def readable(self, proposals: Proposals, basenames: Several[str]) -> set[str]:
        """Return those of the base names whose frames may be read."""
        return set(await self.numbers_of(proposals, basenames))

    async def numbers_naming(self, proposals: Proposals, basenames: Several[str]) -> Mapping[str, list[int]]:
        """Return the numbers of frames whose headers name others, by the base names of these."""
        wanted = set(basenames)
        if not wanted:
            return {}
        query = _readable(proposals, [{"related": {"$in": sorted(wanted)}}])
        rows = await self._frames.rows(query, {"frame_id": True, "related": True}, limit=_MOST_NAMING)
        found: dict[str, list[int]] = {}
        for row in rows:
            for basename in wanted.intersection(row["related"]):
                found.setdefault(basename, []).append(row["frame_id"])
        return found


class RemovedFrameReader:
    """Collection `removed_frames`. Who could see a frame, callers check."""

    def __init__(self, database: Database) -> None:
        self._removed = Collection(database, removed_frame.COLLECTION, RemovedFrame)

    async def find_any(self, basename: str) -> RemovedFrame | None:
        """Return the last frame of a name that went, if that is remembered."""
        found = await self._removed.find({"basename": basename}, sort=(("removed_at", DESCENDING),), limit=1)
        return found[0] if found else None


class UploadReader:
    """Collection `upload_log`. Whose files these are, callers check."""

    def __init__(self, database: Database) -> None:
        self._uploads = Collection(database, upload.COLLECTION, Upload)

    async def latest_any(self, site: str | None, *, limit: int) -> list[Upload]:
        """Return the latest entries of a site, or of all, the oldest first."""
        query = {} if site is None else {"site": site}
        found = await self._uploads.find(query, sort=upload.NEWEST_FIRST, limit=limit)
        return found[::-1]

    async def of_any_version(self, version_id: str) -> Upload | None:
        """Return the entry of an object as it was stored once."""
        return await self._uploads.find_one({"_id": version_id})


class InfoImageReader:
    """Collection `info_images`: everybody may see them."""

    def __init__(self, database: Database) -> None:
        self._images = Collection(database, info_image.COLLECTION, InfoImageDocument)

    async def find(self, site: str, channel: str, *, now: datetime) -> InfoImageDocument | None:
        """Return what a channel shows now."""
        return await self._images.find_one({"_id": info_image.place_of(site, channel), "expires_at": {"$gt": now}})


class AllskyImageReader:
    """Collection `allsky_images`: everybody may see them."""

    def __init__(self, database: Database) -> None:
        self._images = Collection(database, allsky_image.COLLECTION, AllskyImageDocument)

    async def latest(self, site: str, *, now: datetime) -> AllskyImageDocument | None:
        """Return the latest image of a site that has a picture to look at."""
        query: Document = {"site": site, "has_picture": True, "expires_at": {"$gt": now}}
        found = await self._images.find(query, sort=allsky_image.NEWEST_FIRST, limit=1)
        return found[0] if found else None


#: A bias may be named by every exposure of its month; so many are told.
_MOST_NAMING = 1000


def _readable(proposals: Proposals, conditions: Iterable[Document], *, complete: bool = False) -> Document:
    """Return the query for what fits and may be read.

    The conditions stand in each branch of the alternatives, so that each has an index of its own, in the right order;
    except where one on the sky has the index.
    """
    conditions = list(conditions)
    if any("sky" in condition for condition in conditions):
        return _all_of([*conditions, {"$or": list(readable_frames(proposals, complete=complete))}])
    branches = [_all_of([branch, *conditions]) for branch in readable_frames(proposals, complete=complete)]
    return branches[0] if len(branches) == 1 else {"$or": branches}


def _all_of(conditions: Sequence[Document]) -> Document:
    return {"$and": list(conditions)}


def _sort(order: FrameOrder) -> Sort:
    if order.field in {"_id", "frame_id"}:
        return [(order.field, DESCENDING if order.descending else ASCENDING)]
    # As the indexes have it, from either end.
    ascending = NEWEST_FIRST if order.by_time else ((order.field, ASCENDING), *NEWEST_FIRST)
    turned = order.descending if not order.by_time else not order.descending
    return [(name, -direction if turned else direction) for name, direction in ascending]


def _after(place: Place | None, order: FrameOrder) -> list[Document]:
    if place is None:
        return []
    beyond = "$lt" if order.descending else "$gt"
    return [
        {"capture_date": {f"{beyond}e": place.capture_date}},
        {"$or": [{"capture_date": {beyond: place.capture_date}}, {"frame_id": {beyond: place.frame_id}}]},
    ]


def _conditions(chosen: FrameFilter) -> list[Document]:
    conditions: list[Document] = [
        {name: {"$in": list(values)} if len(values) != 1 else values[0]} for name, values in chosen.equal.items()
    ]
    conditions += [{name: {"$nin": list(values)}} for name, values in chosen.unequal.items()]
    conditions += _within("capture_date", *chosen.captured)
    if chosen.during is not None:
        conditions.append({"capture_date": {"$gte": chosen.during[0], "$lt": chosen.during[1]}})
    conditions += _within("exposure_time_s", *chosen.exposed_s)
    if chosen.public_date is not None:
        conditions += _within("public_date", chosen.public_date, chosen.public_date)
    conditions += _matching("_id", chosen.basename) + _matching("target_name", chosen.target_name)
    conditions += [{"header_terms": term} for term in chosen.header_terms]
    conditions += [{"sky": {"$geoIntersects": {"$geometry": shape}}} for shape in chosen.touches]
    if chosen.closed:
        conditions.append({"release": CLOSED})
    if chosen.numbers is not None:
        conditions.append({"frame_id": {"$in": list(chosen.numbers)}})
    if chosen.with_picture:
        conditions.append({"has_picture": True})
    return conditions


def _within(field: str, lowest: float | datetime | None, highest: float | datetime | None) -> list[Document]:
    limits = {"$gte": lowest, "$lte": highest}
    given = {operator: limit for operator, limit in limits.items() if limit is not None}
    return [{field: given}] if given else []


def _matching(field: str, wanted: str | re.Pattern[str] | None) -> list[Document]:
    return [] if wanted is None else [{field: wanted}]
