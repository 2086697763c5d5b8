"""Puts uploads together."""

from __future__ import annotations

from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from datalab.platform.objects.forms import Forms
from datalab.platform.settings import S3Settings
from session_api.archive.repository import FrameReader
from session_api.uploads import http
from session_api.uploads.destination import Destination
from session_api.uploads.intake import Intake
from session_api.uploads.repository import TicketRepository, VersionRepository
from session_api.uploads.service import UploadService
from session_api.uploads.settings import UploadSettings
from session_api.uploads.versions import Versions


def build(core: DocumentCore, *, settings: UploadSettings, store: S3Settings, frames: FrameReader) -> Capability:
    """Return the capability."""
    forms = Forms(store)
    tickets = TicketRepository(database=core.documents.database, relay=core.relay)
    kept = VersionRepository(core.documents.database)
    service = UploadService(
        objects=core.objects,
        forms=forms,
        destination=Destination(choice=settings.upload_forms_to, forms=forms, objects=core.objects),
        tickets=tickets,
        versions=Versions(objects=core.objects, versions=kept),
        frames=frames,
        intake=Intake(at_once=settings.uploads_at_once, idle_s=settings.upload_idle_s),
        form_life_s=settings.upload_form_life_s,
        max_bytes=settings.max_upload_bytes,
        open_sites=settings.open_upload_sites,
    )
    return Capability(
        routes=http.router.routes,
        services=[service],
        indexes=[tickets.ensure_indexes, kept.ensure_indexes],
    )
