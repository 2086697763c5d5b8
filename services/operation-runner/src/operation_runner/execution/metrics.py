"""What the runner counts beyond the bus."""

from __future__ import annotations

from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from datalab.events.operations import FailureKind
from datalab.platform.metrics import HANDLING_BUCKETS_S, NAMESPACE

_OUTCOMES: Final = ("computed", "reused", "cancelled", *map(str, FailureKind))


class ExecutionMetrics:
    """Operations by how they ended, and the time spent computing."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, namespace=NAMESPACE, registry=registry)
        histogram = partial(Histogram, namespace=NAMESPACE, registry=registry)
        self._ended = counter(
            "operations_ended",
            "Attempts by outcome: computed, reused, cancelled, or the kind of failure",
            ["operation", "outcome"],
        )
        self._compute_seconds = histogram(
            "operation_compute_seconds",
            "Time from starting the processes to having the files of the result",
            ["operation"],
            buckets=HANDLING_BUCKETS_S,
        )

    def ended(self, operation: str, outcome: str, compute_s: float = 0.0) -> None:
        """Count one attempt; `compute_s` (seconds) counts only if something was computed."""
        for possible in _OUTCOMES:  # what else may become of it begins at 0
            self._ended.labels(operation, possible)
        self._ended.labels(operation, outcome).inc()
        if compute_s > 0:
            self._compute_seconds.labels(operation).observe(compute_s)
