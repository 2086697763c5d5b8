"""What is counted of HTTP requests."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from datalab.platform.metrics import NAMESPACE

#: Upper bounds in seconds: one document takes a few milliseconds, a long list of results some hundred.
_REQUEST_BUCKETS_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class HttpMetrics:
    """Requests by route template: paths carry ids without end."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "http_requests", "HTTP requests answered", ["method", "route", "status"], NAMESPACE, registry=registry
        )
        self._request_seconds = Histogram(
            "http_request_seconds",
            "From the first byte of a request to the last of its answer",
            ["method", "route"],
            NAMESPACE,
            buckets=_REQUEST_BUCKETS_S,
            registry=registry,
        )

    def request(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(method, route).observe(seconds)
