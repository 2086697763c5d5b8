"""Puts the statuses of sites together."""

from __future__ import annotations

from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from session_api.status import http
from session_api.status.live import StatusTeller
from session_api.status.repository import StatusRepository
from session_api.status.service import StatusService
from session_api.status.settings import StatusSettings
from session_api.uploads.open_sites import OpenSites
from session_api.web.write_limits import WriteLimits


def build(core: DocumentCore, *, settings: StatusSettings, open_sites: OpenSites, max_answer_bytes: int) -> Capability:
    """Return what keeps how sites are. Its routes go behind those of the phases of sites, which begin likewise."""
    statuses = StatusRepository(core.documents.database)
    teller = StatusTeller(bus=core.bus, interval_s=settings.site_status_live_interval_s)
    service = StatusService(
        statuses=statuses,
        teller=teller,
        open_sites=open_sites,
        limits=WriteLimits(
            what="statuses",
            site_per_minute=settings.site_status_per_minute,
            address_per_minute=settings.site_status_address_per_minute,
        ),
        settings=settings,
        max_answer_bytes=max_answer_bytes,
    )
    return Capability(routes=http.router.routes, services=[service], indexes=[statuses.ensure_indexes], parts=[teller])
