"""Puts together what sites say in words."""

from __future__ import annotations

from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from session_api.site_logs import http
from session_api.site_logs.repository import SiteMessageRepository
from session_api.site_logs.service import SiteLogService
from session_api.site_logs.settings import SiteLogSettings
from session_api.uploads.open_sites import OpenSites
from session_api.web.write_limits import WriteLimits


def build(core: DocumentCore, *, settings: SiteLogSettings, open_sites: OpenSites, max_answer_bytes: int) -> Capability:
    """Return what keeps messages of sites."""
    messages = SiteMessageRepository(database=core.documents.database, relay=core.relay)
    service = SiteLogService(
        messages=messages,
        open_sites=open_sites,
        limits=WriteLimits(
            what="messages",
            site_per_minute=settings.site_log_per_minute,
            address_per_minute=settings.site_log_address_per_minute,
        ),
        settings=settings,
        max_answer_bytes=max_answer_bytes,
    )
    return Capability(routes=http.router.routes, services=[service], indexes=[messages.ensure_indexes])
