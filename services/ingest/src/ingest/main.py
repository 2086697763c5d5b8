"""Ingest as an application: it listens on the bus, and tells over HTTP how it is."""

from __future__ import annotations

from starlette.applications import Starlette

from datalab.platform.documents.core import DocumentCore
from datalab.platform.service import worker_app
from ingest import SERVICE
from ingest.arrivals import assembly as arrivals
from ingest.frames.recent import RecentFrames
from ingest.previews import assembly as previews
from ingest.removal import assembly as removal
from ingest.retention import assembly as retention
from ingest.settings import IngestSettings


def create_app(settings: IngestSettings) -> Starlette:
    """Return the ASGI application; everything begins and ends with its lifespan."""
    core = DocumentCore(settings, service=SERVICE)
    recent = RecentFrames()
    arriving = arrivals.build(core, settings, recent=recent)
    leaving, _ = removal.build(core, settings, frames=arriving.frames, uploads=arriving.uploads)
    sweeping, _ = retention.build(core, settings, info_images=arriving.info_images, allsky=arriving.allsky)
    pictures = previews.build(core, settings, frames=arriving.frames, recent=recent)
    return worker_app(core, [arriving.capability, pictures, leaving, sweeping])
