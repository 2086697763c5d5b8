"""What the runner needs from the world."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pydantic import JsonValue

from datalab.events.catalogue import OperationDescribed
from datalab.events.envelope import Event
from datalab.events.operations import InputFile, InputSource, OperationResult

#: Input files on local disk, by source and basename.
InputPaths = Mapping[tuple[InputSource, str], Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class SkyRegion:
    """A circle on the sky, ICRS degrees."""

    ra_deg: float
    dec_deg: float
    radius_deg: float


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

    type: Literal["fits", "image"]
    files: dict[str, LocalFile]
    filter_name: str | None
    observation_date: str | None
    target_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPicture:
    """A picture before it is stored, to be linked as `name` in a field of the data it belongs to."""

    field: str
    name: str
    file: LocalFile


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalData:
    """One data product, and the pictures that belong to it."""

    content: JsonValue
    pictures: tuple[LocalPicture, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """What a computation made, besides the products it delivered on the way."""

    data: tuple[LocalData, ...]
    compute_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalisedParameters:
    """Parameters as they decide the result, and the files they name, in the order of the fields."""

    values: dict[str, JsonValue]
    files: tuple[tuple[InputSource, str], ...]


class Operations(Protocol):
    """The operations this runner offers."""

    def find(self, name: str) -> OperationDescribed | None: ...

    async def normalise(self, operation: str, parameters: dict[str, JsonValue]) -> NormalisedParameters:
        """Return what the operation makes of a request's parameters. Raises `UsageError`, `TransientError`."""
        ...


class Publisher(Protocol):
    async def publish(self, event: Event) -> None: ...


class Computer(Protocol):
    async def compute(
        self, job: Job, *, on_progress: Callable[[float, str], None], on_product: Callable[[LocalProduct], None]
    ) -> Computed:
        """Run a job in processes of its own, and deliver each product once it is on disk; cancelling ends them.

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


class NewResult(Protocol):
    """A result that is being stored while it is computed."""

    def add(self, product: LocalProduct) -> None:
        """Begin to store the files of the next product."""
        ...

    async def complete(self, computed: Computed) -> OperationResult:
        """Wait for all files, and last of all store the manifest, which makes the result complete.

        Raises `TransientError`.
        """
        ...


class ResultStore(Protocol):
    async def find(self, result_key: str) -> OperationResult | None:
        """Return a complete result, or None."""
        ...

    def new_result(self, job: Job) -> AbstractAsyncContextManager[NewResult]:
        """Begin to store a result; what is not stored at the end of the block is given up."""
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


class StarCatalogue(Protocol):
    """The stars of the sky, as an outside service knows them."""

    async def fetch(self, region: SkyRegion, target: Path) -> None:
        """Write the stars of a region to a file, as the service sent them.

        Raises `UsageError` for a region that is too large, `TransientError` if the service does not answer.
        """
        ...


class LimitExceededError(Exception):
    """A computation took more time or memory than it may."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
