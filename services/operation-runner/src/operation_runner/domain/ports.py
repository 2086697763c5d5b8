"""What the runner needs from the world."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from datalab.events.envelope import Event
from datalab.events.operations import InputFile, InputSource, OperationResult

#: Input files on local disk, by source and basename.
InputPaths = Mapping[tuple[InputSource, str], Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One computation, ready for a process of its own. Everything in it can be pickled."""

    operation: str
    parameters: dict[str, JsonValue]
    result_key: str
    inputs: tuple[InputFile, ...]
    paths: dict[tuple[InputSource, str], Path]
    work_dir: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """A file a computation left in its work folder."""

    path: Path
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalProduct:
    """One product before it is stored, its renderings by role (fits, large, small, tif)."""

    basename: str
    type: str
    files: dict[str, LocalFile]
    filter_name: str | None
    observation_date: str | None
    target_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """What a computation made."""

    products: tuple[LocalProduct, ...]
    data: tuple[JsonValue, ...]
    compute_s: float


class Publisher(Protocol):
    async def publish(self, event: Event) -> None: ...


class Computer(Protocol):
    async def compute(self, job: Job, *, on_progress: Callable[[float, str], None]) -> Computed:
        """Run a job in processes of its own; cancelling ends them.

        Raises `UsageError`, `TransientError`, `LimitExceededError`.
        """
        ...


class InputCache(Protocol):
    def pinned(self, files: Sequence[InputFile]) -> AbstractAsyncContextManager[InputPaths]:
        """Fetch what is not here yet, verified, and keep all of it here until the end of the block."""
        ...

    def work_dir(self) -> AbstractAsyncContextManager[Path]:
        """Lend an empty folder on the same disk, removed at the end of the block."""
        ...


class ResultStore(Protocol):
    async def find(self, result_key: str) -> OperationResult | None:
        """Return a complete result, or None."""
        ...

    async def store(self, computed: Computed, *, job: Job) -> OperationResult:
        """Store the files of a result, and last of all its manifest, which makes it complete."""
        ...


class Lease(Protocol):
    """The right to compute one result key."""

    async def confirm(self) -> None:
        """Raise `TransientError` unless the right is still ours."""
        ...


class LeaseKeeper(Protocol):
    def hold(self, result_key: str) -> AbstractAsyncContextManager[Lease | None]:
        """Wait for the right to compute a key; None if somebody completed it meanwhile."""
        ...


class LimitExceededError(Exception):
    """A computation took more time or memory than it may."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
