"""What the runner and a computing process say to each other. Loads no astronomy: the runner itself needs none."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.connection import Connection

from operation_runner.domain.ports import Job
from operation_runner.sdk import Operation

#: The module with the child's side, which only the server process loads.
CHILD_MODULE = "operation_runner.adapters.compute_job"
#: Answers, each with one text, besides `Computed`: what the user did wrong, what went wrong on this machine, too little
#: memory, our bug.
USAGE, TRANSIENT, MEMORY, BUG = "usage", "transient", "memory", "bug"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What a process is told to do."""

    job: Job
    operation: Operation
    processes: int
    memory_bytes: int


def begin(assignments: Connection, answers: Connection, *, parent: int) -> None:
    """Be a computing process."""
    from operation_runner.adapters.compute_job import do_one_job  # noqa: PLC0415 - see CHILD_MODULE

    do_one_job(assignments, answers, parent=parent)
