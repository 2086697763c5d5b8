"""What is counted of frames that go."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from datalab.events.frames import RemovalCause
from datalab.platform.metrics import NAMESPACE


class RemovalMetrics:
    """Frames that went, by why."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._removed = Counter(
            "frames_removed",
            "Frames that went, with their files, by why",
            ["cause"],
            namespace=NAMESPACE,
            registry=registry,
        )
        for cause in RemovalCause:
            self._removed.labels(str(cause))

    def removed(self, cause: RemovalCause) -> None:
        self._removed.labels(str(cause)).inc()
