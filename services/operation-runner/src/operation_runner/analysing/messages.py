"""What the runner and a process of the analysis pool say to each other. Loads no astronomy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.connection import Connection
from pathlib import Path

from datalab.processes.limits import die_with_parent
from operation_runner.analysing.model import AnalysisJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a process is asked. `folder` is where the image is decoded to, unless it is there already."""

    job: AnalysisJob
    folder: Path
    limit_bytes: int


class AnswerKind(StrEnum):
    """What became of it: answered, the user's mistake, this machine's trouble, too little memory, our bug."""

    DONE = "done"
    USAGE = "usage"
    TRANSIENT = "transient"
    MEMORY = "memory"
    BUG = "bug"


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer: JSON, or a text about the failure."""

    kind: AnswerKind
    content: bytes = b""


def begin(questions: Connection, packages: Sequence[str], memory_bytes: int, *, parent: int) -> None:
    """Be a process of the pool."""
    from operation_runner.analysing.worker import work  # noqa: PLC0415 - only the child loads astronomy

    die_with_parent(parent)
    work(questions, packages, memory_bytes=memory_bytes)
