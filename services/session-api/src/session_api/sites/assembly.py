"""Puts sites together."""

from __future__ import annotations

from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from session_api.sites import http
from session_api.sites.repository import SiteRepository
from session_api.sites.schemas import SiteSchemas
from session_api.sites.service import SiteService
from session_api.sites.settings import SiteSettings
from session_api.uploads.open_sites import OpenSites
from session_api.web.write_limits import WriteLimits


def build(
    core: DocumentCore, *, settings: SiteSettings, open_sites: OpenSites, max_answer_bytes: int
) -> tuple[Capability, SiteService]:
    """Return what keeps the configurations of sites, and what others read them from.

    Its routes go last: in them, a site stands where those of others have words.
    """
    sites = SiteRepository(database=core.documents.database, relay=core.relay)
    schemas = SiteSchemas(settings.site_config_schemas)
    service = SiteService(
        sites=sites,
        open_sites=open_sites,
        schemas=schemas,
        limits=WriteLimits(
            what="configurations",
            site_per_minute=settings.site_config_per_minute,
            address_per_minute=settings.site_config_address_per_minute,
        ),
        settings=settings,
        most_bytes=max_answer_bytes,
    )
    capability = Capability(
        routes=http.router.routes, services=[service], resources=[schemas], indexes=[sites.ensure_indexes]
    )
    return capability, service
