"""Counters and timings for Prometheus.

One registry per application, handed to whoever counts; the library's global registry is not used, so that a process
(a test, `datalab up`) can hold several applications. A service adds its own metrics to the same registry.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from datalab.events.operations import FailureKind
from datalab.events.topology import STREAMS

NAMESPACE: Final = "datalab"

#: Upper bounds in seconds: an in-memory projection takes under a millisecond, a long operation up to an hour.
HANDLING_BUCKETS_S: Final = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)


def create_registry() -> CollectorRegistry:
    """Return a new registry that already reports memory, CPU, open files and versions of this process."""
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


def exposition(registry: CollectorRegistry) -> tuple[bytes, str]:
    """Return all metrics in Prometheus' text format, and its content type."""
    return generate_latest(registry), CONTENT_TYPE_LATEST


#: How a delivery can be settled, beside the kinds of failure.
_SETTLED: Final = ("done", "retry", "outage", "postponed", "unreadable")


class BusMetrics:
    """What passes over the bus. Labels are names from the topology, never subjects: those carry ids without end.

    Whatever can be counted is there from the start, at 0: an alarm on a rise misses the first event of a counter that
    begins with it.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, namespace=NAMESPACE, registry=registry)
        self._handled = counter(
            "bus_messages_handled",
            "Deliveries settled, by outcome: done, retry, unreadable, or the kind of failure",
            ["consumer", "outcome"],
        )
        self._handling_seconds = Histogram(
            "bus_handling_seconds",
            "From receiving a message to settling it",
            ["consumer"],
            namespace=NAMESPACE,
            buckets=HANDLING_BUCKETS_S,
            registry=registry,
        )
        self._redeliveries = counter("bus_redeliveries", "Messages delivered a second or later time", ["consumer"])
        self._dead_letters = counter(
            "bus_dead_letters", "Messages kept aside because nobody could handle them", ["consumer"]
        )
        self._refusals = counter(
            "bus_refusals",
            "Messages kept aside because what they ask for cannot be done: the sender's mistake",
            ["consumer"],
        )
        self._publishes = counter(
            "bus_publishes", "Publishes the server acknowledged; a duplicate was stored before", ["stream", "duplicate"]
        )
        for stream, duplicate in product(STREAMS, ("false", "true")):
            self._publishes.labels(stream.name, duplicate)

    def serves(self, consumer: str) -> None:
        """Begin to count what becomes of a consumer's messages."""
        for outcome in (*_SETTLED, *FailureKind):
            self._handled.labels(consumer, str(outcome))
        self._handling_seconds.labels(consumer)
        for counter in (self._redeliveries, self._dead_letters, self._refusals):
            counter.labels(consumer)

    def handled(self, consumer: str, outcome: str, seconds: float) -> None:
        """Count one settled delivery and how long it took."""
        self._handled.labels(consumer, outcome).inc()
        self._handling_seconds.labels(consumer).observe(seconds)

    def redelivered(self, consumer: str) -> None:
        self._redeliveries.labels(consumer).inc()

    def dead_letter(self, consumer: str) -> None:
        self._dead_letters.labels(consumer).inc()

    def refusal(self, consumer: str) -> None:
        self._refusals.labels(consumer).inc()

    def published(self, stream: str, *, duplicate: bool) -> None:
        self._publishes.labels(stream, str(duplicate).lower()).inc()


class OutboxMetrics:
    """Events on their way from a document's outbox to the bus."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, namespace=NAMESPACE, registry=registry)
        self._relayed = counter("outbox_relayed_events", "Events published from an outbox")
        self._swept = counter(
            "outbox_swept_events", "Of the relayed events, those only the sweep found: their writer was interrupted"
        )
        self._sweeps = counter(
            "outbox_sweeps", "Sweeps that ran to their end; a standstill means that lost events stay lost"
        )

    def relayed(self, events: int) -> None:
        self._relayed.inc(events)

    def swept(self, events: int) -> None:
        """Count one complete sweep and the events it found."""
        self._sweeps.inc()
        self._swept.inc(events)
