"""What the session API counts for its operators."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from datalab.events.operations import FailureKind
from datalab.platform.metrics import NAMESPACE
from session_api.operations.model import OperationStatus

#: Upper bounds in seconds: one document takes a few milliseconds, a long list of results some hundred.
_REQUEST_BUCKETS_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class ApiMetrics:
    """Requests by route template (paths carry ids without end), and the fate of operations."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "http_requests",
            "HTTP requests answered",
            ["method", "route", "status"],
            namespace=NAMESPACE,
            registry=registry,
        )
        self._request_seconds = Histogram(
            "http_request_seconds",
            "From the first byte of a request to the last of its answer",
            ["method", "route"],
            namespace=NAMESPACE,
            buckets=_REQUEST_BUCKETS_S,
            registry=registry,
        )
        self._finished = Counter(
            "operations_finished",
            "Attempts that ended, by status and kind of failure",
            ["status", "kind"],
            namespace=NAMESPACE,
            registry=registry,
        )
        self._unfinished = Gauge(
            "operations_unfinished",
            "Operations that wait or run, as of the last reconciliation",
            ["status"],
            namespace=NAMESPACE,
            registry=registry,
        )
        self._requested_again = Counter(
            "operations_requested_again",
            "Operations the bus had lost; more than a few mean that something is wrong with it",
            namespace=NAMESPACE,
            registry=registry,
        )
        self._undeliverable = Counter(
            "undeliverable_messages",
            "Messages delivered too often without an answer: alarm on any",
            ["consumer"],
            namespace=NAMESPACE,
            registry=registry,
        )

    def request(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(method, route).observe(seconds)

    def finished(self, status: OperationStatus, kind: FailureKind | None) -> None:
        self._finished.labels(status.value, "" if kind is None else kind.value).inc()

    def unfinished(self, counts: Mapping[OperationStatus, int]) -> None:
        for status, count in counts.items():
            self._unfinished.labels(status.value).set(count)

    def requested_again(self) -> None:
        self._requested_again.inc()

    def undeliverable(self, consumer: str) -> None:
        self._undeliverable.labels(consumer).inc()
