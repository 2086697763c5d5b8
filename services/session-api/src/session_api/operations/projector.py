"""Brings operations up to date with what their runners report."""

from __future__ import annotations

from datalab.errors import TransientError
from datalab.events.envelope import derived_id, utc_now
from datalab.events.operations import FailureKind, OperationFailed, OperationReport, OperationSucceeded
from session_api.operations.dependents import Dependents
from session_api.operations.metrics import OperationMetrics
from session_api.operations.model import PRODUCER, changed_event
from session_api.operations.ports import OperationRepository

#: More reports on one operation at the same moment than there are projectors cannot be.
_MOST_RACES = 50


class OperationProjector:
    """Reports may come repeated and in any order: the end is the same."""

    def __init__(self, *, operations: OperationRepository, dependents: Dependents, metrics: OperationMetrics) -> None:
        self._operations = operations
        self._dependents = dependents
        self._metrics = metrics

    async def apply(self, report: OperationReport) -> None:
        """Change the operation as the report says, and tell the feed in the same write; then start what waited."""
        for _ in range(_MOST_RACES):
            before = await self._operations.find_any(report.operation_id)
            if before is None:
                return
            after = before.after(report, now=utc_now())
            if after is before:
                return
            # Named after the report: should it come again, the feed still tells it once.
            event_id = derived_id("operation-changed", report.event_id)
            events = [] if after.looks_like(before) else [changed_event(after, event_id=event_id)]
            if await self._operations.replace_state(before, after, events):
                if after.finished:
                    self._metrics.finished(after.status, after.failure_kind)
                    await self._dependents.after_end_of([after.id])
                return
        raise TransientError("the operation changes too fast")

    async def give_up(self, report: OperationReport, *, kind: FailureKind, message: str) -> None:
        """End an operation whose result cannot be taken in; without this it would be computed again for ever."""
        if isinstance(report, OperationSucceeded):
            await self.apply(
                OperationFailed(
                    event_id=derived_id("result-refused", report.event_id),
                    operation_id=report.operation_id,
                    attempt=report.attempt,
                    correlation_id=report.correlation_id,
                    producer=PRODUCER,
                    kind=kind,
                    message=message,
                )
            )
