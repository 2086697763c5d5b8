"""Puts together what removes frames."""

from __future__ import annotations

from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from datalab.platform.periodic import Periodic
from ingest.frames.repository import FrameRepository
from ingest.removal.bus import removal_subscription
from ingest.removal.metrics import RemovalMetrics
from ingest.removal.repository import RemovedFrameRepository
from ingest.removal.service import FrameRemovals
from ingest.settings import IngestSettings
from ingest.uploads.repository import UploadRepository


def build(
    core: DocumentCore, settings: IngestSettings, *, frames: FrameRepository, uploads: UploadRepository
) -> tuple[Capability, FrameRemovals]:
    """Return what removes frames that are to go, and looks for those whose time has come."""
    removed = RemovedFrameRepository(database=core.documents.database, relay=core.relay)
    removals = FrameRemovals(
        frames=frames,
        removed=removed,
        uploads=uploads,
        objects=core.objects,
        meter=RemovalMetrics(core.registry),
    )
    capability = Capability(
        indexes=[removed.ensure_indexes],
        subscriptions=[removal_subscription(removals)],
        periodic=[Periodic(name="expiry", every_s=settings.expiry_interval_s, first_after_s=0.0, work=removals.look)],
    )
    return capability, removals
