"""What the tallies of frames say: how many fit, and which values they have, without a look at the frames.

For each value of a field a whole number has a bit for each kind of frames that has it: kinds that fit are found by a
few operations on such numbers, whatever is asked for. The counts of kinds are kept likewise, a number for each digit.
"""

from __future__ import annotations

from collections.abc import Collection as Several
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic

from datalab.documents.frame import CLOSED, COMPLETE
from datalab.documents.frame_tally import (
    COLLECTION,
    COMPLETE_ID,
    EVERY_DAY,
    TALLIED_BY,
    TallyDocument,
    TallyValue,
    beginning_of,
    end_of,
    span_of_day,
    unpacked_counts,
)
from datalab.platform.documents.client import Database
from datalab.platform.documents.collection import Collection
from datalab.platform.together import Together
from session_api.archive.model import FrameFilter, Span

#: What is known is as old as this, at the most.
_GOOD_FOR_S = 1.0
#: Where more than this has to be looked for among the frames, another way of counting is as good.
_MOST_UNTOLD = timedelta(days=70)
_DAY, _TICK = timedelta(days=1), timedelta(milliseconds=1)  # the store knows no shorter time
_FIRST, _LAST = beginning_of("0001-01"), end_of("9999-12")


@dataclass(slots=True)
class Tallied:
    """What is known of the frames that fit.

    frames: how many there are in whole days that are tallied; values: those that they have, by field.
    untold: spans of time of which nothing is known.
    parts: parts of days that are tallied; likely: about how many frames are in them.
    """

    frames: int = 0
    values: dict[str, set[TallyValue]] = field(default_factory=lambda: {name: set() for name in TALLIED_BY})
    untold: list[Span] = field(default_factory=list)
    parts: list[Span] = field(default_factory=list)
    likely: float = 0.0


class FrameTallies:
    """The tallies that ingest keeps, in memory. Nothing is told before they were read for the first time."""

    def __init__(self, database: Database) -> None:
        self._tallies = Collection(database, COLLECTION, TallyDocument)
        self._months: dict[str, MonthTally] = {}
        self._known = False
        self._read_at = 0.0
        self._reading: Together[None, None] = Together(self._read_for_all)

    async def find(
        self, proposals: Several[str] | None, chosen: FrameFilter, *, fields: Several[str] = ()
    ) -> Tallied | None:
        """Return what is known of the frames that members of these proposals may read, None if that is not enough.

        Values are told of these fields only. It is right as of a second ago.
        """
        if not (self._known and _is_of_kinds(chosen)):
            return None
        if monotonic() - self._read_at > _GOOD_FOR_S:
            await self._reading.ask(None)
        tallied = Tallied(values={name: set() for name in fields})
        for month in self._months.values():
            month.tell(tallied, proposals, chosen)
        return tallied if sum(_lengths(tallied.untold), timedelta()) <= _MOST_UNTOLD else None

    async def read(self) -> None:
        """Read what has changed."""
        read_at = monotonic()
        revisions = {row["_id"]: row["revision"] for row in await self._tallies.rows({}, {"revision": True})}
        known = revisions.pop(COMPLETE_ID, None) is not None
        for month, revision in revisions.items():
            if month not in self._months or self._months[month].revision != revision:
                document = await self._tallies.find_one({"_id": month})
                if document is not None:
                    self._months[month] = MonthTally(document)
        self._known, self._read_at = known, read_at

    async def _read_for_all(self, asked: Sequence[None]) -> Sequence[None]:
        await self.read()
        return asked


class MonthTally:
    """The frames of one month, by kinds."""

    def __init__(self, document: TallyDocument) -> None:
        self.revision = document.revision
        self._beginning, self._end = beginning_of(document.month), end_of(document.month)
        number_of_days = round((self._end - self._beginning) / _DAY)
        self._days = [span_of_day(document.month, number) for number in range(number_of_days)]
        cells = None if EVERY_DAY in document.marked else document.cells
        self._is_told = cells is not None
        self._marked = frozenset(int(day) - 1 for day in document.marked if day != EVERY_DAY)
        # A day that was marked since is still in them.
        told = [(cell.values, self._without_marked(unpacked_counts(cell.counts))) for cell in cells or ()]
        there = [(values, counts) for values, counts in told if any(counts)]
        self._counts = [counts for _, counts in there]
        self._kinds = [dict(zip(TALLIED_BY, values, strict=True)) for values, _ in there]
        self._having = {name: _masks(kind[name] for kind in self._kinds) for name in TALLIED_BY}
        totals = [sum(counts) for counts in self._counts]
        self._digits = [
            _mask([number for number, total in enumerate(totals) if total >> digit & 1], len(totals))
            for digit in range(max(totals, default=0).bit_length())
        ]

    def tell(self, tallied: Tallied, proposals: Several[str] | None, chosen: FrameFilter) -> None:
        """Add what is known of this month."""
        since, until = _span(chosen)
        inside = max(since, self._beginning), min(until, self._end)
        if inside[0] >= inside[1]:
            return
        if not self._is_told:
            tallied.untold.append(inside)
            return
        fitting = self._fitting(proposals, chosen)
        if inside == (self._beginning, self._end):
            tallied.frames += sum((fitting & mask).bit_count() << digit for digit, mask in enumerate(self._digits))
            for name, values in tallied.values.items():
                values.update(value for value, mask in self._having[name].items() if mask & fitting)
            tallied.untold += [self._days[number] for number in sorted(self._marked)]
            return
        # The last digit stands for the first kind.
        self._tell_days(tallied, [kind for kind, bit in enumerate(f"{fitting:b}"[::-1]) if bit == "1"], inside)

    def _tell_days(self, tallied: Tallied, kinds: Sequence[int], inside: Span) -> None:
        whole: list[int] = []
        for number, day in enumerate(self._days):
            part = max(inside[0], day[0]), min(inside[1], day[1])
            if part[0] >= part[1]:
                continue
            if number in self._marked:
                tallied.untold.append(part)
            elif part == day:
                whole.append(number)
            else:
                tallied.parts.append(part)
                frames = sum(self._counts[kind][number] for kind in kinds)
                tallied.likely += frames * ((part[1] - part[0]) / _DAY)
        if not whole:
            return
        for kind in kinds:
            frames = sum(self._counts[kind][whole[0] : whole[-1] + 1])
            if frames:
                tallied.frames += frames
                for name, values in tallied.values.items():
                    values.add(self._kinds[kind][name])

    def _without_marked(self, counts: Sequence[int]) -> Sequence[int]:
        return [0 if day in self._marked else count for day, count in enumerate(counts)] if self._marked else counts

    def _fitting(self, proposals: Several[str] | None, chosen: FrameFilter) -> int:
        """Return the kinds that fit and may be read: see `documents.frame.readable_frames`."""
        closed = self._any("release", [CLOSED])
        own = closed if proposals is None else closed & self._any("proposal_id", proposals)
        fitting = own if chosen.closed else own | self._any("release", [COMPLETE])
        for name, values in chosen.equal.items():
            fitting &= self._any(name, values)
        for name, values in chosen.unequal.items():
            fitting &= ~self._any(name, values)
        return fitting

    def _any(self, name: str, values: Iterable[TallyValue]) -> int:
        masks, found = self._having[name], 0
        for value in values:
            found |= masks.get(value, 0)
        return found


def _is_of_kinds(chosen: FrameFilter) -> bool:
    """Tell whether whole kinds of frames are asked for, of whatever time."""
    others = (
        *(*chosen.exposed_s, chosen.public_date, chosen.basename, chosen.target_name, chosen.numbers, chosen.during),
        *(chosen.header_terms or None, chosen.touches or None, chosen.with_picture or None),
    )
    named = chosen.equal.keys() | chosen.unequal.keys()
    return chosen.with_science and named <= set(TALLIED_BY) and all(each is None for each in others)


def _span(chosen: FrameFilter) -> Span:
    """Return when the frames were captured."""
    since, until = chosen.captured
    return since or _FIRST, _LAST if until is None or until > _LAST - _TICK else until + _TICK


def _masks(values: Iterable[TallyValue]) -> Mapping[TallyValue, int]:
    """Return for each value the places where it stands, as bits."""
    places: dict[TallyValue, list[int]] = {}
    count = 0
    for count, value in enumerate(values, start=1):
        places.setdefault(value, []).append(count - 1)
    return {value: _mask(numbers, count) for value, numbers in places.items()}


def _mask(numbers: Iterable[int], count: int) -> int:
    bits = bytearray(count // 8 + 1)
    for number in numbers:
        bits[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(bits, "little")


def _lengths(spans: Iterable[Span]) -> Iterator[timedelta]:
    return (end - beginning for beginning, end in spans)
