"""What operations need from the world. Methods that look beyond one owner say `any` in their name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from datalab.events.operations import FailureKind, Lane, StoredFile
from datalab.events.topology import Consumer
from session_api.operations.model import OperationStatus


class ResultData(Protocol):
    """The data of large results, as they were stored."""

    async def read(self, file: StoredFile) -> bytes | None:
        """Return a JSON array as text; None if the object is gone or damaged."""
        ...


class WorkQueues(Protocol):
    """How busy the runners are, and what became of messages they could not take."""

    async def idle(self, lane: Lane) -> bool:
        """Tell whether no request of the lane waits or is in hand, and no report waits to be taken in."""
        ...

    async def stored_body(self, stream: str, sequence: int) -> bytes | None: ...

    async def bury(self, consumer: Consumer, body: bytes, *, sequence: int, reason: str) -> None: ...


class OperationMeter(Protocol):
    """Counts for the operators."""

    def finished(self, status: OperationStatus, kind: FailureKind | None) -> None: ...

    def unfinished(self, counts: Mapping[OperationStatus, int]) -> None: ...

    def requested_again(self) -> None: ...

    def undeliverable(self, consumer: str) -> None: ...
