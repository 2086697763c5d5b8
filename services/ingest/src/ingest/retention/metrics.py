"""What is counted of objects that are deleted by age or size."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from prometheus_client import CollectorRegistry, Counter

from datalab.platform.metrics import NAMESPACE


class RetentionMetrics:
    """Objects and bytes that went, by family."""

    def __init__(self, registry: CollectorRegistry, *, families: Iterable[str]) -> None:
        counter = partial(Counter, labelnames=["family"], namespace=NAMESPACE, registry=registry)
        self._objects = counter("retention_deleted_objects", "Objects deleted because they were old, or too many")
        self._bytes = counter("retention_deleted_bytes", "Bytes of these objects")
        for family in families:
            self._objects.labels(family)
            self._bytes.labels(family)

    def swept(self, family: str, *, objects: int, size_bytes: int) -> None:
        self._objects.labels(family).inc(objects)
        self._bytes.labels(family).inc(size_bytes)
