"""What the feed counts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from datalab.platform.metrics import NAMESPACE
from session_api.feed.model import CloseCode


class FeedMetrics:
    """Implements `FeedMeter`. Labels are the names of close codes, never users or sessions."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._clients = Gauge("feed_clients", "Connected clients", namespace=NAMESPACE, registry=registry)
        self._sent = Counter(
            "feed_events_sent", "Events sent, one for each client", namespace=NAMESPACE, registry=registry
        )
        self._replayed = Counter(
            "feed_events_replayed",
            "Of the events sent, those read from the stored feed",
            namespace=NAMESPACE,
            registry=registry,
        )
        self._closed = Counter(
            "feed_clients_closed",
            "Connections the server ended, by reason",
            ["reason"],
            namespace=NAMESPACE,
            registry=registry,
        )
        self._unreadable = Counter(
            "feed_unreadable_events", "Stored messages that are no feed events", namespace=NAMESPACE, registry=registry
        )
        self._high_water = Gauge(
            "feed_queue_high_water",
            "Most events that ever waited for one client",
            namespace=NAMESPACE,
            registry=registry,
        )
        self._highest = 0

    def connected(self, clients: int) -> None:
        self._clients.set(clients)

    def sent(self, *, replayed: bool) -> None:
        self._sent.inc()
        if replayed:
            self._replayed.inc()

    def closed(self, code: CloseCode) -> None:
        self._closed.labels(code.name.lower()).inc()

    def waiting(self, events: int) -> None:
        if events > self._highest:
            self._highest = events
            self._high_water.set(events)

    def unreadable(self) -> None:
        self._unreadable.inc()
