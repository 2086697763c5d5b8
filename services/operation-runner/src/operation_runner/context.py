"""The one place where the runner is put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from datalab.events.topology import ANALYSES, CATALOGUE, LEASES
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.topology import check_topology
from datalab.platform.health import Health
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.store import ObjectStore
from operation_runner.analysing.decoded_images import DecodedImages
from operation_runner.analysing.pool import AnalysisPool
from operation_runner.analysing.rendered_files import ObjectRenderedFiles
from operation_runner.analysing.service import Analyses
from operation_runner.computing.computer import ProcessComputer
from operation_runner.execution.cancellations import Cancellations
from operation_runner.execution.leases import KeyValueLeaseKeeper
from operation_runner.execution.metrics import ExecutionMetrics
from operation_runner.execution.service import Execution
from operation_runner.inputs.scratch import ScratchCache
from operation_runner.offers.describer import Describer
from operation_runner.offers.packages import Packages, prepare_processes
from operation_runner.offers.publishing import publish_offer
from operation_runner.results.store import ObjectResultStore
from operation_runner.settings import Settings
from operation_runner.stars.gaia_archive import GaiaArchive

SERVICE = "operation-runner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything a handler may use."""

    settings: Settings
    bus: Bus
    execution: Execution
    cancellations: Cancellations
    analyses: Analyses
    health: Health
    registry: CollectorRegistry


@asynccontextmanager
async def build_context(settings: Settings) -> AsyncIterator[Context]:
    """Connect and put together; close everything in reverse order, also when building fails half way."""
    packages = Packages(operations=tuple(settings.operation_packages), analyses=tuple(settings.analysis_packages))
    prepare_processes(packages)
    registry = create_registry()
    async with AsyncExitStack() as stack:
        describer = Describer(packages=packages)
        stack.push_async_callback(describer.stop)
        await describer.start()
        store = await stack.enter_async_context(ObjectStore(settings))
        computer = ProcessComputer(
            packages=packages.operations,
            stars=GaiaArchive.of(settings, store=store),
            slots=settings.fast_slots + settings.slow_slots,
            processes=settings.processes_per_operation,
            time_limit_s=settings.operation_time_limit_s,
            memory_bytes=settings.operation_memory_bytes,
        )
        await computer.start()
        stack.push_async_callback(computer.stop)
        scratch = ScratchCache(folder=settings.scratch_dir, limit_bytes=settings.scratch_bytes, store=store)
        scratch.open()
        stack.callback(scratch.close)
        decoded = DecodedImages(folder=settings.scratch_dir / "decoded", limit_bytes=settings.decoded_bytes)
        decoded.open()
        analysts = AnalysisPool(
            packages=packages.analyses,
            decoded=decoded,
            processes=settings.analysis_processes,
            memory_bytes=settings.analysis_memory_bytes,
            largest_image_bytes=settings.decoded_bytes,
        )
        stack.push_async_callback(analysts.stop)
        analyses = Analyses(actions=describer, inputs=scratch, analyst=analysts, files=ObjectRenderedFiles(store))
        stack.push_async_callback(analyses.stop)
        bus = Bus(
            settings=settings,
            service=SERVICE,
            metrics=BusMetrics(registry),
            graceful_timeout_s=settings.shutdown_grace_s,
        )
        await bus.connect()
        stack.push_async_callback(bus.stop)
        await check_topology(bus.jetstream)
        await publish_offer(
            describer.offer, catalogue=await bus.key_value(CATALOGUE), analyses=await bus.key_value(ANALYSES)
        )
        cancellations = Cancellations()
        execution = Execution(
            operations=describer,
            results=ObjectResultStore(store),
            leases=KeyValueLeaseKeeper(await bus.key_value(LEASES)),
            inputs=scratch,
            computer=computer,
            publisher=bus,
            cancellations=cancellations,
            metrics=ExecutionMetrics(registry),
            producer=SERVICE,
        )
        yield Context(
            settings=settings,
            bus=bus,
            execution=execution,
            cancellations=cancellations,
            analyses=analyses,
            health=Health({"bus": bus.check, "objects": store.check}),
            registry=registry,
        )
