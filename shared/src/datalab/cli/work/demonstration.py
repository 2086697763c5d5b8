"""What a demonstration finds out. Loads no astronomy: `datalab up` needs these names without one."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

DEMO_USER: Final = "demo"


class DemoFailedError(Exception):
    """Something did not work; the text says what."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One frame, and the seconds from the start of its upload until the feed showed it."""

    basename: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Result:
    """One finished Median, checked."""

    operation_id: int
    basenames: tuple[str, ...]
    elapsed_s: float
    largest_difference: float


@dataclass(slots=True)
class Figures:
    """What the demonstration measured; `known` frames were in the archive before, `refused` files did not get in."""

    arrivals: list[Arrival] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)

    @property
    def upload_to_visible_ms_p50(self) -> float | None:
        """Median time from the start of a frame's upload until the feed shows it, in ms; None if none was new."""
        if not self.arrivals:
            return None
        return 1000 * statistics.median(arrival.seconds for arrival in self.arrivals)

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield what a person wants to know, and its value."""
        yield "frames ingested", str(len(self.arrivals))
        if self.known:
            yield "frames known before", str(len(self.known))
        if self.refused:
            yield "files refused", str(len(self.refused))
        if self.upload_to_visible_ms_p50 is not None:
            yield "upload to visible, median", f"{self.upload_to_visible_ms_p50:.0f} ms"
        for result in self.results:
            agreement = f"equal to numpy's to {result.largest_difference:g}"
            yield f"Median of {len(result.basenames)} frames", f"{result.elapsed_s:.2f} s, {agreement}"

    def as_json(self) -> str:
        """Return the figures as one line of JSON."""
        visible_ms = self.upload_to_visible_ms_p50
        return json.dumps(
            {
                "frames": len(self.arrivals),
                "upload_to_visible_ms_p50": None if visible_ms is None else round(visible_ms, 1),
                "operation_s": round(max(result.elapsed_s for result in self.results), 3),
                "result": "refused" if self.refused else "ok",
                "operations": len(self.results),
                "largest_difference": max(result.largest_difference for result in self.results),
                "refused": len(self.refused),
            }
        )
