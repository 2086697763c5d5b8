"""The capabilities of the runner, and what they have of each other."""

from __future__ import annotations

from collections.abc import Sequence

from datalab.platform.assembly import Capability, Core
from operation_runner.analysing import assembly as analysing
from operation_runner.downloads import assembly as downloads_assembly
from operation_runner.ephemeris import assembly as ephemeris
from operation_runner.execution import assembly as execution
from operation_runner.inputs.scratch import ScratchCache
from operation_runner.offers.describer import Describer
from operation_runner.offers.packages import Packages
from operation_runner.offers.publishing import OfferPublisher
from operation_runner.previews import assembly as previews
from operation_runner.settings import OperationRunnerSettings


def build(core: Core, settings: OperationRunnerSettings) -> Sequence[Capability]:
    """Return the capabilities, in the order in which they start."""
    describer = Describer(
        packages=Packages(operations=tuple(settings.operation_packages), analyses=tuple(settings.analysis_packages))
    )
    scratch = ScratchCache(folder=settings.scratch_dir, limit_bytes=settings.scratch_bytes, store=core.objects)
    downloads, making = downloads_assembly.build(core)
    return [
        Capability(resources=[describer], parts=[OfferPublisher(bus=core.bus, describer=describer)]),
        Capability(resources=[scratch]),
        downloads,
        analysing.build(core, settings, actions=describer, inputs=scratch, making=making),
        execution.build(core, settings, operations=describer, inputs=scratch),
        previews.build(core, settings, scratch=scratch),
        ephemeris.build(),
    ]
