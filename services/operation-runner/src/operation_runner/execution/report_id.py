"""The identity of what is said of an attempt: said again, it is the same event."""

from __future__ import annotations

from datalab.events.envelope import derived_id
from datalab.events.operations import OperationRequested


def report_id(what: str, request: OperationRequested, *more: object) -> str:
    """Return the event id of a report that may be repeated.

    Numbers of operations begin anew with an empty document store, beside a bus that remembers the old ones: what
    tells the operations apart is their correlation id.
    """
    return derived_id(what, request.correlation_id, request.operation_id, request.attempt, *more)
