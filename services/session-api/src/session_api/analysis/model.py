"""Analyses: asked of the runners while a client waits."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import dataclass
from typing import Literal, Protocol

from datalab.errors import DatalabError, UsageError
from datalab.events.analysis import AnalysisAnswered, AnalysisDescribed, AnalysisRequested
from datalab.events.operations import FailureKind


class AnalysisError(DatalabError):
    """An analysis that has no answer; `message` is the whole text users read.

    With `pending` there will be one: a file is being made, and who asks again is told of it.
    """

    def __init__(self, message: str, *, kind: FailureKind = FailureKind.USAGE, pending: bool = False) -> None:
        super().__init__(message)
        self.kind = kind
        self.pending = pending


class AnswerTimedOutError(UsageError):
    """A runner took the question, and did not answer in time."""


@dataclass(frozen=True, slots=True)
class RunnersAnswer:
    """What a runner says: the head, and a JSON text if nothing failed."""

    head: AnalysisAnswered
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON text, perhaps compressed; or a file, as its type says."""

    body: bytes
    encoding: Literal["gzip"] | None = None
    media_type: str = "application/json"

    async def unpacked(self) -> bytes:
        """Return the text as it is to be read."""
        return self.body if self.encoding is None else await asyncio.to_thread(gzip.decompress, self.body)


class AnalysisRunners(Protocol):
    """The runners, as far as they answer questions. Every method raises `TransientError` when the world does not."""

    async def find(self, action: str) -> AnalysisDescribed | None: ...

    async def described(self) -> list[AnalysisDescribed]:
        """Return every action there is, by name."""
        ...

    async def ask(self, request: AnalysisRequested) -> RunnersAnswer:
        """Return the answer.

        Raises `AnswerTimedOutError`, and `TransientError` also when no runner is there.
        """
        ...
