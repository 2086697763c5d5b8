"""How images of a file that were read by several amplifiers fit together: by DETSEC or CCDSEC, and DATASEC.

The keywords are those of the NOAO mosaic cameras, which LCO and others use: DETSEC and CCDSEC say where on the
detector the pixels of DATASEC lie, running down where the amplifier was read from the other side; TRIMSEC is what to
keep of an image, BIASSEC its overscan. References: Valdes 2000, "NOAO Image Data Structure Definitions".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Self

from astropy.io import fits

from datalab.astro.headers.cards import readable

_SECTION: Final = re.compile(r"\[\s*(\d+)\s*:\s*(\d+)\s*,\s*(\d+)\s*:\s*(\d+)\s*\]", re.ASCII)
_ON_DETECTOR: Final = ("DETSEC", "CCDSEC")
_OF_DATA: Final = ("DATASEC", "TRIMSEC")
#: Sections far from each other would be mostly gap.
_MOST_GAP: Final = 4


@dataclass(frozen=True, slots=True)
class Range:
    """Pixels along one axis: the first one, from 0, how many, and whether they run down."""

    first: int
    count: int
    runs_down: bool = False

    @property
    def end(self) -> int:
        return self.first + self.count

    @classmethod
    def of(cls, start: int, stop: int) -> Self:
        return cls(min(start, stop) - 1, abs(stop - start) + 1, start > stop)


@dataclass(frozen=True, slots=True)
class Placed:
    """A part of an image: which rows and columns of what is stored, and where they come to lie, from 0."""

    rows: Range
    columns: Range
    row: int
    column: int

    @classmethod
    def whole(cls, shape: tuple[int, int]) -> Self:
        """Return an image of a shape that lies as it is."""
        return cls(Range(0, shape[0]), Range(0, shape[1]), 0, 0)

    @property
    def end_row(self) -> int:
        return self.row + self.rows.count

    @property
    def end_column(self) -> int:
        return self.column + self.columns.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Mosaic:
    """Parts of one image in the order of their headers; `section` is what they cover, as `keyword` has it."""

    parts: tuple[Placed, ...]
    shape: tuple[int, int]
    keyword: str
    section: str
    has_gaps: bool
    is_trimmed: bool


def mosaic_of(headers: Sequence[fits.Header], shapes: Sequence[tuple[int, int]]) -> Mosaic:
    """Return how images, each of a shape (rows, columns), fit together. Raises `ValueError` with the reason if not."""
    for keyword in _ON_DETECTOR:
        places = [_section(header, keyword) for header in headers]
        known = [place for place in places if place is not None]
        if len(known) == len(headers):
            return _fitted(keyword, known, headers, shapes)
    raise ValueError("no DETSEC or CCDSEC says how they fit together")


def _section(header: fits.Header, keyword: str) -> tuple[Range, Range] | None:
    """Return columns and rows of a section, or None."""
    found = _SECTION.fullmatch(str(readable(header, keyword, "")).strip())
    if found is None or "0" in {number.lstrip("0") or "0" for number in found.groups()}:
        return None
    first_x, last_x, first_y, last_y = map(int, found.groups())
    return Range.of(first_x, last_x), Range.of(first_y, last_y)


def _fitted(
    keyword: str,
    places: Sequence[tuple[Range, Range]],
    headers: Sequence[fits.Header],
    shapes: Sequence[tuple[int, int]],
) -> Mosaic:
    binned = [
        _data(place, header, shape, keyword) for place, header, shape in zip(places, headers, shapes, strict=True)
    ]
    if len({binning for _, _, binning in binned}) > 1:
        raise ValueError("they are binned in different ways")
    bin_x, bin_y = binned[0][2]
    left, bottom = min(x.first for x, _ in places), min(y.first for _, y in places)
    right, top = max(x.end for x, _ in places), max(y.end for _, y in places)
    if any((x.first - left) % bin_x or (y.first - bottom) % bin_y for x, y in places):
        raise ValueError(f"{keyword} does not begin at whole binned pixels")
    parts = tuple(
        Placed(
            rows=Range(rows.first, rows.count, rows.runs_down != y.runs_down),
            columns=Range(columns.first, columns.count, columns.runs_down != x.runs_down),
            row=(y.first - bottom) // bin_y,
            column=(x.first - left) // bin_x,
        )
        for (columns, rows, _), (x, y) in zip(binned, places, strict=True)
    )
    shape = max(part.end_row for part in parts), max(part.end_column for part in parts)
    if any(_overlap(one, other) for one, other in combinations(parts, 2)):
        raise ValueError(f"their {keyword} overlap")
    covered, whole = sum(part.rows.count * part.columns.count for part in parts), shape[0] * shape[1]
    if whole > _MOST_GAP * covered:
        raise ValueError(f"their {keyword} lie far apart")
    return Mosaic(
        parts=parts,
        shape=shape,
        keyword=keyword,
        section=f"[{left + 1}:{right},{bottom + 1}:{top}]",
        has_gaps=covered < whole,
        is_trimmed=covered < sum(rows * columns for rows, columns in shapes),
    )


def _data(
    place: tuple[Range, Range], header: fits.Header, shape: tuple[int, int], keyword: str
) -> tuple[Range, Range, tuple[int, int]]:
    """Return the columns and rows of an image that lie at a place on the detector, and by how much they are binned."""
    candidates = [section for name in _OF_DATA if (section := _section(header, name))]
    stated = re.fullmatch(r"(\d+)[ x,]+(\d+)", str(readable(header, "CCDSUM", "")).strip())
    for columns, rows in [*candidates, (Range(0, shape[1]), Range(0, shape[0]))]:
        if columns.end > shape[1] or rows.end > shape[0]:
            continue
        binning = place[0].count // columns.count, place[1].count // rows.count
        if (columns.count * binning[0], rows.count * binning[1]) != (place[0].count, place[1].count):
            continue
        if stated is None or binning == (int(stated[1]), int(stated[2])):
            return columns, rows, binning
    raise ValueError(f"{keyword} {readable(header, keyword, '')!r} is not as large as the pixels that belong there")


def _overlap(one: Placed, other: Placed) -> bool:
    return (
        one.row < other.end_row
        and other.row < one.end_row
        and one.column < other.end_column
        and other.column < one.end_column
    )
