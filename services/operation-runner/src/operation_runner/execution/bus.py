"""Operations to compute and to stop, as the bus brings them."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from datalab.events.operations import Lane, OperationCancelRequested, OperationRequested
from datalab.events.topology import CANCELLATIONS, RUNNERS
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.consuming import Failure, Subscription
from datalab.platform.bus.streams import StoredMessage, StreamFollower
from datalab.platform.logging import get_logger
from operation_runner.execution.cancellations import Cancellations
from operation_runner.execution.service import Execution

_log = get_logger(__name__)


def subscriptions(execution: Execution, *, slots: Mapping[Lane, int]) -> list[Subscription[OperationRequested]]:
    """Return one subscription per lane, each with its own slots: a second's work never waits behind an hour's."""

    async def fail(request: OperationRequested, failure: Failure) -> None:
        await execution.fail(request, failure.kind, failure.message)

    async def delay(request: OperationRequested, reason: str) -> None:
        await execution.delay(request, reason)

    return [
        Subscription(
            consumer=consumer,
            decode=lambda _, body: OperationRequested.decode(body),
            handle=execution.run,
            on_failure=fail,
            on_outage=delay,
            describe=_in_words,
            concurrency=slots[lane],
        )
        for lane, consumer in RUNNERS.items()
    ]


def _in_words(request: OperationRequested) -> str:
    again = f", attempt {request.attempt}" if request.attempt > 1 else ""
    return f"{request.operation}, operation {request.operation_id}{again}"


class CancellationListener:
    """Learns every cancellation kept before the first request is taken, then follows new ones."""

    def __init__(self, *, bus: Bus, cancellations: Cancellations) -> None:
        self._bus = bus
        self._cancellations = cancellations
        self._follower: StreamFollower | None = None

    async def start(self) -> None:
        """Learn, and begin to follow. Raises `TransientError`."""
        position = await self._bus.stream_position(CANCELLATIONS)
        async for message in self._bus.replay(CANCELLATIONS, after=0, filter_subjects=CANCELLATIONS.subjects):
            await self._learn(message)
        self._follower = self._bus.follow(CANCELLATIONS, after=position.last, on_message=self._learn)
        await self._follower.start()

    async def stop(self) -> None:
        """Follow no more."""
        if self._follower is not None:
            await self._follower.stop()

    async def _learn(self, message: StoredMessage) -> None:
        try:
            self._cancellations.cancel(OperationCancelRequested.decode(message.body))
        except ValidationError:
            _log.exception("cancellation.unreadable", sequence=message.sequence)
