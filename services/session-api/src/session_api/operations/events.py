"""What is said of an operation: to the runners, and on the feed."""

from __future__ import annotations

from datalab.events.envelope import Event, new_id
from datalab.events.feed import OperationChanged, OperationDeleted
from datalab.events.operations import (
    OperationCancelRequested,
    OperationRequested,
)
from session_api import SERVICE
from session_api.operations.model import Operation, OperationHandle, OperationRequest, OperationStatus


def start_events(operation: Operation) -> list[Event]:
    """Return what has to be said of an attempt that begins now, or waits, or cannot begin."""
    ask = [requested_event(operation)] if operation.status is OperationStatus.PENDING else []
    return [*ask, changed_event(operation)]


def requested_event(operation: Operation) -> OperationRequested:
    """Return the command to compute the operation's present attempt; each call makes a new event."""
    assert isinstance(operation.request, OperationRequest), "an operation that waits has nothing to ask for"
    return OperationRequested(
        operation_id=operation.id,
        attempt=operation.attempt,
        session_id=operation.session_id,
        operation=operation.name,
        lane=operation.request.lane,
        parameters=operation.request.parameters,
        input_files=operation.request.input_files,
        correlation_id=operation.correlation_id,
        producer=SERVICE,
    )


def cancel_event(operation: OperationHandle) -> OperationCancelRequested:
    """Return the command to stop the operation's present attempt."""
    return OperationCancelRequested(
        operation_id=operation.id,
        attempt=operation.attempt,
        correlation_id=operation.correlation_id,
        producer=SERVICE,
    )


def changed_event(operation: Operation, *, event_id: str | None = None) -> OperationChanged:
    """Return what the feed says about the operation's present state."""
    return OperationChanged(
        event_id=event_id or new_id(),
        session_id=operation.session_id,
        owner=operation.owner,
        operation_id=operation.id,
        attempt=operation.attempt,
        name=operation.name,
        status=operation.status.shown,
        operation_progress=operation.progress,
        message=operation.shown_message,
        correlation_id=operation.correlation_id,
        producer=SERVICE,
    )


def deleted_event(operation: OperationHandle, *, session_id: int) -> OperationDeleted:
    """Return what the feed says about the end of the operation."""
    return OperationDeleted(
        session_id=session_id,
        owner=operation.owner,
        operation_id=operation.id,
        correlation_id=operation.correlation_id,
        producer=SERVICE,
    )
