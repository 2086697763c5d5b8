"""What the runner and a computing process say to each other. Loads no astronomy: the runner itself needs none."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from operation_runner.sdk import SkyRegion
from operation_runner.sdk.jobs import Job

#: Answers, each with one text, besides `Computed`: what the user did wrong, what went wrong on this machine, too little
#: memory, our bug.
USAGE, TRANSIENT, MEMORY, BUG = "usage", "transient", "memory", "bug"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What a process is told to do."""

    job: Job
    packages: tuple[str, ...]
    processes: int
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StarsWanted:
    """What a process asks for meanwhile: the stars of a region, written to a file.

    The reply is None when they are there, else the error to raise.
    """

    region: SkyRegion
    target: Path


def begin(assignments: Connection, answers: Connection, *, parent: int) -> None:
    """Be a computing process."""
    from operation_runner.computing.job import do_one_job  # noqa: PLC0415 - it loads astronomy

    do_one_job(assignments, answers, parent=parent)
