"""What is counted of operations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge

from datalab.events.operations import FailureKind
from datalab.platform.metrics import NAMESPACE
from session_api.operations.model import OperationStatus


class OperationMetrics:
    """The fate of operations."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, namespace=NAMESPACE, registry=registry)
        self._finished = counter(
            "operations_finished", "Attempts that ended, by status and kind of failure", ["status", "kind"]
        )
        # From the start at 0: an alarm on a rise misses the first event of a counter that begins with it.
        for status in (OperationStatus.COMPLETED, OperationStatus.CANCELLED):
            self._finished.labels(status.value, "")
        for kind in FailureKind:
            self._finished.labels(OperationStatus.FAILED.value, kind.value)
        self._unfinished = Gauge(
            "operations_unfinished",
            "Operations that wait or run, as of the last reconciliation",
            ["status"],
            NAMESPACE,
            registry=registry,
        )
        self._requested_again = counter(
            "operations_requested_again",
            "Operations the bus had lost; more than a few mean that something is wrong with it",
        )

        self._expired = counter("results_expired", "Results deleted because no operation refers to them any more")

    def result_expired(self) -> None:
        self._expired.inc()

    def finished(self, status: OperationStatus, kind: FailureKind | None) -> None:
        self._finished.labels(status.value, "" if kind is None else kind.value).inc()

    def unfinished(self, counts: Mapping[OperationStatus, int]) -> None:
        for status, count in counts.items():
            self._unfinished.labels(status.value).set(count)

    def requested_again(self) -> None:
        self._requested_again.inc()
