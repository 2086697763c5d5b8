"""Ingest as an application: it listens on the bus, and tells over HTTP how it is."""

from __future__ import annotations

from starlette.applications import Starlette

from datalab.platform.documents.core import DocumentCore
from datalab.platform.service import worker_app
from ingest import SERVICE
from ingest.arrivals import assembly as arrivals
from ingest.settings import IngestSettings


def create_app(settings: IngestSettings) -> Starlette:
    """Return the ASGI application; everything begins and ends with its lifespan."""
    core = DocumentCore(settings, service=SERVICE)
    return worker_app(core, [arrivals.build(core, settings).capability])
