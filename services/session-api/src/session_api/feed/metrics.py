"""What the feed counts."""

from __future__ import annotations

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge

from datalab.platform.metrics import NAMESPACE
from session_api.feed.model import CloseCode


class FeedMetrics:
    """Labels are the names of close codes, never users or sessions."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, namespace=NAMESPACE, registry=registry)
        gauge = partial(Gauge, namespace=NAMESPACE, registry=registry)
        self._clients = gauge("feed_clients", "Connected clients")
        self._listeners = gauge("datastream_clients", "Connected clients of the datastream, which say not who they are")
        self._sent = counter("feed_events_sent", "Events sent, one for each client")
        self._replayed = counter("feed_events_replayed", "Of the events sent, those read from the stored feed")
        self._closed = counter("feed_clients_closed", "Connections the server ended, by reason", ["reason"])
        for code in CloseCode:
            self._closed.labels(code.name.lower())
        self._unreadable = counter("feed_unreadable_events", "Stored messages that are no feed events")
        self._high_water = gauge("feed_queue_high_water", "Most events that ever waited for one client")
        self._highest = 0

    def connected(self, clients: int) -> None:
        self._clients.set(clients)

    def listening(self, clients: int) -> None:
        self._listeners.set(clients)

    def sent(self, *, replayed: bool) -> None:
        self._sent.inc()
        if replayed:
            self._replayed.inc()

    def closed(self, code: CloseCode) -> None:
        self._closed.labels(code.name.lower()).inc()

    def waiting(self, events: int) -> None:
        """Note how many events wait for one client."""
        if events > self._highest:
            self._highest = events
            self._high_water.set(events)

    def unreadable(self) -> None:
        self._unreadable.inc()
