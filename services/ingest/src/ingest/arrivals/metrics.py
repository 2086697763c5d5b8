"""What ingest counts."""

from __future__ import annotations

from functools import partial
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from datalab.documents.upload import Outcome
from datalab.platform.metrics import NAMESPACE
from ingest.arrivals.model import Origin

#: Upper bounds in seconds: a header text takes some 20 ms, a compressed frame of a large camera some seconds.
_INGEST_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)


class IngestMetrics:
    """Files by what became of them, and the looks through the object store."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, namespace=NAMESPACE, registry=registry)
        gauge = partial(Gauge, namespace=NAMESPACE, registry=registry)
        histogram = partial(Histogram, namespace=NAMESPACE, registry=registry)
        self._files = counter(
            "ingest_files",
            "Files settled, by who told of them and what became of them",
            ["origin", "outcome"],
        )
        self._seconds = histogram(
            "ingest_seconds",
            "From hearing of a file to its frame being stored",
            ["outcome"],
            buckets=_INGEST_BUCKETS_S,
        )
        for origin, outcome in product(Origin, Outcome):  # an alarm on a rise misses what begins with its first event
            self._files.labels(str(origin), str(outcome))
            self._seconds.labels(str(outcome))
        self._found = counter(
            "ingest_reconciler_found",
            "Objects nobody had announced, or whose announcement was lost",
        )
        self._looks = counter(
            "ingest_reconciler_looks",
            "Completed looks through the object store; a standstill means that lost announcements stay lost",
        )
        self._listed = gauge("ingest_reconciler_objects", "Objects in the last look")
        self._look_seconds = gauge("ingest_reconciler_look_seconds", "Duration of the last look")

    def settled(self, origin: Origin, outcome: Outcome, seconds: float) -> None:
        self._files.labels(str(origin), str(outcome)).inc()
        self._seconds.labels(str(outcome)).observe(seconds)

    def reconciled(self, *, listed: int, found: int, seconds: float) -> None:
        self._looks.inc()
        self._found.inc(found)
        self._listed.set(listed)
        self._look_seconds.set(seconds)
