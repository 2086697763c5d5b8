"""Puts uploads together."""

from __future__ import annotations

from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from datalab.platform.objects.forms import Forms
from datalab.platform.objects.links import Links
from datalab.platform.periodic import Periodic
from datalab.platform.settings import S3Settings
from session_api.archive.repository import FrameReader, UploadReader
from session_api.uploads import http
from session_api.uploads.bus import removed_frames
from session_api.uploads.destination import Destination
from session_api.uploads.ingesters import http as ingesters_http
from session_api.uploads.ingesters import store_http
from session_api.uploads.ingesters.repository import IngesterFileRepository
from session_api.uploads.ingesters.service import RecordService
from session_api.uploads.ingesters.store import IngesterStore, TokenOwners
from session_api.uploads.intake import Intake
from session_api.uploads.limits import UploadLimits
from session_api.uploads.open_sites import OpenSites
from session_api.uploads.personal import http as personal_http
from session_api.uploads.personal.repository import PersonalUploadRepository
from session_api.uploads.personal.service import PersonalUploadService
from session_api.uploads.repository import TicketRepository, VersionRepository
from session_api.uploads.service import UploadService
from session_api.uploads.settings import UploadSettings
from session_api.uploads.versions import Versions
from session_api.uploads.views import VersionPresenter

_LOOK_S = 3600.0


def build(
    core: DocumentCore,
    *,
    settings: UploadSettings,
    store: S3Settings,
    frames: FrameReader,
    links: Links,
    owners: TokenOwners,
) -> tuple[Capability, PersonalUploadService, PersonalUploadRepository]:
    """Return the capability, and what knows of people's own files."""
    forms = Forms(store)
    tickets = TicketRepository(database=core.documents.database, relay=core.relay)
    kept = VersionRepository(core.documents.database)
    versions = Versions(objects=core.objects, versions=kept)
    intake = Intake(at_once=settings.uploads_at_once, idle_s=settings.upload_idle_s)
    forms_service = UploadService(
        objects=core.objects,
        forms=forms,
        destination=Destination(choice=settings.upload_forms_to, forms=forms, objects=core.objects),
        tickets=tickets,
        versions=versions,
        frames=frames,
        log=UploadReader(core.documents.database),
        intake=intake,
        limits=UploadLimits(
            site_forms=settings.upload_site_forms_per_minute,
            site_bytes=settings.upload_site_bytes_per_minute,
            address_forms=settings.upload_address_forms_per_minute,
            address_bytes=settings.upload_address_bytes_per_minute,
        ),
        form_life_s=settings.upload_form_life_s,
        max_bytes=settings.max_upload_bytes,
        open_sites=OpenSites(settings.open_upload_sites),
    )
    in_parts = PersonalUploadRepository(database=core.documents.database, relay=core.relay)
    personal = PersonalUploadService(
        objects=core.objects,
        uploads=in_parts,
        versions=versions,
        frames=frames,
        intake=intake,
        part_bytes=settings.upload_part_bytes,
        max_bytes=settings.max_upload_bytes,
        quota_bytes=settings.upload_quota_bytes,
        quota_files=settings.upload_quota_files,
        keep_unfinished_s=settings.keep_unfinished_uploads_s,
    )
    of_ingesters = IngesterFileRepository(core.documents.database)
    door = IngesterStore(
        objects=core.objects,
        files=of_ingesters,
        frames=frames,
        owners=owners,
        intake=intake,
        max_bytes=settings.max_upload_bytes,
        our_secret=store.s3_secret_key.get_secret_value(),
    )
    records = RecordService(bus=core.bus, objects=core.objects, files=of_ingesters, frames=frames)
    capability = Capability(
        routes=[
            *http.router.routes,
            *http.replaced.routes,
            *personal_http.router.routes,
            *ingesters_http.router.routes,
            *store_http.router.routes,
        ],
        services=[forms_service, personal, VersionPresenter(links), door, records],
        indexes=[
            tickets.ensure_indexes,
            kept.ensure_indexes,
            in_parts.ensure_indexes,
            of_ingesters.ensure_indexes,
        ],
        subscriptions=[removed_frames(versions=versions, personal=personal)],
        periodic=[
            Periodic(name="abandoned uploads", every_s=_LOOK_S, work=personal.forget_abandoned),
            Periodic(name="untold files", every_s=_LOOK_S, work=door.forget_untold),
        ],
    )
    return capability, personal, in_parts
