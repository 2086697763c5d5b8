"""Brings operations up to date with what their runners report."""

from __future__ import annotations

from datalab.events.envelope import derived_id, utc_now
from datalab.events.operations import FailureKind, OperationFailed, OperationReport, OperationSucceeded
from datalab.platform.documents.collection import until_won
from session_api import SERVICE
from session_api.operations.dependents import Dependents
from session_api.operations.events import changed_event
from session_api.operations.metrics import OperationMetrics
from session_api.operations.model import Operation
from session_api.operations.repository import OperationRepository
from session_api.operations.turns import Turns

#: More reports on one operation at the same moment than there are projectors cannot be.
_MOST_RACES = 50


class OperationProjector:
    """Reports may come repeated and in any order: the end is the same."""

    def __init__(
        self, *, operations: OperationRepository, dependents: Dependents, turns: Turns, metrics: OperationMetrics
    ) -> None:
        self._operations = operations
        self._dependents = dependents
        self._turns = turns
        self._metrics = metrics

    async def apply(self, report: OperationReport) -> None:
        """Change the operation as the report says, and tell the feed in the same write; then start what waited."""
        known = self._operations.find_any_known(report.operation_id)
        others_wait = False

        async def turn() -> Operation | None:
            nonlocal known, others_wait
            before, known = known, None
            after = None if before is None else before.after(report, now=utc_now())
            if after is before:  # what is known may be old, and the report about what came after it
                before = await self._operations.find_any(report.operation_id)
                after = None if before is None else before.after(report, now=utc_now())
            if before is None or after is None or after is before:
                return None
            # Named after the report: should it come again, the feed still tells it once.
            event_id = derived_id("operation-changed", report.event_id)
            events = [] if after.looks_like(before) else [changed_event(after, event_id=event_id)]
            others_wait = await self._operations.replace_state(before, after, events)
            return after

        changed = await until_won(turn, races=_MOST_RACES, of="the operation")
        if changed is not None and changed.finished:
            self._metrics.finished(changed.status, changed.failure_kind)
            if others_wait:
                await self._dependents.after_end_of([changed.id])
            await self._turns.after_end_of(changed, report)

    async def give_up(self, report: OperationReport, *, kind: FailureKind, message: str) -> None:
        """End an operation whose result cannot be taken in; without this it would be computed again for ever."""
        if isinstance(report, OperationSucceeded):
            await self.apply(
                OperationFailed(
                    event_id=derived_id("result-refused", report.event_id),
                    operation_id=report.operation_id,
                    attempt=report.attempt,
                    correlation_id=report.correlation_id,
                    producer=SERVICE,
                    kind=kind,
                    message=message,
                )
            )
