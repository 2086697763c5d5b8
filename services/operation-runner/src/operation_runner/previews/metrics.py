"""What making previews counts."""

from __future__ import annotations

from itertools import product
from typing import Final

from prometheus_client import CollectorRegistry, Counter

from datalab.events.operations import Lane
from datalab.platform.metrics import NAMESPACE

_OUTCOMES: Final = ("made", "impossible")


class PreviewMetrics:
    """Requests for pictures, by lane and by what became of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ended = Counter(
            "previews_ended",
            "Files whose pictures were made, or of which none can be",
            ["lane", "outcome"],
            namespace=NAMESPACE,
            registry=registry,
        )
        for lane, outcome in product(Lane, _OUTCOMES):
            self._ended.labels(str(lane), outcome)

    def ended(self, lane: Lane, outcome: str) -> None:
        self._ended.labels(str(lane), outcome).inc()
