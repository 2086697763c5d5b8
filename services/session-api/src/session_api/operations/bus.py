"""What runners say about operations."""

from __future__ import annotations

from pydantic import TypeAdapter

from datalab.events.operations import OperationReport
from datalab.events.topology import PROJECTOR
from datalab.platform.bus.consuming import Failure, Subscription
from session_api.operations.projector import OperationProjector

_adapter: TypeAdapter[OperationReport] = TypeAdapter(OperationReport)


def reports(projector: OperationProjector, *, concurrency: int) -> Subscription[OperationReport]:
    """Return what to do with the messages of `PROJECTOR`."""

    async def give_up(report: OperationReport, failure: Failure) -> None:
        await projector.give_up(report, kind=failure.kind, message=failure.message)

    return Subscription(
        consumer=PROJECTOR,
        decode=lambda _subject, body: _adapter.validate_json(body),
        handle=projector.apply,
        on_failure=give_up,
        concurrency=concurrency,
    )
