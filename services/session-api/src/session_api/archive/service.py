"""What the frames API of OCS archives says: lists of frames, their headers, those related to them."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pydantic import JsonValue

from datalab.documents.frame import PICTURE_ROLES, THUMBNAIL_ROLES, FrameDocument, FrameFile
from datalab.errors import NotFoundError
from datalab.events.envelope import utc_now
from session_api.archive.model import NEWEST_FIRST, FrameFilter, FrameOrder, Place, Span
from session_api.archive.repository import FrameReader, Proposals
from session_api.archive.rows import FrameRow, row_of
from session_api.archive.tallies import FrameTallies, Tallied
from session_api.web.user import User
from session_api.web.window import Window

#: Up to here frames are counted; beyond, what is counted is told as an estimate. A count of more takes too long.
MOST_COUNTED = 100_000
#: What is aggregated, by the name clients know.
AGGREGATED = {
    "sites": "site_id",
    "telescopes": "telescope_id",
    "filters": "filter_name",
    "instruments": "instrument_id",
    "obstypes": "configuration_type",
    "proposals": "proposal_id",
}
#: How the user interface calls the pictures of a frame in a Photon Ranch archive, and which files they are.
_PICTURES = {"-small": (*THUMBNAIL_ROLES, *PICTURE_ROLES), "-large": PICTURE_ROLES}
_MOST_RELATED = 1000
#: A sample of so many frames costs a count 10 ms, and tells a count of a tenth of all to 10 %.
_SAMPLE = [random.Random(number).random() for number in range(1000)]  # noqa: S311 - always the same
_STEP = 1.05
#: So many standard errors above is certainly above.
_SURE = 5.0


@dataclass(frozen=True, slots=True)
class FrameCount:
    """How many frames there are, exactly or not."""

    frames: int
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class FoundFrame:
    """A frame, and the numbers of those its header or theirs relates to it."""

    frame: FrameRow
    related: Sequence[int]


class Outputs(Protocol):
    """What the caller's operations made, as frames: by numbers no frame has, and by name."""

    def has_number(self, number: int) -> bool:
        """Tell whether a number is that of an output, not of a frame; the output need not exist."""
        ...

    async def find(self, caller: User, number: int) -> FrameDocument | None: ...

    async def find_named(self, caller: User, basename: str) -> FrameDocument | None: ...

    async def header(self, caller: User, output: FrameDocument) -> dict[str, JsonValue]:
        """Return the header. Raises `TransientError`, `NotFoundError`."""
        ...


class FrameService:
    """Frames with a file to compute with. A frame that the caller may not read does not exist: `NotFoundError`."""

    def __init__(self, *, frames: FrameReader, tallies: FrameTallies, outputs: Outputs) -> None:
        self._frames = frames
        self._tallies = tallies
        self._outputs = outputs

    async def page(
        self,
        caller: User,
        chosen: FrameFilter,
        order: FrameOrder,
        window: Window,
        *,
        with_related: bool = True,
    ) -> tuple[FrameCount, list[FoundFrame]]:
        """Return how many frames fit, and the window of them.

        What is asked for by its whole name may also be an output of the caller's operations, or a frame's picture.
        """
        proposals, chosen = caller.readable_proposals, replace(chosen, with_science=True)
        count, frames = await asyncio.gather(
            self._count(proposals, chosen),
            self._frames.page(proposals, chosen, order, limit=window.limit, skip=window.offset),
        )
        if not count.frames and isinstance(chosen.basename, str):
            other = await self._other_named(caller, chosen.basename)
            if other is not None:
                return FrameCount(1), [FoundFrame(row_of(other), ())][window.offset : window.offset + window.limit]
        return count, await self._found(proposals, frames, with_related=with_related)

    async def page_after(
        self,
        caller: User,
        chosen: FrameFilter,
        order: FrameOrder,
        *,
        limit: int,
        after: Place | None,
        with_related: bool = True,
    ) -> tuple[list[FoundFrame], Place | None]:
        """Return the frames that fit after a place, and the place to go on from if there may be more."""
        proposals, chosen = caller.readable_proposals, replace(chosen, with_science=True)
        found, is_full = await self._frames.part(proposals, chosen, order, limit=limit + 1, after=after)
        rows = found[:limit]
        more = is_full or len(found) > limit
        last = Place(rows[-1]["capture_date"], rows[-1]["frame_id"]) if rows and more else None
        return await self._found(proposals, rows, with_related=with_related), last

    async def frame(self, caller: User, frame_id: int) -> FoundFrame:
        """Return one frame, or one output of the caller's operations."""
        output = await self._outputs.find(caller, frame_id)
        if output is not None:
            return FoundFrame(row_of(output), ())
        frame = await self._readable(caller, frame_id)
        (found,) = await self._found(caller.readable_proposals, [row_of(frame)], with_related=True)
        return found

    async def named(self, caller: User, basename: str) -> FrameDocument | None:
        """Return the frame of a name, None if there is none that the caller may read."""
        frame = await self._frames.find_any(basename)
        return frame if frame is not None and caller.may_read_frame(frame, now=utc_now()) else None

    async def header(self, caller: User, frame_id: int) -> dict[str, JsonValue]:
        """Return the header of a frame or output, {} if it has none. Raises `TransientError`."""
        output = await self._outputs.find(caller, frame_id)
        if output is not None:
            return await self._outputs.header(caller, output)
        return await self._frames.header_of(await self._readable(caller, frame_id)) or {}

    async def related(self, caller: User, frame_id: int) -> list[FoundFrame]:
        """Return the frames that the header of one names, and those whose header names it."""
        found = await self.frame(caller, frame_id)
        if not found.related:
            return []
        proposals = caller.readable_proposals
        chosen = FrameFilter(numbers=found.related, with_science=True)
        frames = await self._frames.page(proposals, chosen, NEWEST_FIRST, limit=_MOST_RELATED)
        return await self._found(proposals, frames, with_related=True)

    async def picture(self, caller: User, basename: str, *, small: bool) -> FrameFile:
        """Return a picture of a frame or output. Raises `NotFoundError`."""
        _, picture = await self._picture(caller, basename, _PICTURES["-small" if small else "-large"])
        if picture is None:
            raise NotFoundError("There is no picture of a frame of this name.")
        return picture

    async def aggregate(self, caller: User, chosen: FrameFilter) -> dict[str, list[str]]:
        """Return the values that frames which fit have, by what they are values of: see `AGGREGATED`."""
        proposals, chosen = caller.readable_proposals, replace(chosen, with_science=True)
        fields = list(AGGREGATED.values())
        tallied = await self._tallies.find(proposals, chosen, fields=fields)
        if tallied is None:
            values = await asyncio.gather(
                *(self._frames.values(proposals, chosen, field) for field in AGGREGATED.values())
            )
            return dict(zip(AGGREGATED, values, strict=True))
        kinds = await asyncio.gather(
            *(
                self._frames.kinds(proposals, replace(chosen, during=span), fields)
                for span in (*tallied.untold, *tallied.parts)
            )
        )
        found: dict[str, list[str]] = {}
        for name, field in AGGREGATED.items():
            others = {kind.get(field) for span in kinds for kind in span}
            found[name] = sorted(str(value) for value in tallied.values[field] | others if value)
        return found

    async def _readable(self, caller: User, frame_id: int) -> FrameDocument:
        frame = await self._frames.find_any_by_number(frame_id)
        if frame is None or not caller.may_read_frame(frame, now=utc_now()):
            raise NotFoundError("No Frame matches the given query.")
        return frame

    async def _other_named(self, caller: User, name: str) -> FrameDocument | None:
        """Return the output of a name; or of a frame or output the picture that a client calls so."""
        output = await self._outputs.find_named(caller, name)
        if output is not None:
            return output
        suffix = next((end for end in _PICTURES if name.endswith(end)), None)
        if suffix is None:
            return None
        frame, picture = await self._picture(caller, name.removesuffix(suffix), _PICTURES[suffix])
        return frame.model_copy(update={"basename": name, "files": {"fits": picture}}) if frame and picture else None

    async def _picture(
        self, caller: User, basename: str, roles: Sequence[str]
    ) -> tuple[FrameDocument | None, FrameFile | None]:
        """Return a frame, or an output of the caller's operations, and the first of its pictures of these roles."""
        frame = await self._frames.find_any(basename)
        if frame is None or not caller.may_read_frame(frame, now=utc_now()):
            frame = await self._outputs.find_named(caller, basename)
        return frame, next((frame.files[role] for role in roles if role in frame.files), None) if frame else None

    async def _count(self, proposals: Proposals, chosen: FrameFilter) -> FrameCount:
        """Return the count, from the tallies if they tell."""
        tallied = await self._tallies.find(proposals, chosen)
        return await (self._counted(proposals, chosen) if tallied is None else self._added(proposals, chosen, tallied))

    async def _added(self, proposals: Proposals, chosen: FrameFilter, tallied: Tallied) -> FrameCount:
        """Return the count, of which the tallies tell the most."""

        async def among_frames(spans: Sequence[Span]) -> int:
            asked = (replace(chosen, during=span) for span in spans)
            return sum(
                await asyncio.gather(*(self._frames.count(proposals, each, most=MOST_COUNTED + 1) for each in asked))
            )

        frames = tallied.frames + await among_frames(tallied.untold)
        if frames > MOST_COUNTED:
            return FrameCount(frames + round(tallied.likely), estimated=True)
        frames += await among_frames(tallied.parts)
        return FrameCount(frames, estimated=frames > MOST_COUNTED)

    async def _counted(self, proposals: Proposals, chosen: FrameFilter) -> FrameCount:
        """Return the count; of many frames an estimate, from how many of a sample fit.

        Numbers are given one after the other, so that those of the sample are as good as drawn from all frames; where
        one is missing, its frame does not fit.
        """
        largest = await self._frames.largest_number()
        if largest <= MOST_COUNTED:
            return FrameCount(await self._frames.count(proposals, chosen, most=MOST_COUNTED))
        estimate, error = await self._estimate(proposals, chosen, largest)
        if estimate - _SURE * error > MOST_COUNTED:
            return FrameCount(round(estimate), estimated=True)
        counted = await self._frames.count(proposals, chosen, most=MOST_COUNTED + 1)
        if counted > MOST_COUNTED:
            return FrameCount(max(counted, round(estimate)), estimated=True)
        return FrameCount(counted)

    async def _estimate(self, proposals: Proposals, chosen: FrameFilter, largest: int) -> tuple[float, float]:
        """Return about how many frames fit, and the standard error of that."""
        # The same sample until there are some more frames: the store has it at hand.
        reach = _STEP ** math.ceil(math.log(largest, _STEP))
        sample = sorted({math.ceil(reach * part) for part in _SAMPLE})
        fitting = await self._frames.count(proposals, replace(chosen, numbers=sample), most=len(sample))
        share = fitting / len(sample)
        return reach * share, reach * math.sqrt(share * (1 - share) / len(sample))

    async def _found(self, proposals: Proposals, rows: Sequence[FrameRow], *, with_related: bool) -> list[FoundFrame]:
        if not with_related:
            return [FoundFrame(row, ()) for row in rows]
        named, naming = await asyncio.gather(
            self._frames.numbers_of(proposals, {name for row in rows for name in row["related"]}),
            self._frames.numbers_naming(proposals, [row["_id"] for row in rows]),
        )
        return [
            FoundFrame(
                row, sorted({named[name] for name in row["related"] if name in named}.union(naming.get(row["_id"], ())))
            )
            for row in rows
        ]
