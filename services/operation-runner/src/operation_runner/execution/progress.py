"""Reporting progress: often enough to watch, never so often that it costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from datalab.errors import TransientError
from datalab.events.operations import OperationProgressed, OperationRequested
from datalab.platform.tasks import end_tasks
from operation_runner.execution.ports import Publisher

#: A short operation is over before anybody could read its progress.
_FIRST_REPORT_S = 0.25
_REPORT_INTERVAL_S = 1.0
#: As much of a message as the event takes.
_MESSAGE_CHARACTERS = 1000


@asynccontextmanager
async def reported_progress(
    request: OperationRequested, *, publisher: Publisher, producer: str
) -> AsyncIterator[Callable[[float, str], None]]:
    """Give the block a function that takes the latest progress, and publish it at most once a second."""
    latest: tuple[float, str] | None = None

    def take(fraction: float, message: str) -> None:
        nonlocal latest
        latest = (fraction, message[:_MESSAGE_CHARACTERS])

    async def publish_regularly() -> None:
        published = None
        await asyncio.sleep(_FIRST_REPORT_S)
        while True:
            if latest is not None and latest != published:
                with suppress(TransientError):  # losing progress does no harm
                    await publisher.publish(
                        OperationProgressed(
                            operation_id=request.operation_id,
                            attempt=request.attempt,
                            fraction=latest[0],
                            message=latest[1],
                            correlation_id=request.correlation_id,
                            producer=producer,
                        )
                    )
                published = latest
            await asyncio.sleep(_REPORT_INTERVAL_S)

    task = asyncio.create_task(publish_regularly())
    try:
        yield take
    finally:
        await end_tasks(task)
