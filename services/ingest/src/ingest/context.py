"""Builds everything this process consists of, starts it, and stops it in reverse order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from datalab.platform.bus.connection import Bus
from datalab.platform.bus.topology import check_topology
from datalab.platform.documents.client import MongoStore
from datalab.platform.documents.outbox import OutboxRelay
from datalab.platform.health import Health
from datalab.platform.metrics import BusMetrics, OutboxMetrics, create_registry
from datalab.platform.objects.store import ObjectStore
from datalab.platform.tasks import end_tasks
from ingest.arrivals.metrics import IngestMetrics
from ingest.arrivals.reconciler import Reconciler
from ingest.arrivals.scratch import ScratchFolder
from ingest.arrivals.service import SERVICE, Ingestion
from ingest.frames.repository import MongoFrames
from ingest.inspection.pool import InspectionPool
from ingest.settings import Settings
from ingest.uploads.repository import MongoUploads


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the handlers, the health endpoints and the tests may use."""

    settings: Settings
    registry: CollectorRegistry
    health: Health
    bus: Bus
    ingestion: Ingestion
    reconciler: Reconciler


@asynccontextmanager
async def build_context(settings: Settings) -> AsyncIterator[Context]:
    """Yield the service, connected and looking for lost files; it listens once the handlers are there and the bus runs.

    Raises `TransientError` when a server is away, `TopologyMismatchError` when the bus is not set up for this version.
    """
    async with AsyncExitStack() as stack:
        registry = create_registry()
        metrics = IngestMetrics(registry)
        mongo = MongoStore(settings)
        stack.callback(mongo.close)
        objects = await stack.enter_async_context(ObjectStore(settings))
        bus = Bus(settings=settings, service=SERVICE, metrics=BusMetrics(registry))
        relay = OutboxRelay(collections=[mongo.database["frames"]], bus=bus, metrics=OutboxMetrics(registry))
        stack.push_async_callback(relay.stop)  # after the handlers, whose last events it publishes
        frames = MongoFrames(database=mongo.database, relay=relay)
        uploads = MongoUploads(database=mongo.database, keep_s=settings.upload_log_keep_s)
        scratch = ScratchFolder(
            folder=settings.scratch_dir,
            objects=objects,
            max_file_bytes=settings.max_file_bytes,
            reserve_bytes=settings.scratch_reserve_bytes,
        )
        scratch.prepare()
        inspector = await stack.enter_async_context(
            InspectionPool(
                processes=settings.inspection_processes,
                time_limit_s=settings.inspection_time_limit_s,
                memory_limit_bytes=settings.inspection_memory_bytes,
                max_expanded_bytes=settings.max_expanded_bytes,
            )
        )
        ingestion = Ingestion(
            objects=objects,
            scratch=scratch,
            inspector=inspector,
            frames=frames,
            uploads=uploads,
            publisher=bus,
            meter=metrics,
        )
        reconciler = Reconciler(
            objects=objects,
            frames=frames,
            uploads=uploads,
            ingestion=ingestion,
            meter=metrics,
            interval_s=settings.reconcile_interval_s,
            first_delay_s=settings.reconcile_first_delay_s,
            min_age_s=settings.reconcile_min_age_s,
            concurrency=settings.reconcile_concurrency,
        )
        await frames.ensure_indexes()
        await uploads.ensure_indexes()
        await bus.connect()
        stack.push_async_callback(bus.close)
        await check_topology(bus.jetstream)
        relay.start()
        await stack.enter_async_context(_in_background(reconciler))
        yield Context(
            settings=settings,
            registry=registry,
            health=Health({"bus": bus.check, "documents": mongo.check, "objects": objects.check}),
            bus=bus,
            ingestion=ingestion,
            reconciler=reconciler,
        )


@asynccontextmanager
async def _in_background(reconciler: Reconciler) -> AsyncIterator[None]:
    task = asyncio.create_task(reconciler.run(), name="reconciler")
    try:
        yield
    finally:
        await end_tasks(task)
