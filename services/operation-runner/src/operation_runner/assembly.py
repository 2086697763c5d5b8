"""The capabilities of the runner, and what they have of each other."""

from __future__ import annotations

from collections.abc import Sequence

from datalab.platform.assembly import Capability, Core
from operation_runner.analysing import assembly as analysing
from operation_runner.computing.forkserver import Packages
from operation_runner.execution import assembly as execution
from operation_runner.inputs.scratch import ScratchCache
from operation_runner.offers.clerk import Clerk
from operation_runner.offers.publishing import OfferPublisher
from operation_runner.settings import OperationRunnerSettings


def build(core: Core, settings: OperationRunnerSettings) -> Sequence[Capability]:
    """Return the capabilities, in the order in which they start."""
    clerk = Clerk(
        packages=Packages(operations=tuple(settings.operation_packages), analyses=tuple(settings.analysis_packages))
    )
    scratch = ScratchCache(folder=settings.scratch_dir, limit_bytes=settings.scratch_bytes, store=core.objects)
    return [
        Capability(resources=[clerk], parts=[OfferPublisher(bus=core.bus, clerk=clerk)]),
        Capability(resources=[scratch]),
        analysing.build(core, settings, actions=clerk, inputs=scratch),
        execution.build(core, settings, operations=clerk, inputs=scratch),
    ]
