"""What became of files that were brought in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

import typer

from datalab.cli.connection import CommandError
from datalab.cli.exit_codes import ExitCode
from datalab.cli.output import note, printable


class Fate(StrEnum):
    """What became of a file."""

    INGESTED = "ingested"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A file, and what the archive says of it: the frame it is part of, or the reason why not."""

    file: str
    verdict: Fate
    frame: str | None = None
    reason: str | None = None

    @property
    def line(self) -> str:
        if self.verdict is Fate.INGESTED:
            return f"{self.file}  ingested, frame {self.frame}"
        return f"{self.file}  {self.verdict}: {self.reason}"


def shown_in(*, as_json: bool) -> Callable[[Told], None]:
    """Return what prints each word as it comes: as a line, or as JSON on a line."""

    def show(told: Told) -> None:
        typer.echo(json.dumps(asdict(told)) if as_json else printable(told.line))

    return show


def end_with(told: Sequence[Told]) -> None:
    """Say how many files fared how. Raises `CommandError` unless all are in."""
    counts = Counter(each.verdict for each in told)
    summary = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Fate if counts[verdict])
    if counts[Fate.REFUSED]:
        raise CommandError(f"of {len(told)} files: {summary}")
    if counts[Fate.UNKNOWN]:
        raise CommandError(f"of {len(told)} files: {summary}", ExitCode.TIMED_OUT)
    if len(told) > 1:
        note(f"{len(told)} files: {summary}")
