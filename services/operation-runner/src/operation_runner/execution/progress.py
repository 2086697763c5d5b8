"""Reporting that an attempt began and how far it is: often enough to watch, never so often that it costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from datalab.errors import TransientError
from datalab.events.operations import OperationProgressed, OperationRequested, OperationStarted
from datalab.platform.tasks import end_tasks
from operation_runner.execution.ports import Publisher
from operation_runner.execution.report_id import report_id

#: A short operation is over before anybody could read that it began, and saying so costs as much as its outcome.
_FIRST_REPORT_S = 0.25
_REPORT_INTERVAL_S = 1.0
#: As much of a message as the event takes.
_MESSAGE_CHARACTERS = 1000


@asynccontextmanager
async def reported_progress(
    request: OperationRequested, *, publisher: Publisher, producer: str
) -> AsyncIterator[Callable[[float, str], None]]:
    """Say that the attempt has begun, and give the block a function that takes the latest progress.

    Progress is published at most once a second; of an attempt that ends at once only its outcome is said.
    """
    reporter = _Reporter(request, publisher=publisher, producer=producer)
    task = asyncio.create_task(reporter.publish_regularly())
    try:
        yield reporter.take
    finally:
        await end_tasks(task)


class _Reporter:
    """What is to be said of one attempt, and what was said. Losing any of it does no harm."""

    def __init__(self, request: OperationRequested, *, publisher: Publisher, producer: str) -> None:
        self._publisher = publisher
        self._about: dict[str, Any] = {
            "operation_id": request.operation_id,
            "attempt": request.attempt,
            "correlation_id": request.correlation_id,
            "producer": producer,
        }
        self._started = OperationStarted(event_id=report_id("started", request), **self._about)
        self._has_said_started = False
        self._latest: tuple[float, str] | None = None
        self._said: tuple[float, str] | None = None

    def take(self, fraction: float, message: str) -> None:
        self._latest = (fraction, message[:_MESSAGE_CHARACTERS])

    async def publish_regularly(self) -> None:
        await asyncio.sleep(_FIRST_REPORT_S)
        while True:
            with suppress(TransientError):
                await self._publish_news()
            await asyncio.sleep(_REPORT_INTERVAL_S)

    async def _publish_news(self) -> None:
        if not self._has_said_started:
            await self._publisher.publish(self._started)
            self._has_said_started = True
        if self._latest is not None and self._latest != self._said:
            self._said = self._latest
            fraction, message = self._latest
            await self._publisher.publish(OperationProgressed(fraction=fraction, message=message, **self._about))
