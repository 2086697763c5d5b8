"""Which attempts are to be stopped, and stopping the one in hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from datalab.events.operations import OperationCancelRequested, OperationRequested

#: Correlation id, operation id, attempt: an operation of an earlier document store may have had the same number.
_Attempt = tuple[str, int, int]


class AttemptCancelledError(Exception):
    """The attempt was stopped on request."""


class Cancellations:
    """Every runner hears every cancellation: it may hold the work, or get it later."""

    def __init__(self) -> None:
        self._cancelled: set[_Attempt] = set()
        #: Normally one task; two when a message comes back while the bus has lost sight of the first.
        self._running: dict[_Attempt, set[asyncio.Task[None]]] = {}

    def cancel(self, request: OperationCancelRequested) -> None:
        """Stop an attempt if it is in hand here, and never begin it."""
        attempt = _attempt(request)
        if attempt in self._cancelled:  # one cancellation is undone once, see `stoppable`
            return
        self._cancelled.add(attempt)
        for task in self._running.get(attempt, ()):
            task.cancel()

    @asynccontextmanager
    async def stoppable(self, request: OperationRequested) -> AsyncIterator[None]:
        """Make the block raise `AttemptCancelledError` as soon as its attempt is cancelled."""
        attempt = _attempt(request)
        if attempt in self._cancelled:
            raise AttemptCancelledError
        task = asyncio.current_task()
        assert task is not None
        self._running.setdefault(attempt, set()).add(task)
        try:
            yield
        except asyncio.CancelledError:
            # Somebody else may want this task to end too (the runner is stopping): then it must.
            if attempt in self._cancelled and task.cancelling() == 1:
                raise AttemptCancelledError from None
            raise
        finally:
            self._running[attempt].remove(task)
            if not self._running[attempt]:
                del self._running[attempt]
            if attempt in self._cancelled:
                task.uncancel()  # the task goes on with other attempts


def _attempt(request: OperationRequested | OperationCancelRequested) -> _Attempt:
    return (request.correlation_id, request.operation_id, request.attempt)
