"""Puts together what sees to the pictures of frames."""

from __future__ import annotations

from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from datalab.platform.periodic import Periodic
from ingest.frames.recent import RecentFrames
from ingest.frames.repository import FrameRepository
from ingest.previews.bus import preview_notes
from ingest.previews.service import Previews
from ingest.settings import IngestSettings

#: Each is a write of a document; those that wait for it together cost less than one after the other.
_CONCURRENCY = 8


def build(core: DocumentCore, settings: IngestSettings, *, frames: FrameRepository, recent: RecentFrames) -> Capability:
    """Return what asks for pictures, and what hears of them."""
    previews = Previews(frames=frames, objects=core.objects, recent=recent)
    return Capability(
        subscriptions=[preview_notes(previews, concurrency=_CONCURRENCY)],
        periodic=[Periodic(name="previews", every_s=settings.preview_interval_s, work=previews.ask_for_due)],
    )
