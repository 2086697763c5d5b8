"""Operations to compute."""

from __future__ import annotations

from datalab.events.operations import Lane, OperationRequested
from datalab.events.topology import RUNNERS
from datalab.platform.bus.consuming import Failure, Subscription
from operation_runner.context import Context


def subscriptions(context: Context) -> list[Subscription[OperationRequested]]:
    """Return one subscription per lane, each with its own slots: a second's work never waits behind an hour's."""
    slots = {Lane.FAST: context.settings.fast_slots, Lane.SLOW: context.settings.slow_slots}

    async def fail(request: OperationRequested, failure: Failure) -> None:
        await context.execution.fail(request, failure.kind, failure.message)

    return [
        Subscription(
            consumer=consumer,
            decode=lambda _, body: OperationRequested.decode(body),
            handle=context.execution.run,
            on_failure=fail,
            concurrency=slots[lane],
        )
        for lane, consumer in RUNNERS.items()
    ]
