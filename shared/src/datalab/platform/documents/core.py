"""The core of a service with documents. Apart from that of others, which load no driver."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from datalab.platform.assembly import Core
from datalab.platform.documents.client import DocumentStore
from datalab.platform.documents.outbox import OutboxRelay
from datalab.platform.health import HealthCheck
from datalab.platform.metrics import OutboxMetrics
from datalab.platform.settings import DocumentServiceSettings


class DocumentCore(Core):
    """The core of a service with documents of its own."""

    def __init__(self, settings: DocumentServiceSettings, *, service: str) -> None:
        super().__init__(settings, service=service)
        self.documents = DocumentStore(settings)
        self.relay = OutboxRelay(bus=self.bus, metrics=OutboxMetrics(self.registry))

    @property
    def checks(self) -> dict[str, HealthCheck]:
        """What must answer for this process to be ready."""
        return {"bus": self.bus.check, "documents": self.documents.check, "objects": self.objects.check}

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Connect the stores. Raises `TransientError`."""
        async with super().connected():
            try:
                await self.documents.check()
                yield
            finally:
                await self.documents.close()

    @asynccontextmanager
    async def relaying(self) -> AsyncIterator[None]:
        """Publish events that documents hold."""
        self.relay.start()
        try:
            yield
        finally:
            await self.relay.stop()
