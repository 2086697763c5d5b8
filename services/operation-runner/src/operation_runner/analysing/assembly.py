"""Puts together what looks at images while somebody waits."""

from __future__ import annotations

from datalab.platform.assembly import Capability, Core
from operation_runner.analysing.bus import responders
from operation_runner.analysing.decoded_images import DecodedImages
from operation_runner.analysing.file_parts import ObjectParts
from operation_runner.analysing.model import Actions
from operation_runner.analysing.pool import AnalysisPool
from operation_runner.analysing.service import Analyses
from operation_runner.downloads.files import ObjectFiles
from operation_runner.downloads.making import Making
from operation_runner.inputs.model import InputCache
from operation_runner.settings import OperationRunnerSettings

#: Files made to be saved, at once: they take seconds, and nobody looks at them while they are made.
_RENDERING_PROCESSES = 1


def build(
    core: Core, settings: OperationRunnerSettings, *, actions: Actions, inputs: InputCache, making: Making
) -> Capability:
    """Return the capability: questions in, answers out."""
    decoded = DecodedImages(folder=settings.scratch_dir / "decoded", limit_bytes=settings.decoded_bytes)
    pools = [
        AnalysisPool(
            packages=settings.analysis_packages,
            decoded=decoded,
            processes=processes,
            memory_bytes=settings.analysis_memory_bytes,
            largest_image_bytes=settings.decoded_bytes,
        )
        for processes in (settings.analysis_processes, _RENDERING_PROCESSES)
    ]
    analyst, renderer = pools
    analyses = Analyses(
        actions=actions,
        inputs=inputs,
        analyst=analyst,
        renderer=renderer,
        files=ObjectFiles(core.objects),
        making=making,
        parts=ObjectParts(core.objects),
    )
    return Capability(resources=[decoded, *pools, analyses], responders=lambda: responders(analyses))
