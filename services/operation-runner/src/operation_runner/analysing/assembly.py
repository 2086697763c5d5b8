"""Puts together what looks at images while somebody waits."""

from __future__ import annotations

from datalab.platform.assembly import Capability, Core
from operation_runner.analysing.bus import responders
from operation_runner.analysing.decoded_images import DecodedImages
from operation_runner.analysing.model import Actions
from operation_runner.analysing.pool import AnalysisPool
from operation_runner.analysing.rendered_files import ObjectRenderedFiles
from operation_runner.analysing.service import Analyses
from operation_runner.inputs.model import InputCache
from operation_runner.settings import OperationRunnerSettings


def build(core: Core, settings: OperationRunnerSettings, *, actions: Actions, inputs: InputCache) -> Capability:
    """Return the capability: questions in, answers out."""
    pool = AnalysisPool(
        packages=settings.analysis_packages,
        decoded=DecodedImages(folder=settings.scratch_dir / "decoded", limit_bytes=settings.decoded_bytes),
        processes=settings.analysis_processes,
        memory_bytes=settings.analysis_memory_bytes,
        largest_image_bytes=settings.decoded_bytes,
    )
    analyses = Analyses(actions=actions, inputs=inputs, analyst=pool, files=ObjectRenderedFiles(core.objects))
    return Capability(resources=[pool, analyses], responders=lambda: responders(analyses))
