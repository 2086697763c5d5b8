"""What answering analyses needs from the world."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from datalab.errors import UsageError
from datalab.events.operations import InputFile
from operation_runner.offers.model import OfferedAction
from operation_runner.sdk.analysis import Part


class TooLateError(UsageError):
    """The answer was not ready in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisJob:
    """One look at one file, ready for another process. `target` is where a rendering goes."""

    action: str
    parameters: dict[str, JsonValue]
    file: InputFile
    path: Path
    target: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartJob:
    """A look at a part of one file, which is not here."""

    action: str
    parameters: dict[str, JsonValue]
    file: InputFile


@dataclass(frozen=True, slots=True)
class GlimpseJob:
    """A look at some rows of a file that is here, not decoded."""

    job: AnalysisJob


@dataclass(frozen=True, slots=True)
class BytesWanted:
    """What a process asks for that works on a `PartJob`."""

    offset: int
    length: int


#: Returns so many bytes of a file from a place on. Raises `UsageError`, `TransientError`.
ReadBytes = Callable[[int, int], Awaitable[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a process of the pool is asked. `folder` is where the image is decoded to, unless it is there already."""

    job: AnalysisJob
    folder: Path
    limit_bytes: int


class Actions(Protocol):
    """The analysis actions this runner offers."""

    @property
    def actions(self) -> Sequence[str]:
        """Their names."""
        ...

    def find_action(self, name: str) -> OfferedAction | None: ...

    async def check(self, action: str, parameters: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """Return the parameters with every default. Raises `UsageError`, `TransientError`."""
        ...


class Renderer(Protocol):
    async def analyse(self, job: AnalysisJob, *, within_s: float) -> bytes | Part:
        """Return the answer, as JSON or a file.

        Raises `UsageError` (also `TooLateError`), `TransientError`.
        """
        ...


class Analyst(Renderer, Protocol):
    async def cut(self, job: PartJob, *, read: ReadBytes, within_s: float) -> Part | None:
        """Return a part of an image, None if the file has to be read as a whole. Raises as `analyse`."""
        ...

    async def glimpse(self, job: AnalysisJob, *, within_s: float) -> bytes | Part:
        """Return the answer of an action that some rows are enough for. Raises as `analyse`."""
        ...


class FileParts(Protocol):
    async def read(self, file: InputFile, etag: str, offset: int, length: int) -> bytes:
        """Return so many bytes of a stored file. Raises `UsageError`, `TransientError`."""
        ...


class RenderedFiles(Protocol):
    """Files made by renderings, kept under their keys."""

    async def keep(self, key: str, path: Path, *, media_type: str) -> None: ...
