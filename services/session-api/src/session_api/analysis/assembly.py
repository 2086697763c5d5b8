"""Puts analyses together."""

from __future__ import annotations

from datalab.platform.assembly import Capability, Core
from datalab.platform.objects.links import Links
from session_api.analysis import http
from session_api.analysis.outputs import OutputFrames
from session_api.analysis.pictures import Pictures
from session_api.analysis.runners import BusAnalysisRunners
from session_api.analysis.service import AnalysisService
from session_api.analysis.settings import AnalysisSettings
from session_api.operations.assembly import Operations


def build(
    core: Core, *, settings: AnalysisSettings, links: Links, operations: Operations
) -> tuple[Capability, OutputFrames]:
    """Return the capability, and the outputs of operations as frames, whose headers the runners read."""
    service = AnalysisService(
        finder=operations.finder,
        runners=BusAnalysisRunners(bus=core.bus, max_answer_bytes=settings.analysis_max_answer_bytes),
        pictures=Pictures(objects=core.objects, links=links),
        links=links,
        time_limit_s=settings.analysis_time_limit_s,
        concurrency=settings.analysis_concurrency,
    )
    outputs = OutputFrames(operations=operations.seen, analyses=service)
    return Capability(routes=http.router.routes, services=[service]), outputs
