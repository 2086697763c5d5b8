"""The runner as an application: works on what the bus brings, and tells over HTTP how it is."""

from __future__ import annotations

from starlette.applications import Starlette

from datalab.platform.assembly import Core
from datalab.platform.service import worker_app
from operation_runner import SERVICE
from operation_runner.assembly import build
from operation_runner.settings import OperationRunnerSettings


def create_app(settings: OperationRunnerSettings) -> Starlette:
    """Return the ASGI application; everything begins and ends with its lifespan."""
    core = Core(settings, service=SERVICE, graceful_timeout_s=settings.shutdown_grace_s)
    return worker_app(core, build(core, settings))
