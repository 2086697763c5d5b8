"""Pictures to make, as the bus brings them."""

from __future__ import annotations

from collections.abc import Mapping

from datalab.events.operations import FailureKind, Lane
from datalab.events.previews import PreviewRequested
from datalab.events.topology import PREVIEW_MAKERS
from datalab.platform.bus.consuming import Failure, Subscription
from datalab.platform.logging import get_logger
from operation_runner.previews.service import Previews

_log = get_logger(__name__)


def subscriptions(previews: Previews, *, slots: Mapping[Lane, int]) -> list[Subscription[PreviewRequested]]:
    """Return one subscription per lane, each with its own slots."""

    async def fail(request: PreviewRequested, failure: Failure) -> None:
        if failure.kind is FailureKind.TRANSIENT:  # ingest asks again, later
            _log.warning("preview.postponed", basename=request.basename, reason=failure.message)
        else:
            await previews.give_up(request, failure.message)

    return [
        Subscription(
            consumer=consumer,
            decode=lambda _, body: PreviewRequested.decode(body),
            handle=previews.make,
            on_failure=fail,
            describe=lambda request: f"previews of {request.basename}",
            concurrency=slots[lane],
        )
        for lane, consumer in PREVIEW_MAKERS.items()
    ]
