"""Puts together what computes operations."""

from __future__ import annotations

from datetime import timedelta

from datalab.events.operations import Lane
from datalab.events.topology import LEASES, LEASES_TTL_S
from datalab.platform.assembly import Capability, Core
from datalab.platform.bus.leases import LeaseKeeper
from operation_runner.computing.computer import ProcessComputer
from operation_runner.execution.bus import CancellationListener, subscriptions
from operation_runner.execution.cancellations import Cancellations
from operation_runner.execution.leases import ResultLeases
from operation_runner.execution.metrics import ExecutionMetrics
from operation_runner.execution.ports import Operations
from operation_runner.execution.service import Execution
from operation_runner.inputs.model import InputCache
from operation_runner.results.store import ObjectResultStore
from operation_runner.settings import OperationRunnerSettings
from operation_runner.stars.gaia_archive import GaiaArchive


def build(core: Core, settings: OperationRunnerSettings, *, operations: Operations, inputs: InputCache) -> Capability:
    """Return the capability: requests in, outcomes out."""
    computer = ProcessComputer(
        packages=settings.operation_packages,
        stars=star_archive(core, settings),
        slots=settings.fast_slots + settings.slow_slots,
        processes=settings.processes_per_operation,
        time_limit_s=settings.operation_time_limit_s,
        memory_bytes=settings.operation_memory_bytes,
        sky_index_dir=settings.sky_index_dir or settings.scratch_dir / "sky-index",
    )
    leases = LeaseKeeper(lambda: core.bus.key_value(LEASES), ttl_s=LEASES_TTL_S)
    cancellations = Cancellations()
    execution = Execution(
        operations=operations,
        results=ObjectResultStore(core.objects),
        leases=ResultLeases(leases),
        inputs=inputs,
        computer=computer,
        publisher=core.bus,
        cancellations=cancellations,
        metrics=ExecutionMetrics(core.registry),
        producer=core.service,
    )
    return Capability(
        resources=[computer],
        parts=[leases, CancellationListener(bus=core.bus, cancellations=cancellations)],
        subscriptions=subscriptions(execution, slots={Lane.FAST: settings.fast_slots, Lane.SLOW: settings.slow_slots}),
    )


def star_archive(core: Core, settings: OperationRunnerSettings) -> GaiaArchive:
    """Return where stars come from."""
    return GaiaArchive(
        store=core.objects,
        tap_url=settings.gaia_tap_url,
        timeout_s=settings.gaia_timeout_s,
        cache_life=timedelta(days=settings.gaia_cache_days),
    )
