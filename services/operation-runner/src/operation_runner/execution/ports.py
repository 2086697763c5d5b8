"""What executing an operation needs from the other rooms; tests put their own in their place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from pydantic import JsonValue

from datalab.events.envelope import Event
from datalab.events.offers import OperationDescribed
from datalab.events.operations import OperationResult
from operation_runner.offers.model import NormalisedParameters
from operation_runner.sdk.jobs import Computed, Job, LocalProduct


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

        Raises `UsageError`, `TransientError` (also `OutageError`), `LimitExceededError`.
        """
        ...


class NewResult(Protocol):
    """A result that is being stored while it is computed."""

    def add(self, product: LocalProduct) -> None:
        """Begin to store the files of the next product."""
        ...

    async def complete(self, computed: Computed, *, confirm: Callable[[], Awaitable[None]]) -> OperationResult:
        """Wait for all files, `confirm` that the result is ours to make, and last of all store the manifest.

        The manifest makes the result complete. Raises `TransientError`, also what `confirm` raises.
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
        """Take the right to compute a key; None if somebody completed it a moment ago. Raises `PostponedError`."""
        ...
