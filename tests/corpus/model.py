"""A file of the corpus, and what is right about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import numpy as np


class Unasked(Enum):
    """Stands for what nothing is asked about."""

    UNASKED = "unasked"


UNASKED = Unasked.UNASKED

#: Where an image shows a pixel, given by x and y (columns and rows, 0 at the centre of the first): ICRS degrees.
Sky = Callable[[float, float], tuple[float, float]]

START = datetime(2026, 5, 4, 22, 0, 1, 417000, tzinfo=UTC)
EXPOSURE_S = 30.0
MIDDLE = START + timedelta(seconds=EXPOSURE_S) / 2
RIGHT_ASCENSION_DEG, DECLINATION_DEG = 202.469575, 47.195258
#: Rows and columns of the ordinary image: never square, so that nobody exchanges them unseen.
SHAPE = (6, 8)
PIXELS = np.arange(48, dtype=np.int16).reshape(SHAPE) * 3 + 100


@dataclass(frozen=True, kw_only=True)
class Right:
    """The right values of a file; of the ordinary file where nothing else is said.

    None: there is no such value, or none that can be relied on, and it must be left out. `UNASKED`: nothing is asked.
    Times are UTC, positions and the sky ICRS degrees. `noted` names what there must be a note about (a keyword, or a
    word of the note), `may_be_noted` what there may be one about; any other note is one too many. `refused` is a
    pattern of the reason, for a file that must not be taken: nothing else counts then. `source` is the section of the
    standard, or who defined the convention. Times, exposures and numbers may be off by what the header itself rounds.
    """

    start: datetime | Unasked | None = START
    middle: datetime | Unasked | None = MIDDLE
    time_within_s: float = 0.0011  # what is stored is cut to the millisecond
    exposure_s: float | Unasked | None = EXPOSURE_S
    position: tuple[float, float] | Unasked | None = (RIGHT_ASCENSION_DEG, DECLINATION_DEG)
    position_within_arcsec: float = 0.1
    filter_name: str | Unasked | None = "rp"
    kind: str | Unasked | None = "EXPOSE"
    target: str | Unasked | None = "M 51"
    altitude_deg: float | Unasked | None = None
    airmass: float | Unasked | None = 1.21
    shape: tuple[int, int] | Unasked = SHAPE
    pixels: Any = field(default_factory=lambda: PIXELS)
    #: Below 0.001 of the value, for what is rounded; else in units of the pixels.
    pixels_within: float = 0.0
    sky: Sky | Unasked | None = None
    sky_within_arcsec: float = 0.02
    #: With a note, leaving these out is right, too: the header is in doubt, and a standard does not settle it.
    may_be_left_out: frozenset[str] = frozenset()
    noted: frozenset[str] = frozenset()
    may_be_noted: frozenset[str] = frozenset()
    refused: str | None = None
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class File:
    """A file: what it is called, how its bytes are made, and what is right about it."""

    name: str
    build: Callable[[], bytes]
    right: Right
    #: Whether the header alone, sent as text, says the same.
    also_as_text: bool = False
    #: Whether the runner may be given it.
    for_the_runner: bool = True

    @property
    def compression(self) -> str:
        """How the file is compressed, as its name says."""
        extension = self.name.rpartition(".")[2]
        return "" if extension == "fits" else extension


def right(
    *,
    noted: Sequence[str] = (),
    may_be_noted: Sequence[str] = (),
    may_be_left_out: Sequence[str] = (),
    **changes: Any,
) -> Right:
    """Return the right values of a file that differs from the ordinary one in these.

    The middle of the exposure follows from its start and length unless it is given.
    """
    found = replace(
        Right(),
        noted=frozenset(noted),
        may_be_noted=frozenset(may_be_noted),
        may_be_left_out=frozenset(may_be_left_out),
        **changes,
    )
    if "middle" not in changes and isinstance(found.start, datetime):
        length_s = found.exposure_s if isinstance(found.exposure_s, int | float) else 0.0
        found = replace(found, middle=found.start + timedelta(seconds=length_s) / 2)
    elif "middle" not in changes and found.start is None:
        found = replace(found, middle=None)
    return found


def refused(pattern: str, **changes: Any) -> Right:
    """Return what is right about a file that nobody may take for an exposure."""
    return replace(Right(), refused=pattern, **changes)
