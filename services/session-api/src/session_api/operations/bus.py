"""What runners say about their operations."""

from __future__ import annotations

from pydantic import TypeAdapter

from datalab.events.operations import OperationReport
from datalab.events.topology import PROJECTOR
from datalab.platform.bus.consuming import Failure, Subscription
from session_api.context import Context

_adapter: TypeAdapter[OperationReport] = TypeAdapter(OperationReport)


def subscription(context: Context) -> Subscription[OperationReport]:
    """Return what to do with the messages of `PROJECTOR`."""

    async def give_up(report: OperationReport, failure: Failure) -> None:
        await context.projector.give_up(report, kind=failure.kind, message=failure.message)

    return Subscription(
        consumer=PROJECTOR,
        decode=lambda _subject, body: _adapter.validate_json(body),
        handle=context.projector.apply,
        on_failure=give_up,
        concurrency=context.settings.projector_concurrency,
    )
